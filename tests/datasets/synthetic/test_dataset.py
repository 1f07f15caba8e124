import json
import os
from pathlib import Path

import cv2
import numpy as np
import pytest
from pycocotools.coco import COCO

from elifpose.datasets.synthetic import dataset
from elifpose.datasets.synthetic.coco_layout import Settings
from elifpose.datasets.synthetic.dataset import render_image, write_dataset
from elifpose.structures.skeletons import HALPE26
from elifpose.utils.errors import ElifPoseError


def write(root: Path, people: int = 6, seed: int = 0, workers: int = 0) -> Path:
    return write_dataset(root, "train2017", people, seed, (96, 96), workers)


def contents(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dataset, "_CHUNK", 4)


def test_pycocotools_reads_it(tmp_path: Path) -> None:
    path = write(tmp_path)
    assert path == tmp_path / "annotations" / "person_keypoints_train2017.json"
    coco = COCO(str(path))
    assert coco.getCatIds(catNms=["person"]) == [1]
    category = coco.loadCats(1)[0]
    assert tuple(category["keypoints"]) == HALPE26.keypoints
    assert np.array(category["skeleton"]).min() >= 1
    assert np.array(category["skeleton"]).max() <= 26
    assert len(coco.getAnnIds()) >= 6
    names = {image["file_name"] for image in coco.loadImgs(coco.getImgIds())}
    assert names == {path.name for path in (tmp_path / "train2017").iterdir()}
    for image in coco.loadImgs(coco.getImgIds()):
        assert coco.getAnnIds(imgIds=[image["id"]])
        picture = cv2.imread(str(tmp_path / "train2017" / image["file_name"]))
        assert picture is not None
        assert picture.shape[:2] == (image["height"], image["width"]) == (96, 96)


def test_it_tells_what_was_rendered(tmp_path: Path) -> None:
    coco = COCO(str(write(tmp_path)))
    scene = render_image(Settings("train2017", 6, 0, (96, 96)), 2)
    annotations = coco.loadAnns(coco.getAnnIds(imgIds=[2]))
    for annotation, person in zip(annotations, scene.people, strict=True):
        triples = np.array(annotation["keypoints"]).reshape(26, 3)
        seen = person.visibility > 0
        np.testing.assert_array_equal(triples[:, 2], person.visibility)
        np.testing.assert_allclose(triples[seen, :2], person.keypoints[seen], atol=5e-4)
        assert not triples[~seen].any()
        assert annotation["num_keypoints"] == seen.sum()
        assert (tuple(annotation["bbox"]), annotation["area"]) == (person.box, person.area)
        assert annotation["iscrowd"] == 0
    picture = cv2.imread(str(tmp_path / "train2017" / "000000000002.jpg"))
    assert picture is not None
    assert np.abs(picture[..., ::-1].astype(float) - scene.image).mean() < 8


def test_same_bytes_in_any_number_of_processes(tmp_path: Path) -> None:
    write(tmp_path / "one")
    write(tmp_path / "two", workers=1)
    assert contents(tmp_path / "one") == contents(tmp_path / "two")


def test_seed_and_split_change_the_pictures() -> None:
    first = render_image(Settings("train2017", 6, 0, (96, 96)), 1).image
    for settings in (Settings("train2017", 6, 1, (96, 96)), Settings("val2017", 6, 0, (96, 96))):
        assert not np.array_equal(render_image(settings, 1).image, first)


def test_more_people_begin_with_the_same_pictures(tmp_path: Path) -> None:
    write(tmp_path / "few")
    write(tmp_path / "many", people=12)
    few, many = contents(tmp_path / "few"), contents(tmp_path / "many")
    assert {name: many[name] for name in few if name.endswith(".jpg")} == {
        name: content for name, content in few.items() if name.endswith(".jpg")
    }


def test_a_complete_set_is_not_touched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = write(tmp_path).stat().st_mtime_ns
    monkeypatch.setattr(dataset, "render_image", None)
    assert write(tmp_path).stat().st_mtime_ns == before


def test_an_interrupted_run_goes_on_where_it_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[int] = []

    def interrupted(settings: Settings, number: int) -> object:
        drawn.append(number)
        if number == 7:
            raise KeyboardInterrupt
        return render_image(settings, number)

    with monkeypatch.context() as patch:
        patch.setattr(dataset, "render_image", interrupted)
        with pytest.raises(KeyboardInterrupt):
            write(tmp_path / "root", people=20)
    assert not (tmp_path / "root" / "train2017").exists()
    assert not (tmp_path / "root" / "annotations").exists()
    interrupted_at = len(drawn)

    def resumed(settings: Settings, number: int) -> object:
        drawn.append(number)
        return render_image(settings, number)

    with monkeypatch.context() as patch:
        patch.setattr(dataset, "render_image", resumed)
        write(tmp_path / "root", people=20)
    assert drawn[interrupted_at] == 5
    write(tmp_path / "whole", people=20)
    assert contents(tmp_path / "root") == contents(tmp_path / "whole")


def test_a_killed_process_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cv2, "setNumThreads", os._exit)  # what a new process runs first
    with pytest.raises(ElifPoseError, match="--workers"):
        write(tmp_path, workers=1)


def test_other_settings_are_an_error(tmp_path: Path) -> None:
    write(tmp_path)
    with pytest.raises(ElifPoseError, match="other settings"):
        write(tmp_path, seed=1)


def test_somebody_elses_files_are_an_error_and_stay(tmp_path: Path) -> None:
    (tmp_path / "train2017").mkdir()
    (tmp_path / "train2017" / "holiday.jpg").write_bytes(b"sea")
    with pytest.raises(ElifPoseError, match="holds files"):
        write(tmp_path)
    (tmp_path / "annotations").mkdir()
    for content in ('{"images": []}', "not JSON", "[]"):
        (tmp_path / "annotations" / "person_keypoints_train2017.json").write_text(content)
        with pytest.raises(ElifPoseError, match="not a synthetic data set"):
            write(tmp_path)
    assert (tmp_path / "train2017" / "holiday.jpg").read_bytes() == b"sea"


def test_a_missing_image_is_named(tmp_path: Path) -> None:
    write(tmp_path)
    (tmp_path / "train2017" / "000000000002.jpg").unlink()
    with pytest.raises(ElifPoseError, match=r"lacks 1 of \d+ images, first 000000000002.jpg"):
        write(tmp_path)


def test_a_root_that_is_a_file_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "root").write_text("a file")
    with pytest.raises(ElifPoseError, match="cannot write"):
        write(tmp_path / "root")


@pytest.mark.parametrize(
    ("split", "people", "seed", "size", "message"),
    [
        ("../elsewhere", 5, 0, (96, 96), "plain folder name"),
        ("annotations", 5, 0, (96, 96), "choose another"),
        ("val", 0, 0, (96, 96), "at least 1"),
        ("val", 5, -1, (96, 96), "negative"),
        ("val", 5, 0, (96, 16), "at least 32"),
    ],
)
def test_arguments_out_of_range(
    tmp_path: Path, split: str, people: int, seed: int, size: tuple[int, int], message: str
) -> None:
    with pytest.raises(ElifPoseError, match=message):
        write_dataset(tmp_path, split, people, seed, size)
    assert not list(tmp_path.iterdir())


def test_the_file_tells_generator_and_settings(tmp_path: Path) -> None:
    info = json.loads(write(tmp_path).read_text())["info"]
    assert info["generator"] == "elifpose.datasets.synthetic"
    assert info["settings"]["seed"] == 0
    assert info["settings"]["image_size"] == [96, 96]
    assert "visible pixels" in info["conventions"]
