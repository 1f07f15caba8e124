from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.io import savemat

from elifpose.datasets.layouts.jhmdb import count_from_zero, from_jhmdb_clips
from elifpose.utils.errors import ElifPoseError

POINTS = np.random.default_rng(0).uniform(20, 60, (2, 15, 3))
MASKS = np.zeros((70, 90, 3), np.uint8)
MASKS[10:30, 40:45, :2] = 1  # nothing in the third frame

Clips = Callable[..., Path]


@pytest.fixture
def clips(tmp_path: Path) -> Clips:
    """A function that writes a clip in the publisher's documented layout, made here, and gives its root."""

    def make(name: str, points: Any = POINTS, masks: Any = MASKS) -> Path:
        for kind, variables in (
            ("joint_positions", {"pos_img": points, "pos_world": points, "scale": np.ones(3), "viewpoint": "S"}),
            ("puppet_mask", {"part_mask": masks}),
        ):
            folder = tmp_path / kind / "catch" / name
            folder.mkdir(parents=True)
            savemat(folder / f"{kind}.mat", variables)
        return tmp_path

    return make


def test_frames_of_listed_clips_become_images(clips: Clips) -> None:
    clips("b[1]@_(x)")
    root = clips("a")
    clips("unlisted")
    document = from_jhmdb_clips(b"b[1]@_(x).avi 1\n\na.avi 2\r\nunlisted.avi 0\n", root / "train1.txt")
    names = [f"catch/{clip}/0000{frame}.png" for clip in ("b[1]@_(x)", "a") for frame in (1, 2, 3)]
    assert [image["file_name"] for image in document["images"]] == names
    assert [image["id"] for image in document["images"]] == list(range(6))
    assert {(image["width"], image["height"]) for image in document["images"]} == {(90, 70)}
    assert [(person["id"], person["image_id"]) for person in document["annotations"]] == [(i, i) for i in range(6)]


def test_boxes_are_the_masks_and_keypoints_are_counted_from_zero(clips: Clips) -> None:
    points = POINTS.copy()
    points[:, 4, 1] = 91, 30  # beyond the last column, which is the 90th
    root = clips("a", points)
    first, second, third = from_jhmdb_clips(b"a.avi 1", root / "splits" / "train1.txt")["annotations"]
    assert (first["bbox"], third["bbox"]) == ([40, 10, 5, 20], None)
    seen = np.reshape(first["keypoints"], (15, 3))
    np.testing.assert_allclose(seen[:, :2], POINTS[:, :, 0].T - 1)
    assert seen[:, 2].tolist() == [2] * 15
    np.testing.assert_array_equal(np.reshape(second["keypoints"], (15, 3))[4], 0)
    assert sum(second["keypoints"][2::3]) == 28


def test_a_clip_of_one_frame(clips: Clips) -> None:
    document = from_jhmdb_clips(b"a.avi 1", clips("a", POINTS[..., :1], MASKS[..., :1]) / "a.txt")
    assert [person["bbox"] for person in document["annotations"]] == [[40, 10, 5, 20]]


def test_frames_beyond_the_masks_have_no_box(clips: Clips) -> None:
    document = from_jhmdb_clips(b"a.avi 1", clips("a", POINTS, MASKS[..., :1]) / "a.txt")
    assert [person["bbox"] for person in document["annotations"]] == [[40, 10, 5, 20], None, None]


def test_what_is_missing_or_different_is_named(clips: Clips, tmp_path: Path) -> None:
    with pytest.raises(
        ElifPoseError, match=r"a\.txt lists clips of JHMDB, but has no folder joint_positions beside it"
    ):
        from_jhmdb_clips(b"a.avi 1", tmp_path / "elsewhere" / "a.txt")
    root = clips("a", POINTS[:, :4])
    (clips("b") / "puppet_mask/catch/b/puppet_mask.mat").unlink()
    clips("c", masks=np.ones(3))
    for text, message in (
        (
            "a.avi 1\nno clip",
            r"a\.txt, line 2: a list of JHMDB's clips has lines such as 'NAME\.avi 1', not 'no clip'",
        ),
        ("z.avi 1", r"a\.txt: the clip z has no file in .*joint_positions"),
        ("a.avi 1", r"joint_positions\.mat: pos_img is not as in JHMDB's joint positions"),
        ("b.avi 1", r"b/puppet_mask\.mat cannot be read .*unpack JHMDB's joint_positions and puppet_mask"),
        ("c.avi 1", r"c/puppet_mask\.mat: part_mask is not as in JHMDB's masks"),
    ):
        with pytest.raises(ElifPoseError, match=message):
            from_jhmdb_clips(text.encode(), root / "a.txt")
    savemat(root / "joint_positions/catch/a/joint_positions.mat", {"other": 1})
    with pytest.raises(ElifPoseError, match=r"joint_positions\.mat has no array 'pos_img'"):
        from_jhmdb_clips(b"a.avi 1", root / "a.txt")


def test_the_shared_json_is_moved_by_one_pixel() -> None:
    person: dict[str, Any] = {"id": 5, "bbox": [79.0, 62.0, 54.0, 159.0], "keypoints": [1.5, 2.5, 2, 4, 3, 1]}
    moved = count_from_zero({"images": [], "annotations": [person]}, Path("a.json"))
    assert moved["annotations"] == [{"id": 5, "bbox": [78.0, 61.0, 54.0, 159.0], "keypoints": [0.5, 1.5, 2, 3, 2, 1]}]
    assert person["bbox"][0] == 79.0
    others: tuple[Any, ...] = ([], {"images": []}, {"annotations": 3})
    for other in others:
        assert count_from_zero(other, Path("a.json")) is other
    with pytest.raises(ElifPoseError, match=r"^a\.json: annotation number 0 is not as in JHMDB's converted JSON"):
        count_from_zero({"annotations": [{"bbox": [1, 2, 3, "4"], "keypoints": ["1"]}]}, Path("a.json"))
