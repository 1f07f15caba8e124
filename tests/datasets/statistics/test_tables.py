from collections.abc import Callable

import pytest
from rich.console import Console
from rich.table import Table

from elifpose.datasets.statistics.counting import SetStatistics, together
from elifpose.datasets.statistics.tables import WIDTH, keypoint_tables, people_table, size_table
from elifpose.structures import get_skeleton

KEYPOINTS = get_skeleton("halpe26").keypoints
MakeStatistics = Callable[..., SetStatistics]


@pytest.fixture
def eight(make_statistics: MakeStatistics) -> list[SetStatistics]:
    """Eight large sets and all together."""
    names = ("coco_wholebody", "halpe26", "aic", "crowdpose", "mpii", "jhmdb", "posetrack18", "ochuman")
    sets = [make_statistics(name, 149_813, 300.0, 262_465) for name in names]
    return [*sets, together(sets)]


def printed(table: Table) -> list[str]:
    console = Console(width=500, color_system=None)
    with console.capture() as capture:
        console.print(table)
    return capture.get().rstrip().splitlines()


def cells(table: Table, name: str) -> list[str]:
    (row,) = (line for line in printed(table) if name in line.split())
    return [cell.strip() for cell in row.strip("│").split("│")]


def test_tables_of_eight_large_sets_fit_a_hundred_columns(eight: list[SetStatistics]) -> None:
    tables = [people_table("train", eight), size_table("train", eight), *keypoint_tables("train", eight, KEYPOINTS)]
    for table in tables:
        assert max(len(line.rstrip()) for line in printed(table)) <= WIDTH
    shown = [str(column.header) for table in tables[2:] for column in table.columns[1:]]
    assert [heading.replace("\n", " ") for heading in shown] == [of.name for of in eight]


def test_shares_of_the_epoch_are_of_all_its_people(make_statistics: MakeStatistics) -> None:
    sets = [make_statistics("one", 10, epoch_people=30), make_statistics("two", 10, epoch_people=10)]
    table = people_table("train", [*sets, together(sets)])
    assert cells(table, "one")[-1] == "75.0%"
    assert cells(table, "two")[-1] == "25.0%"
    assert cells(table, "all")[-1] == "100.0%"


def test_outside_training_there_is_no_epoch(make_statistics: MakeStatistics) -> None:
    table = people_table("val", [make_statistics("one", 10)])
    assert "epoch" not in "".join(printed(table))


def test_a_keypoint_that_nobody_has_is_a_dash(make_statistics: MakeStatistics) -> None:
    of = make_statistics("one", 1000)
    (table,) = keypoint_tables("train", [of], KEYPOINTS)
    assert cells(table, "left_heel") == ["left_heel", "–"]
    labelled, hidden = cells(table, "nose")[1].split()
    assert labelled == f"{of.labelled[0]:,}"
    assert hidden == f"{of.hidden[0] / of.labelled[0]:.0%}"


def test_names_are_taken_literally(make_statistics: MakeStatistics) -> None:
    assert any("[bold]" in line for line in printed(size_table("train", [make_statistics("[bold]", 10)])))
