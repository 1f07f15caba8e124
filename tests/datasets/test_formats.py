import copy
import json
import shutil
from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from scipy.io import savemat

from elifpose.datasets.checks import clip_boxes
from elifpose.datasets.formats import load_set, parse_set
from elifpose.datasets.pose_dataset import PoseDataset
from elifpose.datasets.pose_set import PoseSet
from elifpose.datasets.transforms import GeometricTransform
from elifpose.structures import get_skeleton
from elifpose.utils.errors import ElifPoseError

MakeSet = Callable[..., Path]
Points = npt.NDArray[np.float64]

SKELETONS = {"coco": "coco17", "halpe": "halpe26", "ochuman": "coco17"}
FOLDERS = {"coco_wholebody": "coco", "halpe": "coco"}
MPII_SHIFT = 1.0  # MMPose counts MPII's keypoints from 1, its boxes from 0
PUBLIC = ("coco", "coco_wholebody", "halpe", "aic", "crowdpose", "mpii", "jhmdb", "ochuman", "posetrack18")


@pytest.mark.parametrize("name", PUBLIC)
def test_public_sets_equal_the_reference(shared: Path, name: str) -> None:
    wanted = json.loads((shared / "reference/datasets.json").read_text())[name]
    body8 = shared / "samples/body8"
    pose_set = PoseSet(wanted["ann"], FOLDERS.get(name, name), SKELETONS.get(name, name))
    data = PoseDataset(
        name, pose_set, body8, get_skeleton("halpe26"), (192, 256), GeometricTransform(), training=False, index=0
    )
    annotations = data.annotations
    row_of = {one: row for row, one in enumerate(annotations.ids.tolist())}
    truth = {person["id"]: person for person in data.ground_truth()["annotations"]}
    assert len(data) == len(wanted["instances"])
    for sample, instance in enumerate(wanted["instances"]):
        row, person = row_of[instance["id"]], truth[instance["id"]]
        image = int(annotations.image_indices[row])
        assert annotations.image_ids[image] == person["image_id"] == instance["img_id"]
        assert instance["img"].endswith(annotations.file_name(image))
        assert person["area"] == pytest.approx(instance["area"], rel=1e-6)
        assert bool(annotations.crowd[row]) == bool(instance["iscrowd"])
        _check_box(annotations.boxes[row], data.boxes[sample], instance, annotations.image_sizes[image], name)
        points = np.array(person["keypoints"]).reshape(26, 3)
        labelled = np.zeros(26, np.bool_)
        labelled[: len(instance["keypoints"])] = np.array(instance["keypoints_visible"]) > 0
        np.testing.assert_array_equal(points[:, 2] > 0, labelled)
        expected = np.array(instance["keypoints"])[labelled[: len(instance["keypoints"])]]
        expected -= MPII_SHIFT if name == "mpii" else 0
        np.testing.assert_allclose(points[labelled, :2], expected, rtol=0, atol=5e-5)


def _check_box(
    annotated: Points, cropped: Points, instance: dict[str, Any], size: npt.NDArray[np.int32], name: str
) -> None:
    """MMPose cuts boxes to the image, but not MPII's, where the annotated box is then compared."""
    corners = np.array(instance["bbox_xyxy"])
    box = np.concatenate((corners[:2], corners[2:] - corners[:2]))
    if name == "mpii":
        np.testing.assert_allclose(annotated, box, rtol=0, atol=2e-4)
        assert (cropped[:2] + cropped[2:] <= size - 1).all()
        box = clip_boxes(box[None], size[None])[0]
    np.testing.assert_allclose(cropped, box, rtol=0, atol=2e-4)


def mpii_person(image: str) -> dict[str, Any]:
    """A person of MPII's JSON in the middle of an image of 64 × 60 pixels."""
    joints = [[10.0 + i, 20.0 + i] for i in range(16)]
    return {"image": image, "center": [32, 30], "scale": 0.2, "joints": joints, "joints_vis": [1] * 16}


def test_mpii_json_is_cropped_by_its_square(make_set: MakeSet) -> None:
    root = make_set("7", [])
    (root / "7" / "7-1.png").rename(root / "7" / "15.png")
    (root / "mpii.json").write_text(json.dumps([mpii_person("15.png")]))
    annotations = load_set(PoseSet("mpii.json", "7", "mpii"), root)
    assert annotations.image_ids.tolist() == [15]
    assert annotations.image_sizes.tolist() == [[64, 60]]
    np.testing.assert_allclose(annotations.boxes, [[11, 12, 40, 40]])
    np.testing.assert_array_equal(annotations.keypoints[0, 0], [9, 19])


