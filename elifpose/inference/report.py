"""One self-contained page about one person: what was found, how, and how far to trust it."""

import base64
import io
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from html import escape
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from elifpose.biomechanics import muscle_model, segment_lengths
from elifpose.biomechanics.points import SIDES
from elifpose.inference import report_words as words
from elifpose.inference.analysis import Analysis
from elifpose.inference.plots import JOINTS, Plot, muscle_title
from elifpose.inference.recording import FloatArray
from elifpose.inference.summary import asymmetry_percent, extent
from elifpose.inference.text_files import ANGLES_CITATION, NOTE
from elifpose.utils.drawing import ImageArray
from elifpose.utils.errors import ElifPoseError

_NOTE = f"{NOTE[0].upper()}{NOTE[1:]}."
_TITLE = "Joint angles and muscle-tendon lengths"
_FIGURE_DPI = 150
_THUMBNAIL_WIDTH = 360
_NOT_KNOWN = "–"
# the browser itself refuses whatever is not in the page
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"


class Thumbnail(NamedTuple):
    """A frame that deserves a look."""

    frame: int
    reason: str
    image: ImageArray
    """``(H, W, 3)`` RGB; faces are to be hidden before."""


def write_report(
    path: Path,
    analysis: Analysis,
    figures: Sequence[Plot],
    created: date,
    thumbnails: Sequence[Thumbnail] = (),
    versions: Mapping[str, str] | None = None,
) -> None:
    """Write `report_page` to a file; folders are made.

    Raises:
        ElifPoseError: If it cannot be written.
    """
    page = report_page(analysis, figures, created, thumbnails, versions or {})
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(page, encoding="utf-8")
    except OSError as error:
        raise ElifPoseError(
            f"the report {path} cannot be written ({error.strerror}); choose another folder"
        ) from error


def report_page(
    analysis: Analysis,
    figures: Sequence[Plot],
    created: date,
    thumbnails: Sequence[Thumbnail],
    versions: Mapping[str, str],
) -> str:
    """HTML that needs nothing beside it: styles and pictures are inside, and there are no scripts.

    Args:
        analysis: The person.
        figures: The person's plots.
        created: Date of the report.
        thumbnails: Flagged frames, if they are to be shown.
        versions: Of what was used, by name: the program, the network.
    """
    recording = analysis.recording
    about = f"{recording.source} · person {analysis.track.person} · {created.isoformat()}"
    sections = (
        _warnings([*recording.warnings, *analysis.warnings]),
        _section("In short", _list(words.summary(analysis))),
        *(_section(plot.title, _figure(plot)) for plot in figures),
        _section("Smallest, largest, range and asymmetry", _ranges(analysis)),
        _section("Segment lengths", _segments(analysis)),
        _section("Missing and doubtful frames", _missing(analysis) + _thumbnails(analysis, thumbnails)),
        _section("How it was done", _list(words.method(analysis))),
        _section("What it cannot tell", _list(words.limits(analysis))),
        _section("Sources", _list([*muscle_model(analysis.settings.model).citations, ANGLES_CITATION])),
        _section("Settings and versions", _settings(analysis, versions)),
    )
    style = Path(__file__).with_name("report.css").read_text(encoding="utf-8")
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{_TITLE}: {escape(about)}</title>\n<style>\n{style}</style>\n</head>\n<body>\n<header>\n"
        f'<h1>{_TITLE}</h1>\n<p class="about">{escape(about)}</p>\n<p class="estimate">{_NOTE}</p>\n</header>\n'
        + "\n".join(section for section in sections if section)
        + f"\n<footer>{_NOTE} Not a medical device: not for diagnosis.</footer>\n</body>\n</html>\n"
    )


def _warnings(warnings: Sequence[str]) -> str:
    if not warnings:
        return ""
    sentences = [warning[:1].upper() + warning[1:].rstrip(".") + "." for warning in warnings]
    return f'<div class="warnings" role="note"><strong>Please note</strong>{_list(sentences)}</div>'


def _section(title: str, content: str) -> str:
    return f"<section>\n<h2>{escape(title)}</h2>\n{content}\n</section>"


def _list(sentences: Iterable[str]) -> str:
    return "<ul>" + "".join(f"<li>{escape(sentence)}</li>" for sentence in sentences) + "</ul>"


def _figure(plot: Plot) -> str:
    file = io.BytesIO()
    plot.figure.savefig(file, dpi=_FIGURE_DPI, format="png")
    picture = _data_address(file.getvalue(), "png")
    caption = escape(plot.caption)
    return f'<figure><img src="{picture}" alt="{escape(plot.title)}"><figcaption>{caption}</figcaption></figure>'


def _data_address(data: bytes, kind: str) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(data).decode('ascii')}"


