"""The page about one person."""

import base64
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from elifpose.biomechanics.muscles import HAWKINS_HULL
from elifpose.inference.analysis import Analysis, Settings
from elifpose.inference.plots import plots
from elifpose.inference.report import Thumbnail, report_page, write_report
from elifpose.utils.drawing import ImageArray
from elifpose.utils.errors import ElifPoseError
from elifpose.utils.image import decode_image

Analysed = Callable[..., Analysis]
_SOLEUS = Settings(muscles=("soleus",))
_DAY = date(2025, 3, 4)
_EVIL = '<script>alert("x")</script> & "walk".mp4'


class _Page(HTMLParser):
    """Tags, attributes, texts and table rows of a page; fails on tags that do not match."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.addresses: list[str] = []
        self.rows: list[list[str]] = []
        self.text = ""
        self.feed(page)
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.addresses += [str(value) for name, value in attrs if name in {"src", "href", "srcset", "data", "action"}]
        if tag not in {"meta", "img"}:
            self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in {"td", "th"}:
            self.rows[-1].append("")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" in self.open:
            assert not re.search(r"url\(|@import", data)
            return
        self.text += data
        if self.open and self.open[-1] in {"td", "th"}:
            self.rows[-1][-1] += data


def _picture(address: str) -> ImageArray:
    return decode_image(base64.b64decode(address.split(",")[1]), address[:20])


def _page(
    analysis: Analysis, thumbnails: Sequence[Thumbnail] = (), versions: Mapping[str, str] | None = None
) -> _Page:
    return _Page(report_page(analysis, plots(analysis), _DAY, thumbnails, versions or {}))


@pytest.fixture(scope="module")
def walk_page(analysed: Analysed) -> _Page:
    """The report of the walk, with what should not be trusted in its name."""
    return _page(analysed(Settings(body_height_m=1.75), source=_EVIL), (), {"network": "<b>"})


def test_it_needs_nothing_from_outside(walk_page: _Page) -> None:
    assert walk_page.addresses
    assert all(address.startswith("data:image/") for address in walk_page.addresses)
    assert not {"script", "link", "iframe", "object", "a", "b"} & set(walk_page.tags)


def test_pictures_are_whole(walk_page: _Page) -> None:
    assert len(walk_page.addresses) == 4
    for address in walk_page.addresses:
        assert _picture(address).std() > 0


def test_it_says_whose_and_how_sure(walk_page: _Page) -> None:
    assert f"{_EVIL} · person 0 · 2025-03-04" in walk_page.text
    assert "Model estimate, not a measurement." in walk_page.text
    assert HAWKINS_HULL in walk_page.text
    assert ["body height m", "1.75"] in walk_page.rows
    assert ["network", "<b>"] in walk_page.rows


def test_warnings_stand_before_everything_else(walk_page: _Page) -> None:
    noted = walk_page.text.index("The left leg is away from the camera")
    assert walk_page.text.index("Please note") < noted < walk_page.text.index("In short")


def test_the_table_has_each_range(walk_page: _Page, analysed: Analysed) -> None:
    analysis = analysed()
    (row,) = [row for row in walk_page.rows if row[:1] == ["knee flexion, °"]]
    values = [float(cell.replace("−", "-").rstrip(" %")) for cell in row[1:]]
    ranges = []
    for number, side in enumerate(("left", "right")):
        knee = analysis.sides[side].angles.knee
        expected = [np.nanmin(knee), np.nanmax(knee), np.nanmax(knee) - np.nanmin(knee)]
        np.testing.assert_allclose(values[3 * number : 3 * number + 3], expected, atol=0.0501)
        ranges.append(expected[-1])
    assert values[-1] == pytest.approx(200 * (ranges[0] - ranges[1]) / sum(ranges), abs=0.501)


def test_reasons_are_counted(walk_page: _Page) -> None:
    assert ["left", "foot not seen, gap longer than 0.2 s", "40", "22 %"] in walk_page.rows


def test_without_a_body_height_there_are_no_centimetres(walk_page: _Page, analysed: Analysed) -> None:
    plain = _page(analysed(Settings(sides=("right",), muscles=("soleus",))))
    assert ["segment", "pixels", "cm", "varies by"] in walk_page.rows
    assert ["segment", "pixels", "varies by"] in plain.rows
    assert not any("asymmetry" in row for row in plain.rows)


def test_thumbnails_are_shown_only_if_given(walk_page: _Page, analysed: Analysed) -> None:
    assert "jpeg" not in " ".join(address[:20] for address in walk_page.addresses)
    image = np.zeros((90, 160, 3), np.uint8)
    image[..., 0] = 250  # red
    page = _page(analysed(_SOLEUS, frames=20), [Thumbnail(12, "<foot>", image)])
    (address,) = [address for address in page.addresses if "jpeg" in address[:20]]
    shown = _picture(address)
    assert shown[..., 0].min() > 240
    assert shown[..., 1:].max() < 15
    assert "frame 12, 0.40 s: <foot>" in page.text


def test_what_is_never_known_is_a_dash(analysed: Analysed) -> None:
    analysis = analysed(_SOLEUS, frames=20)
    left = analysis.sides["left"]
    hidden = left._replace(angles=left.angles._replace(ankle=np.full(20, np.nan)))
    page = _page(analysis._replace(sides=analysis.sides | {"left": hidden}))
    (row,) = [row for row in page.rows if row[:1] == ["ankle dorsiflexion, °"]]
    assert row[1:4] == ["–"] * 3
    assert row[-1] == "–"
    assert "ankle not known" in page.text
    assert "nan" not in page.text


def test_it_is_written_in_utf8(analysed: Analysed, tmp_path: Path) -> None:
    path = tmp_path / "new" / "report.html"
    write_report(path, analysed(_SOLEUS, frames=20), (), _DAY)
    assert "°" in path.read_text(encoding="utf-8")
    with pytest.raises(ElifPoseError, match="cannot be written"):
        write_report(path / "below", analysed(_SOLEUS, frames=20), (), _DAY)
