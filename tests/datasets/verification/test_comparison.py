from pathlib import Path

import cv2
import numpy as np
import pytest

from elifpose.datasets.pose_set import PoseSet
from elifpose.datasets.verification.comparison import compare_with_annotations, compare_with_each_other, fits
from elifpose.datasets.verification.opening import OpenedSet
from elifpose.datasets.verification.pictures import BROKEN, DAMAGED, MISSING, Picture
from elifpose.datasets.verification.problems import Findings, Source

WHOLE = Picture((64, 48), b"1")


def opened(name: str, splits: tuple[str, ...], paths: list[str], shown: bool = True) -> OpenedSet:
    source = Source(name, splits, PoseSet("a.json", "a"), Path())
    sizes = np.array([[64, 48]] * len(paths), np.int32)
    return OpenedSet(Findings(source), paths, sizes, np.full(len(paths), shown))


def kinds(of: OpenedSet) -> list[tuple[str, str]]:
    return [(problem.kind, problem.severity.value) for problem in of.findings.problems]


@pytest.mark.parametrize(
    ("picture", "shown", "expected"),
    [
        (WHOLE, True, []),
        (Picture((64, 49), b"1"), True, [("image of another size", "mend")]),
        (Picture((64, 49), b"1"), False, [("image of another size", "look")]),
        (Picture(None, b"", MISSING, "why"), True, [("image missing", "mend")]),
        (Picture(None, b"", MISSING, "why"), False, [("image missing", "look")]),
        (Picture(None, b"1", BROKEN, "why"), True, [("image broken", "mend")]),
        (Picture((64, 48), b"1", DAMAGED, "why"), True, [("image damaged?", "look")]),
    ],
)
def test_what_is_wrong_with_a_picture(picture: Picture, shown: bool, expected: list[tuple[str, str]]) -> None:
    of = opened("a", ("train",), ["a/x.jpg"], shown)
    compare_with_annotations(of, {"a/x.jpg": picture})
    assert kinds(of) == expected
    assert of.findings.looked_at["images"] == int(picture.size is not None)


def turned(folder: Path, orientation: int) -> str:
    """A JPEG stored 64 wide and 48 high, with an EXIF orientation."""
    content = cv2.imencode(".jpg", np.zeros((48, 64, 3), np.uint8))[1].tobytes()
    entry = b"\x12\x01\x03\x00\x01\x00\x00\x00" + orientation.to_bytes(2, "little") + b"\0\0"
    exif = b"Exif\0\0II*\0\x08\0\0\0\x01\0" + entry + b"\0\0\0\0"
    marked = content[:2] + b"\xff\xe1" + (len(exif) + 2).to_bytes(2, "big") + exif + content[2:]
    (folder / f"{orientation}.jpg").write_bytes(marked)
    return str(folder / f"{orientation}.jpg")


@pytest.mark.parametrize(("orientation", "fitting"), [(1, False), (3, False), (6, True), (8, True)])
def test_a_picture_that_exif_turns_fits(tmp_path: Path, orientation: int, fitting: bool) -> None:
    path = turned(tmp_path, orientation)
    assert fits(path, (64, 48), (64, 48))
    assert fits(path, (64, 48), (48, 64)) is fitting
    assert not fits(path, (64, 48), (48, 63))


def test_a_picture_that_validation_and_training_show() -> None:
    train, val = opened("a", ("train",), ["a/1.jpg", "a/2.jpg"]), opened("b", ("val", "test"), ["b/8.jpg", "b/9.jpg"])
    pictures = {path: Picture((64, 48), path.encode()) for path in (*train.paths, *val.paths)}
    compare_with_each_other([train, val], pictures)
    assert kinds(train) == kinds(val) == []
    compare_with_each_other([train, val], {**pictures, "b/9.jpg": pictures["a/2.jpg"]})
    assert kinds(train) == []
    ((kind, severity),) = kinds(val)
    assert (kind, severity) == ("image also trained on", "look")
    (problem,) = val.findings.problems
    assert problem.file == "b/9.jpg"
    assert "a (a/2.jpg)" in problem.reason


def test_the_same_picture_twice_in_a_set() -> None:
    of = opened("a", ("train",), ["a/1.jpg", "a/2.jpg", "a/1.jpg"])
    compare_with_each_other([of], {"a/1.jpg": WHOLE, "a/2.jpg": WHOLE})
    (problem,) = of.findings.problems
    assert (problem.kind, problem.file) == ("image twice", "a/2.jpg")
    assert "a/1.jpg" in problem.reason


@pytest.mark.parametrize("picture", [Picture(None, b"1", BROKEN, ""), Picture(None, b"", MISSING, "")])
def test_broken_files_are_no_pictures_to_share(picture: Picture) -> None:
    sets = [opened("a", ("train",), ["1", "2"]), opened("b", ("val",), ["3"])]
    compare_with_each_other(sets, dict.fromkeys(("1", "2", "3"), picture))
    assert [kinds(of) for of in sets] == [[], []]


def test_pictures_that_nobody_is_cropped_from_are_not_compared() -> None:
    sets = [opened("a", ("train",), ["1", "2"], shown=False), opened("b", ("val",), ["3"])]
    compare_with_each_other(sets, dict.fromkeys(("1", "2", "3"), WHOLE))
    assert [kinds(of) for of in sets] == [[], []]