def test_sizes_are_kept_by_the_cache(make_set: MakeSet) -> None:
    root = make_set("7", [])
    (root / "7" / "7-1.png").rename(root / "7" / "15.png")
    (root / "mpii.json").write_text(json.dumps([mpii_person("15.png")]))
    pose_set = PoseSet("mpii.json", "7", "mpii")
    load_set(pose_set, root)
    shutil.rmtree(root / "7")
    assert load_set(pose_set, root).image_sizes.tolist() == [[64, 60]]


def test_absent_images_without_a_size_are_an_error(make_set: MakeSet) -> None:
    root = make_set("7", [])
    (root / "mpii.json").write_text(json.dumps([mpii_person("15.png")]))
    with pytest.raises(ElifPoseError, match=r"mpii\.json does not say .* 1 of 1 are not in .*7 \(15\.png\)"):
        load_set(PoseSet("mpii.json", "7", "mpii"), root)


def test_mpii_mat(make_set: MakeSet) -> None:
    root = make_set("7", [])
    (root / "7" / "7-1.png").rename(root / "7" / "15.png")
    person = {"scale": 0.2, "objpos": {"x": 32, "y": 30}, "annopoints": {"point": {"x": 11, "y": 21, "id": 3}}}
    release = {"annolist": {"image": {"name": "15.png"}, "annorect": person}, "img_train": 1}
    savemat(root / "mpii.mat", {"RELEASE": release})
    annotations = load_set(PoseSet("mpii.mat", "7", "mpii"), root)
    np.testing.assert_allclose(annotations.boxes, [[11, 12, 40, 40]])
    assert annotations.keypoints[0, 3].tolist() == [10, 20]
    assert annotations.visibility[0].tolist() == [0] * 3 + [2] + [0] * 12


def test_aic_list(make_set: MakeSet) -> None:
    root = make_set("aic", [])
    (root / "aic" / "aic-1.png").rename(root / "aic" / "ab.jpg")
    keypoints = {"human1": [20, 30, 1, 21, 31, 2, *[0, 0, 3] * 12]}
    entry = {"image_id": "ab", "human_annotations": {"human1": [10, 20, 40, 50]}, "keypoint_annotations": keypoints}
    (root / "aic.json").write_text(json.dumps([entry]))
    annotations = load_set(PoseSet("aic.json", "aic", "aic"), root)
    assert annotations.file_names() == ["ab.jpg"]
    assert annotations.boxes.tolist() == [[10, 20, 30, 30]]
    assert annotations.areas.tolist() == [pytest.approx(0.53 * 900)]
    assert annotations.visibility[0].tolist() == [2, 1] + [0] * 12


def test_ochuman_document(tmp_path: Path) -> None:
    names = list(get_skeleton("coco17").keypoints[::-1])
    person = {"bbox": [1, 2, 11, 22], "keypoints": list(range(51)), "segms": None, "max_iou": 0.8}
    image = {"image_id": "000001", "file_name": "1.jpg", "width": 64, "height": 60, "annotations": [person]}
    (tmp_path / "ochuman.json").write_text(json.dumps({"keypoint_names": names, "images": [image]}))
    annotations = load_set(PoseSet("ochuman.json", "images"), tmp_path)
    assert annotations.boxes.tolist() == [[1, 2, 10, 20]]
    assert annotations.keypoints[0, 16].tolist() == [0, 1]
    assert annotations.visibility[0, 16] == 2


def test_jhmdb_json_and_clips_agree(tmp_path: Path) -> None:
    points, mask = np.random.default_rng(0).uniform(20, 40, (2, 15)), np.zeros((60, 64), np.uint8)
    mask[10:50, 20:30] = 1
    for kind, variable, value in (("joint_positions", "pos_img", points), ("puppet_mask", "part_mask", mask)):
        (tmp_path / kind / "run/a").mkdir(parents=True)
        savemat(tmp_path / kind / f"run/a/{kind}.mat", {variable: value})
    (tmp_path / "train.txt").write_text("a.avi 1\n")
    image = {"id": 0, "file_name": "run/a/00001.png", "width": 64, "height": 60}
    keypoints = [number for x, y in points.T.tolist() for number in (x, y, 2.0)]
    record = {"id": 0, "image_id": 0, "bbox": [21, 11, 10, 40], "keypoints": keypoints}
    (tmp_path / "sub1.json").write_text(json.dumps({"images": [image], "annotations": [record]}))
    clips = load_set(PoseSet("train.txt", "images", "jhmdb"), tmp_path)
    converted = load_set(PoseSet("sub1.json", "images", "jhmdb"), tmp_path)
    assert clips.boxes.tolist() == [[20, 10, 10, 40]]
    for name, column in converted.columns().items():
        np.testing.assert_array_equal(getattr(clips, name), column, err_msg=name)


