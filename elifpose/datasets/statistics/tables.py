"""The numbers of data sets as tables for the terminal; they fit 100 columns."""

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
from rich.table import Table
from rich.text import Text

from elifpose.datasets.statistics.counting import BORDER, REASONS, SIDES, SetStatistics, quantiles

WIDTH = 100
"""Characters that every table fits."""
_NONE = "–"
_RULE = 3  # characters between two columns


def people_table(split: str, rows: Sequence[SetStatistics]) -> Table:
    """How many people there are, and who is left out.

    Args:
        split: For the title.
        rows: One for each set; where there are several, all together as the last.
    """
    in_epoch = rows[-1].epoch_people
    caption = f"{', '.join(REASONS)}: annotated people that are not used; keypoints each: labelled, mean"
    headings = ["images", "people", "per image", *REASONS, "keypoints each"]
    if in_epoch is not None:
        headings.append("epoch")
        caption += f"\nepoch: share of the {in_epoch:,} people that an epoch shows"
    table = _table(f"{split}: people", caption, "data set", headings)
    for of in rows:
        table.add_row(
            Text(of.name),
            f"{len(of.people_per_image):,}",
            f"{of.people:,}",
            f"{of.people_per_image.mean():.2f}",
            *(f"{of.left_out[reason]:,}" if of.left_out else _NONE for reason in REASONS),
            f"{of.keypoints_per_person.mean():.1f}",
            *([f"{of.epoch_people / in_epoch:.1%}"] if in_epoch and of.epoch_people is not None else []),
        )
    return table


def size_table(split: str, rows: Sequence[SetStatistics]) -> Table:
    """How large people are, and how many are cut off by the image: arguments as for `people_table`."""
    caption = (
        "sizes: 5 % / median / 95 %, image pixels; person: square root of the annotated area\n"
        f"left to any: share of people whose box ends within {BORDER:g} pixels of that side of the image"
    )
    table = _table(f"{split}: sizes", caption, "data set", ["box height", "box width", "person", *SIDES, "any"])
    for of in rows:
        shares = (*of.cut_off.mean(axis=0).tolist(), float(of.cut_off.any(axis=1).mean()))
        sizes = (of.box_sizes[:, 1], of.box_sizes[:, 0], of.person_sizes)
        table.add_row(Text(of.name), *map(_range, sizes), *(f"{share:.0%}" for share in shares))
    return table


def keypoint_tables(split: str, rows: Sequence[SetStatistics], keypoints: Sequence[str]) -> Iterator[Table]:
    """Who has each keypoint labelled, and the share of those that are hidden; as many sets beside each other as fit.

    Args:
        split: For the title.
        rows: As for `people_table`.
        keypoints: ``K`` names.
    """
    caption = f"people with it labelled, share of them hidden; {_NONE}: none"
    first = max(map(len, keypoints)) + _RULE + 1
    columns = {of.name: _labelled(of) for of in rows}
    while columns:
        ends = np.cumsum([max(len(name), *map(len, cells)) + _RULE for name, cells in columns.items()])
        names = list(columns)[: max(int((first + ends <= WIDTH).sum()), 1)]
        table = _table(f"{split}: keypoints", caption, "keypoint", names)
        for keypoint, *cells in zip(keypoints, *(columns.pop(name) for name in names), strict=True):
            table.add_row(Text(keypoint), *cells)
        yield table


def _table(title: str, caption: str, first: str, headings: Sequence[str]) -> Table:
    """A table with a left column of names and right ones of numbers; a heading breaks, a number does not."""
    table = Table(title=Text(title), caption=Text(caption), caption_justify="left")
    table.add_column(first, overflow="fold")
    for heading in headings:
        table.add_column(Text(heading.replace(" ", "\n")), justify="right")
    return table


def _range(values: npt.NDArray[np.float64]) -> str:
    found = quantiles(values)
    return _NONE if found is None else "/".join(f"{value:.0f}" for value in found)


def _labelled(of: SetStatistics) -> list[str]:
    numbers = zip(of.labelled.tolist(), of.hidden.tolist(), strict=True)
    return [f"{labelled:,} {hidden / labelled:4.0%}" if labelled else f"{_NONE}     " for labelled, hidden in numbers]