def _ranges(analysis: Analysis) -> str:
    """A row per angle and muscle: smallest, largest and range of each side, and how the ranges differ."""
    sides = analysis.sides
    head = "".join(f'<th class="group {side}" colspan="3">{side}</th>' for side in sides)
    names = "<th>min</th><th>max</th><th>range</th>" * len(sides)
    both = len(sides) == len(SIDES)
    last = ("<th></th>", "<th>asymmetry</th>") if both else ("", "")
    rows = [f"<thead><tr><th></th>{head}{last[0]}</tr><tr><th></th>{names}{last[1]}</tr></thead><tbody>"]
    for joint, title in JOINTS.items():
        curves = [getattr(side.angles, joint) for side in sides.values()]
        rows.append(_range_row(f"{title}, °", curves, both))
    for muscle in analysis.settings.muscles:
        curves = [side.muscles[muscle].percent for side in sides.values()]
        rows.append(_range_row(f"{muscle_title(muscle)}, % of neutral", curves, both))
    note = "Asymmetry: left range minus right range, in percent of their mean." if both else ""
    return f'<div class="wide"><table>{"".join(rows)}</tbody></table></div><p class="note">{note}</p>'


def _range_row(title: str, curves: Sequence[FloatArray], compared: bool) -> str:
    extents = [extent(curve) for curve in curves]
    cells = [_cell(value, "z.1f") for covered in extents for value in covered]
    if compared:
        left, right = extents
        cells.append(_cell(asymmetry_percent(left.range, right.range), "+z.0f", " %"))
    return f"<tr><td>{escape(title)}</td>{''.join(cells)}</tr>"


def _cell(value: float, form: str, unit: str = "") -> str:
    return f"<td>{words.number(value, form) + unit if np.isfinite(value) else _NOT_KNOWN}</td>"


def _segments(analysis: Analysis) -> str:
    """Thigh and shank of each side: pixels, centimetres if the scale is known, and how constant they were."""
    scale = analysis.pixels_per_metre
    centimetres = "<th>cm</th>" if scale else ""
    rows = [f"<thead><tr><th>segment</th><th>pixels</th>{centimetres}<th>varies by</th></tr></thead><tbody>"]
    for side in SIDES:
        if side in analysis.sides:
            lengths = segment_lengths(analysis.track.keypoints, side)
            for name, length, spread in (
                ("thigh", lengths.thigh, lengths.thigh_spread),
                ("shank", lengths.shank, lengths.shank_spread),
            ):
                metric = _cell(100 * length / scale, ".1f") if scale else ""
                pixels, varies = _cell(length, ".0f"), _cell(100 * spread, ".1f", " %")
                rows.append(f'<tr><td class="{side}">{side} {name}</td>{pixels}{metric}{varies}</tr>')
    note = "" if scale else "Without the body height there are no centimetres. "
    note += "In a true side view a segment varies little; one that does left the plane of the picture."
    return f'<table>{"".join(rows)}</tbody></table><p class="note">{note}</p>'


def _missing(analysis: Analysis) -> str:
    """How many frames of each side carry which reason."""
    rows = ""
    for side in analysis.sides.values():
        total = len(side.reasons)
        reasons = Counter(reason for entry in side.reasons for reason in str(entry).split("; ") if reason)
        for reason, count in reasons.most_common():
            share = f"<td>{count}</td><td>{100 * count / total:.0f} %</td>"
            rows += f'<tr><td class="{side.side}">{side.side}</td><td class="text">{escape(reason)}</td>{share}</tr>'
    if not rows:
        return "<p>None.</p>"
    head = '<thead><tr><th>leg</th><th class="text">reason</th><th>frames</th><th>share</th></tr></thead>'
    return f"<table>{head}<tbody>{rows}</tbody></table>"


def _thumbnails(analysis: Analysis, thumbnails: Sequence[Thumbnail]) -> str:
    if not thumbnails:
        return ""
    figures = ""
    for frame, reason, image in thumbnails:
        height = round(image.shape[0] * _THUMBNAIL_WIDTH / image.shape[1])
        small = cv2.resize(image, (_THUMBNAIL_WIDTH, max(1, height)), interpolation=cv2.INTER_AREA)
        data = cv2.imencode(".jpg", small[..., ::-1])[1].tobytes()
        caption = escape(f"frame {frame}, {analysis.track.times_s[frame]:.2f} s: {reason}")
        picture = _data_address(data, "jpeg")
        figures += f'<figure><img src="{picture}" alt="{caption}"><figcaption>{caption}</figcaption></figure>'
    return f'<div class="thumbnails">{figures}</div>'


def _settings(analysis: Analysis, versions: Mapping[str, str]) -> str:
    recording = analysis.recording
    entries = {
        "frames": f"{recording.frames} of {recording.image_size[0]} x {recording.image_size[1]} pixels",
        "frames per second": f"{recording.fps:g}",
        **{name.replace("_", " "): words.setting(value) for name, value in analysis.settings._asdict().items()},
        **versions,
    }
    rows = "".join(f'<tr><td>{escape(k)}</td><td class="text">{escape(v)}</td></tr>' for k, v in entries.items())
    return f"<table><tbody>{rows}</tbody></table>"
