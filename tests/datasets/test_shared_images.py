from pathlib import Path

import pytest

from elifpose.datasets.shared_images import Listing, SharedImage, _name_and_size, pairs_of_sets, shared_images

NAMES = ["a.jpg", "b.jpg", "c.jpg"]


@pytest.fixture
def one(tmp_path: Path) -> Listing:
    """A set of three pictures of different sizes."""
    return write(tmp_path / "one", {"a.jpg": b"a" * 9000, "b.jpg": b"b" * 5000, "c.jpg": b"c" * 7})


def write(folder: Path, contents: dict[str, bytes]) -> Listing:
    for name, content in contents.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder, list(contents)


def test_a_copy_in_another_folder_is_found(one: Listing, tmp_path: Path) -> None:
    other = write(tmp_path / "two", {"x/y/a.jpg": b"a" * 9000, "c.jpg": b"c" * 7, "d.jpg": b"d"})
    found = shared_images({"one": one}, {"two": other})
    assert found == [SharedImage("one", "two", f"{other[0]}/{name}") for name in ("c.jpg", "x/y/a.jpg")]


def test_name_size_and_first_bytes_must_agree(one: Listing, tmp_path: Path) -> None:
    other = write(tmp_path / "two", {"a.jpg": b"a" * 8999, "b.jpg": b"b" * 4000 + b"x" * 1000, "z.jpg": b"c" * 7})
    assert shared_images({"one": one}, {"two": other}) == []


def test_the_same_file_is_the_same_picture(one: Listing, tmp_path: Path) -> None:
    linked = tmp_path / "linked"
    linked.symlink_to(one[0], target_is_directory=True)
    for folder in (one[0], linked):
        assert [image.path for image in shared_images({"one": one}, {"two": (folder, NAMES)})] == [
            f"{folder}/{name}" for name in NAMES
        ]


def test_each_training_set_counts_and_each_picture_once(one: Listing, tmp_path: Path) -> None:
    train = {"one": one, "same": one, "other": write(tmp_path / "two", {"x/c.jpg": b"c" * 7, "y/c.jpg": b"c" * 7})}
    found = shared_images(train, {"val": one, "far": (one[0], ["c.jpg"])})
    assert len(found) == len(set(found)) == 2 * (3 + 1) + (1 + 1)
    assert [line.split(" (/")[0] for line in pairs_of_sets(found)] == [
        "far (val) and one (train) share 1 image",
        "val (val) and one (train) share 3 images",
        "far (val) and other (train) share 1 image",
        "val (val) and other (train) share 1 image",
        "far (val) and same (train) share 1 image",
        "val (val) and same (train) share 3 images",
    ]
    assert pairs_of_sets([SharedImage("t", "v", str(i)) for i in range(4)]) == [
        "v (val) and t (train) share 4 images (0, 1, 2, …)"
    ]


def test_two_validation_sets_may_share(one: Listing) -> None:
    assert shared_images({}, {"coco": one, "halpe": one}) == []
    assert shared_images({"one": one}, {}) == []


def test_what_cannot_be_read_is_no_picture(one: Listing, tmp_path: Path) -> None:
    folder = tmp_path / "two"
    (folder / "b.jpg").mkdir(parents=True)
    assert shared_images({"one": one}, {"two": (folder, ["a.jpg", "b.jpg"])}) == []
    assert shared_images({"two": (folder, ["a.jpg", "b.jpg"])}, {"one": one}) == []


@pytest.fixture
def looked_at(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The files whose size was asked for."""
    looked_at: list[str] = []

    def counted(path: str) -> tuple[str, int]:
        looked_at.append(path)
        return _name_and_size(path)

    monkeypatch.setattr("elifpose.datasets.shared_images._name_and_size", counted)
    return looked_at


def test_only_files_of_a_common_name_are_touched(one: Listing, looked_at: list[str]) -> None:
    absent = [f"{i}.jpg" for i in range(1000)]
    shared_images({"one": one, "many": (one[0], absent)}, {"two": (one[0], ["c.jpg"])})
    assert looked_at == [f"{one[0]}/c.jpg"] * 2


def test_frames_of_equal_names_cost_one_look_each(tmp_path: Path, looked_at: list[str]) -> None:
    frames = {f"{clip}/{frame}.png": bytes([clip, frame]) * (clip + 1) for clip in range(20) for frame in range(5)}
    folder, names = write(tmp_path / "clips", frames)
    assert shared_images({"train": (folder, names[:50])}, {"val": (folder, names[50:])}) == []
    assert len(looked_at) == 100
