import json
import multiprocessing
import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from elifpose.datasets.crops.shard import CropShard, find_crops
from elifpose.datasets.crops.writer import write_crops
from elifpose.datasets.pose_dataset import PoseDataset
from elifpose.datasets.sampler import SampleKey
from elifpose.datasets.transforms import GeometricTransform
from elifpose.utils.errors import ElifPoseError
from elifpose.utils.image import read_image

OpenSet = Callable[..., PoseDataset]


@pytest.fixture
def written(open_set: OpenSet, tmp_path: Path) -> PoseDataset:
    """The set whose crops lie in the test's folder."""
    data = open_set()
    write_crops(data, tmp_path, 1, lambda _: None)
    return data


def found(data: PoseDataset, folder: Path) -> CropShard:
    crops = find_crops(folder, data.name, data.crop_stamp)
    assert crops is not None
    return crops


def test_crops_are_jpegs_of_the_parts_one_after_the_other(written: PoseDataset, tmp_path: Path) -> None:
    content, crops = (tmp_path / "people.crops").read_bytes(), found(written, tmp_path)
    position = 24
    for sample in range(len(written)):
        length = int.from_bytes(content[position : position + 4], "little")
        (tmp_path / "one.jpg").write_bytes(content[position + 12 : position + 12 + length])
        kept = crops.read(sample)
        np.testing.assert_array_equal(kept[..., :3], read_image(tmp_path / "one.jpg")[:, : kept.shape[1]])
        position += 12 + length
    assert position == len(content)
    assert len(crops) == len(written) == 16


def read_all(crops: CropShard, queue: Any) -> None:
    queue.put([crops.read(sample).tobytes() for sample in range(len(crops))])


def test_it_travels_to_workers_by_name(written: PoseDataset, tmp_path: Path) -> None:
    crops = found(written, tmp_path)
    crops.read(0)  # opens the file
    packed = pickle.dumps(crops)
    assert len(packed) < 500
    again: CropShard = pickle.loads(packed)  # noqa: S301 (our own bytes, as workers get them)
    np.testing.assert_array_equal(again.read(3), crops.read(3))
    (tmp_path / "people.crops.columns").unlink()
    with pytest.raises(ElifPoseError, match="went away; start again"):
        pickle.loads(packed)  # noqa: S301


@pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork")
def test_forked_processes_that_share_the_file_do_not_disturb_each_other(written: PoseDataset, tmp_path: Path) -> None:
    crops = found(written, tmp_path)
    expected = [crops.read(sample).tobytes() for sample in range(len(crops))]
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    workers = [context.Process(target=read_all, args=(crops, queue)) for _ in range(2)]
    for worker in workers:
        worker.start()
    assert [queue.get(timeout=60) for _ in workers] == [expected, expected]
    for worker in workers:
        worker.join()


def test_the_file_is_closed_with_its_reader(written: PoseDataset, tmp_path: Path) -> None:
    crops = found(written, tmp_path)
    crops.read(0)
    descriptor = crops._file
    del crops
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(descriptor)


@pytest.mark.parametrize("harm", ["zeroed", "cut off"])
def test_a_damaged_crop_is_one_sentence(written: PoseDataset, tmp_path: Path, harm: str) -> None:
    path, crops = tmp_path / "people.crops", found(written, tmp_path)
    content = bytearray(path.read_bytes())
    path.write_bytes(content[:600] if harm == "cut off" else bytes(len(content)))
    with pytest.raises(ElifPoseError, match=r"crop 5 of .*people\.crops is damaged; run `elifpose data cache` again"):
        crops.read(5)
    path.unlink()
    with pytest.raises(ElifPoseError, match=r"people\.crops went away"):
        found_before_it_went(crops).read(5)


def found_before_it_went(crops: CropShard) -> CropShard:
    """A reader that has not opened its file yet."""
    unopened = CropShard.__new__(CropShard)
    unopened.__dict__.update({key: value for key, value in vars(crops).items() if key != "_file"})
    return unopened


@pytest.mark.parametrize("input_size", [(48, 64), (192, 256)], ids=["scaled down", "as they are"])
def test_a_sample_from_a_crop_is_that_from_the_image(
    open_set: OpenSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, input_size: tuple[int, int]
) -> None:
    whole, kept = open_set(input_size), open_set(input_size)
    write_crops(whole, tmp_path, 1, lambda _: None)
    kept.use_crops(tmp_path)
    decoded: list[int] = []
    read = kept.images.read_into_buffer

    def note(image: int) -> npt.NDArray[np.uint8]:
        decoded.append(image)
        return read(image)

    monkeypatch.setattr(kept.images, "read_into_buffer", note)
    keys = [SampleKey(epoch, 1, sample) for epoch in range(8) for sample in range(len(whole))]
    expected, found = whole.__getitems__(keys), kept.__getitems__(keys)
    difference = []
    for of_image, of_crop in zip(expected, found, strict=True):
        for name, value, other in zip(of_image._fields, of_image, of_crop, strict=True):
            if name != "image":
                np.testing.assert_array_equal(value, other, err_msg=name)
        difference.append(np.abs(of_image.image.astype(int) - of_crop.image).mean())
    assert 0.0 < np.mean(difference) < 6.0
    assert max(difference) < 16.0
    assert len(decoded) < 0.1 * len(keys)
    again = kept.__getitems__(keys[::-1])[::-1]  # whatever else is in a batch
    assert all(np.array_equal(one.image, other.image) for one, other in zip(found, again, strict=True))


def test_what_a_crop_does_not_serve_is_cropped_from_the_image(open_set: OpenSet, tmp_path: Path) -> None:
    transform = GeometricTransform(half_body_prob=1.0, half_body_padding=0.4)  # far into the person
    whole, kept = open_set((24, 32), transform), open_set((24, 32), transform)
    write_crops(whole, tmp_path, 1, lambda _: None)
    kept.use_crops(tmp_path)
    same = [np.array_equal(whole[sample].image, kept[sample].image) for sample in range(len(whole))]
    assert sum(same) >= 10


def test_crops_of_something_else_are_not_used(written: PoseDataset, tmp_path: Path, open_set: OpenSet) -> None:
    assert find_crops(tmp_path / "elsewhere", written.name, written.crop_stamp) is None  # and no warning
    other = open_set((96, 128))
    with pytest.warns(UserWarning, match=r"'people': the crops .* other boxes, images or another input size.*again"):
        assert find_crops(tmp_path, other.name, other.crop_stamp) is None


def test_the_stamp_says_what_crops_follow_from(open_set: OpenSet) -> None:
    data = open_set()
    stamp = data.crop_stamp()
    assert stamp == json.loads(json.dumps(open_set().crop_stamp()))
    moved: npt.NDArray[np.float64] = data.boxes.copy()
    moved[3, 0] += 0.5
    data.boxes = moved
    assert data.crop_stamp()["boxes"] != stamp["boxes"]


def test_unfinished_and_cut_off_crops_are_told(written: PoseDataset, tmp_path: Path) -> None:
    path, index = tmp_path / "people.crops", tmp_path / "people.crops.columns"
    content = path.read_bytes()
    path.write_bytes(content[:-1])
    with pytest.warns(UserWarning, match="are cut off, so that whole images are read; run `elifpose data cache`"):
        assert find_crops(tmp_path, written.name, written.crop_stamp) is None
    path.write_bytes(content)
    found(written, tmp_path)
    index.unlink()
    with pytest.warns(UserWarning, match="are not finished"):
        assert find_crops(tmp_path, written.name, written.crop_stamp) is None
