from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from elifpose.datasets.crops import writer
from elifpose.datasets.crops.shard import find_crops
from elifpose.datasets.crops.window import Window, find_windows
from elifpose.datasets.crops.writer import Written, write_crops
from elifpose.datasets.pose_dataset import PoseDataset
from elifpose.utils.errors import ElifPoseError

OpenSet = Callable[..., PoseDataset]


def write(data: PoseDataset, folder: Path, threads: int = 1) -> Written:
    told: list[int] = []
    written = write_crops(data, folder, threads, told.append)
    assert sum(told) == len(data)
    return written


def test_each_person_is_kept_as_the_window_says(open_set: OpenSet, tmp_path: Path) -> None:
    data = open_set()
    written = write(data, tmp_path / "new" / "folder")
    assert written[1:4] == (16, 0, 0)
    assert written.bytes == written.path.stat().st_size
    crops = find_crops(tmp_path / "new" / "folder", "people", data.crop_stamp)
    assert crops is not None
    sizes = data.annotations.image_sizes[data.image_indices]
    for sample, row in enumerate(find_windows(data.boxes, sizes, data.input_size, 1.25).tolist()):
        expected = Window(*row).cut(data.images.read(int(data.image_indices[sample])))
        kept = crops.read(sample)[..., :3]
        assert kept.shape == expected.shape
        assert np.abs(kept.astype(int) - expected).mean() < 6  # what JPEG loses of little pictures full of edges


def test_the_same_images_give_the_same_bytes(open_set: OpenSet, tmp_path: Path) -> None:
    data = open_set()
    one, other = (write(data, tmp_path / name, threads) for name, threads in (("one", 1), ("other", 3)))
    assert one.path.read_bytes() == other.path.read_bytes()


@pytest.fixture
def encoded(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Window]]:
    """Parts that were encoded."""
    encode, windows = writer._encode, list[Window]()

    def note(image: np.ndarray[tuple[int, ...], np.dtype[np.uint8]], window: Window) -> bytes:
        windows.append(window)
        return encode(image, window)

    monkeypatch.setattr(writer, "_encode", note)
    return iter([windows])


@pytest.mark.parametrize(
    ("harm", "kept"),
    [
        (lambda content: content, 16),
        (lambda content: content[: len(content) // 2], None),
        (lambda content: content[:30], 0),
        (lambda content: content[:10], 0),
        (lambda content: content + b"more", 16),
        (lambda content: content[:-1] + bytes([content[-1] ^ 1]), 15),
        (lambda content: b"x" + content[1:], 0),
    ],
    ids=["whole", "half", "header", "nothing", "too long", "last byte", "something else"],
)
def test_only_what_is_missing_or_damaged_is_done_again(
    open_set: OpenSet,
    tmp_path: Path,
    encoded: Iterator[list[Window]],
    harm: Callable[[bytes], bytes],
    kept: int | None,
) -> None:
    data, done = open_set(), next(encoded)
    first = write(data, tmp_path)
    content = first.path.read_bytes()
    first.path.write_bytes(harm(content))
    done.clear()
    again = write(data, tmp_path)
    assert again.path.read_bytes() == content
    assert again.bytes == len(content)
    assert 0 < again.found < 16 if kept is None else again.found == kept
    assert 16 - again.found <= len(done) <= 16 - again.found + 3  # an image's people are done together
    assert find_crops(tmp_path, "people", data.crop_stamp) is not None


def test_an_interrupted_run_leaves_what_it_did_and_no_index(
    open_set: OpenSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = open_set()
    read = data.images.read

    def break_down(image_index: int) -> object:
        if image_index == int(data.image_indices[8]):
            raise KeyboardInterrupt
        return read(image_index)

    write(data, tmp_path / "whole")
    write(data, tmp_path)
    (tmp_path / "people.crops").unlink()
    monkeypatch.setattr(data.images, "read", break_down)
    with pytest.raises(KeyboardInterrupt):
        write_crops(data, tmp_path, 1, lambda _: None)
    with pytest.warns(UserWarning, match="are not finished"):
        assert find_crops(tmp_path, "people", data.crop_stamp) is None
    monkeypatch.undo()
    again = write(data, tmp_path)
    assert 0 < again.found <= 8
    assert again.path.read_bytes() == (tmp_path / "whole" / "people.crops").read_bytes()


def test_crops_of_other_settings_are_replaced(open_set: OpenSet, tmp_path: Path) -> None:
    write(open_set(), tmp_path)
    larger = write(open_set((96, 128)), tmp_path)
    assert larger.found == 0
    assert larger.path.read_bytes() == write(open_set((96, 128)), tmp_path / "new").path.read_bytes()


@pytest.mark.filterwarnings("ignore:.* images looked at have another size", "ignore:.* keypoints are off")
def test_people_in_an_image_of_another_size_are_left_to_the_image(
    open_set: OpenSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = open_set()
    other = int(data.image_indices[4])
    people = int((data.image_indices == other).sum())
    read = data.images.read
    monkeypatch.setattr(data.images, "read", lambda image: read(image)[:-1] if image == other else read(image))
    written = write(data, tmp_path)
    assert written.without == people
    crops = find_crops(tmp_path, "people", data.crop_stamp)
    assert crops is not None
    to_input = np.array([[0.4, 0.0, 0.0], [0.0, 0.4, 0.0]])
    assert crops.crop(4, to_input, data.input_size) is None


def test_errors_name_the_file_and_what_to_do(
    open_set: OpenSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "crops").write_text("a file, not a folder")
    with pytest.raises(ElifPoseError, match=r"cannot write the crops .*crops/people\.crops: .*--data\.crops"):
        write(open_set(), tmp_path / "crops")
    monkeypatch.setattr(cv2, "imencode", lambda *_: (False, None))
    with pytest.raises(ElifPoseError, match="could not be encoded"):
        write(open_set(), tmp_path / "other")