def test_a_folder_is_a_file_per_video(make_set: MakeSet) -> None:
    root = make_set("v", [])
    (root / "annotations").mkdir()
    for video in (1, 2):
        frames = [{"id": 10 * video + i, "file_name": f"v-{i}.png", "is_labeled": i == video} for i in (1, 2)]
        person = {"id": video, "image_id": 11 * video, "bbox": [8, 6, 40, 48], "keypoints": [20, 20, 1] * 17}
        document = {"images": frames, "annotations": [person], "categories": [{"id": 1, "name": "person"}]}
        (root / f"annotations/{video}.json").write_text(json.dumps(document))
    annotations = load_set(PoseSet("annotations", "v", "posetrack18"), root)
    assert annotations.image_ids.tolist() == [11, 22]
    assert annotations.file_names() == ["v-1.png", "v-2.png"]
    assert annotations.image_sizes.tolist() == [[64, 60]] * 2
    assert annotations.image_indices.tolist() == [0, 1]
    (root / "nothing").mkdir()
    with pytest.raises(ElifPoseError, match=r"folder of annotations .*nothing has no JSON file"):
        load_set(PoseSet("nothing", "v", "posetrack18"), root)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[]", r"is a list, but neither MPII's .* nor AI Challenger's"),
        ('[{"image_id": 3, "bbox": [1, 2, 3, 4]}]', r"is a list, but neither MPII's .* nor AI Challenger's"),
        ("[3]", r"is a list, but neither MPII's .* nor AI Challenger's"),
        ("3", "is not a COCO-style file"),
        ('{"annotations": []}', "is not a COCO-style file"),
        ('{"images": [{"id": 1}]}', "image with id 1"),
        ("{", "not valid JSON"),
    ],
)
def test_unknown_layouts_are_named(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "a.json").write_text(content)
    with pytest.raises(ElifPoseError, match=rf"a\.json.*{message}"):
        load_set(PoseSet("a.json", "images"), tmp_path)


MPII = [mpii_person("15.png")]
AIC = [{"image_id": "15", "human_annotations": {"h": [1, 2, 3, 4]}, "keypoint_annotations": {"h": [1] * 42}}]
OCHUMAN = {
    "keypoint_names": list(get_skeleton("coco17").keypoints),
    "images": [
        {"file_name": "a", "width": 4, "height": 5, "annotations": [{"bbox": [1, 2, 3, 4], "keypoints": [1] * 51}]}
    ],
}
JHMDB = {
    "images": [{"id": 1, "file_name": "a", "width": 4, "height": 5, "is_labeled": True}],
    "annotations": [{"id": 1, "image_id": 1, "bbox": [1, 2, 3, 4], "keypoints": [1] * 45}],
}
WRONG: tuple[Any, ...] = (None, -1, 10**400, 1e300, float("nan"), True, "ü", [], {}, [1, 2], [None] * 16)


def with_each_value_wrong(document: Any) -> Iterator[Any]:
    """The document with one value after the other replaced, the first two of each list, and each key left out."""
    keys = list(document) if isinstance(document, dict) else list(range(min(len(document), 2)))
    for key in keys:
        inner = with_each_value_wrong(document[key]) if isinstance(document[key], dict | list) else ()
        for changed in chain(WRONG, inner):
            copied = copy.copy(document)
            copied[key] = changed
            yield copied
        if isinstance(document, dict):
            yield {kept: value for kept, value in document.items() if kept != key}


@pytest.mark.parametrize(
    ("document", "skeleton"), [(MPII, "mpii"), (AIC, "aic"), (OCHUMAN, "coco17"), (JHMDB, "jhmdb")]
)
def test_wrong_values_are_told_or_taken(make_set: MakeSet, document: Any, skeleton: str) -> None:
    images = make_set("7", []) / "7"
    for name in ("15.png", "15.jpg"):
        shutil.copy(images / "7-1.png", images / name)
    told: list[str] = []
    for broken in with_each_value_wrong(document):
        try:
            annotations = parse_set(json.dumps(broken).encode(), Path("a.json"), get_skeleton(skeleton), images)
        except ElifPoseError as error:
            told.append(str(error))
        else:
            assert len(annotations.ids) <= 1
    assert len(told) > 30
    assert all("a.json" in message for message in told)
