import json
from pathlib import Path
from typing import Any

import pytest

from elifpose.datasets.verification.visibilities import annotation_files, odd_visibilities


def odd(folder: Path, document: Any) -> list[tuple[int, str]]:
    (folder / "a.json").write_text(json.dumps(document))
    return list(odd_visibilities(folder / "a.json", {1, 2, 3, 5, 6}))


@pytest.mark.parametrize("value", [3, -1, 0.4, 1.5, 1e9])
def test_another_visibility_is_found_with_its_annotation(tmp_path: Path, value: float) -> None:
    people = [{"id": 5, "keypoints": [1, 2, 0, 3, 4, 1, 5, 6, 2.0]}, {"id": 6, "keypoints": [9, 9, 2, 3, 4, value]}]
    ((annotation, reason),) = odd(tmp_path, {"annotations": people})
    assert annotation == 6
    assert f"{value:g}" in reason


def test_coordinates_are_not_visibilities_and_feet_have_them_too(tmp_path: Path) -> None:
    people = [{"id": 1, "keypoints": [7.5, -3, 1], "foot_kpts": [1, 1, 4]}, {"id": 2, "keypoints": None}, {"id": 3}]
    ((annotation, reason),) = odd(tmp_path, {"annotations": people})
    assert annotation == 1
    assert "foot_kpts" in reason


def test_what_is_not_a_person_does_not_count(tmp_path: Path) -> None:
    others = [{"id": 7, "keypoints": [1, 2, 9]}, {"keypoints": [1, 2, 9]}, {"id": [8], "keypoints": [1, 2, 9]}]
    assert odd(tmp_path, {"annotations": others}) == []


@pytest.mark.parametrize("document", [[], {}, {"images": []}, {"annotations": 3}])
def test_other_layouts_have_none(tmp_path: Path, document: Any) -> None:
    assert odd(tmp_path, document) == []


def test_files_of_a_set(tmp_path: Path) -> None:
    for name in ("b.json", "a.json", "c.txt"):
        (tmp_path / name).touch()
    assert annotation_files(tmp_path) == [tmp_path / "a.json", tmp_path / "b.json"]
    assert annotation_files(tmp_path / "b.json") == [tmp_path / "b.json"]
    assert annotation_files(tmp_path / "m.mat") == []
