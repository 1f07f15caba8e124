"""What MMPose 1.3.2 does for one person on the way to the network, written anew, step by step: the plain reference.

`TRAINING` is the pipeline of its RTMPose-t on Body8 with 26 keypoints (stage 1), `VALIDATION` that of validation. A
person travels as a dictionary, as there. What each step does:

fetch: the person's record, unpickled from one byte string, as the set keeps it, with COCO's whole annotation in it
    (polygons too); the skeleton's lists are copied deeply, in training once for the set and once for the mix of sets
convert (training): keypoints to the 26, with weights of visibility
read: the file's bytes, then OpenCV's decoding to BGR, of the whole image, for each person
box: centre and padded size
flip: NumPy's reversed view of the whole image (which the affine step has to copy); box and keypoints
half body, jitter: SciPy's truncated normal numbers, four at once
affine: aspect ratio, matrix from three points, one ``warpAffine``, keypoints by ``cv2.transform``
colours: brightness and contrast in float32, saturation and hue by way of HSV, channels swapped
blur and hole: box blur and median blur with probability 0.1 each (3, 5 or 7 wide), one black hole of 0.2 to 0.4
target: two rows of bins per keypoint, one after the other, and the keypoints' weights
pack: channels first, tensors, and a deep copy of what is noted of the person, the annotation included

Left out, so that the reference is rather faster than the original: the machinery about the steps (file clients,
wrappers of transforms, Albumentations' own checks and copies) and any stacking into batches, which MMPose does later.
Colour conversion to RGB and normalisation are left to the device there too.
"""

import copy
import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from scipy.stats import truncnorm

from elifpose.datasets.pose_dataset import PoseDataset
from elifpose.structures import Skeleton, keypoint_mapping

Results = dict[str, Any]
Step = Callable[[Results], None]

INPUT_SIZE, SIGMA, SPLIT = (192, 256), (4.9, 5.66), 2.0
_NOTED = (
    *("id", "img_id", "img_path", "category_id", "ori_shape", "img_shape", "input_size", "input_center"),
    *("input_scale", "flip", "flip_direction", "flip_indices", "raw_ann_info", "dataset_name"),
)
_rng = np.random.RandomState(0)


class PlainSet:
    """People as MMPose keeps them: one pickled record each, in one array of bytes.

    Args:
        data: Says who, and where.
        annotations: The COCO-style file that it was made from.
        source: The skeleton of that file.
    """

    def __init__(self, data: PoseDataset, annotations: Path, source: Skeleton) -> None:
        document = json.loads(annotations.read_text())
        by_id = {record["id"]: record for record in document["annotations"]}
        ids = data.annotations.ids[data._rows].tolist()
        names = [data.annotations.file_name(image) for image in data.image_indices.tolist()]
        records = [
            pickle.dumps(_record(by_id[one], str(data.images.folder / name), box))
            for one, name, box in zip(ids, names, data.boxes, strict=True)
        ]
        self.content = np.frombuffer(b"".join(records), np.uint8)
        self.ends = np.cumsum([len(record) for record in records])
        self.of_set, self.of_mix = _lists(source), _lists(data.skeleton)
        self.mapping = keypoint_mapping(source, data.skeleton)

    def __len__(self) -> int:
        return len(self.ends)

    def fetch(self, sample: int, training: bool) -> Results:
        """One person's record with the skeleton's lists."""
        start = 0 if sample == 0 else self.ends[sample - 1].item()
        results: Results = pickle.loads(self.content[start : self.ends[sample].item()].data)  # noqa: S301 (our own bytes)
        for key, value in self.of_set.items():
            results[key] = copy.deepcopy(value)
        if training:
            self._convert(results)
            for key, value in self.of_mix.items():
                results[key] = copy.deepcopy(value)
        return results

    def _convert(self, results: Results) -> None:
        """Keypoints of the file's skeleton to the network's."""
        source, target = zip(*self.mapping, strict=True)
        keypoints = np.zeros((1, len(self.of_mix["flip_indices"]), 3))
        visible = np.zeros(keypoints.shape[:2])
        weights = visible.copy()
        weights[:, list(target)] = 1.0
        keypoints[:, list(target), :2] = results["keypoints"][:, list(source)]
        visible[:, list(target)] = results["keypoints_visible"][:, list(source)]
        results["keypoints"] = keypoints[..., :2]
        results["keypoints_visible"] = np.stack((visible, weights), axis=2)


def _record(annotation: Results, path: str, box: Any) -> Results:
    points = np.array(annotation["keypoints"], np.float32).reshape(1, -1, 3)
    corners = np.concatenate((box[:2], box[:2] + box[2:])).astype(np.float32)
    return {
        **{key: annotation.get(key) for key in ("id", "category_id", "num_keypoints", "iscrowd", "segmentation")},
        "img_id": annotation["image_id"],
        "img_path": path,
        "bbox": corners[None],
        "bbox_score": np.ones(1, np.float32),
        "keypoints": points[..., :2],
        "keypoints_visible": np.minimum(1, points[..., 2]),
        "area": np.array(annotation.get("area", 0.0), np.float32),
        "raw_ann_info": copy.deepcopy(annotation),
    }


def _lists(skeleton: Skeleton) -> Results:
    flips = list(skeleton.flip_indices)
    return {
        "dataset_name": skeleton.name,
        "upper_body_ids": list(skeleton.upper_body_indices),
        "lower_body_ids": list(skeleton.lower_body_indices),
        "flip_pairs": [(one, other) for one, other in enumerate(flips) if one < other],
        "dataset_keypoint_weights": np.ones(len(flips), np.float32),
        "flip_indices": flips,
        "skeleton_links": list(skeleton.link_indices),
    }


def read(results: Results) -> None:
    """Bytes from the disk, and all of the image from the bytes."""
    content = Path(results["img_path"]).read_bytes()
    results["img"] = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
    results["img_shape"] = results["ori_shape"] = results["img"].shape[:2]


def box(results: Results) -> None:
    """Centre and padded size of the box."""
    left, top, right, bottom = np.hsplit(results["bbox"], [1, 2, 3])
    results["bbox_center"] = np.hstack([right + left, bottom + top]) * 0.5
    results["bbox_scale"] = np.hstack([right - left, bottom - top]) * 1.25


def flip(results: Results) -> None:
    """Mirror image, box and keypoints with probability 0.5."""
    direction = _rng.choice(np.array(["horizontal", None]), p=[0.5, 0.5])
    results["flip"], results["flip_direction"] = direction is not None, direction
    if direction is None:
        return
    width = results["img_shape"][1]
    results["img"] = np.flip(results["img"], axis=1)
    flipped = results["bbox"].copy()
    flipped[..., 0::2] = width - results["bbox"][..., -2::-2] - 1
    results["bbox"] = flipped
    center = results["bbox_center"].copy()
    center[..., 0] = width - results["bbox_center"][..., 0] - 1
    results["bbox_center"] = center
    keypoints = results["keypoints"].take(results["flip_indices"], axis=1)
    results["keypoints_visible"] = results["keypoints_visible"].take(results["flip_indices"], axis=1)
    keypoints[..., 0] = width - 1 - keypoints[..., 0]
    results["keypoints"] = keypoints


def half_body(results: Results) -> None:
    """The upper or the lower half instead of the box, with probability 0.3 where enough keypoints are visible."""
    visible = results["keypoints_visible"][0, :, 0]
    if visible.sum() < 9 or _rng.rand() > 0.3:
        results["bbox_center"] = np.stack([results["bbox_center"][0]])
        results["bbox_scale"] = np.stack([results["bbox_scale"][0]])
        return
    upper = [index for index in results["upper_body_ids"] if visible[index] > 0]
    lower = [index for index in results["lower_body_ids"] if visible[index] > 0]
    prefers_upper = _rng.rand() < 0.7
    chosen = upper if (prefers_upper and len(upper) >= 2) or len(lower) < 3 else lower
    points = results["keypoints"][0][chosen]
    results["bbox_center"] = points.mean(axis=0)[None]
    results["bbox_scale"] = np.maximum(points.max(axis=0) - points.min(axis=0), 1.0)[None] * 1.5


def jitter(results: Results) -> None:
    """Shift, size and rotation of the box."""
    drawn = truncnorm.rvs(-1.0, 1.0, size=(1, 4), random_state=_rng).astype(np.float32)
    offset = np.where(_rng.rand(1, 1) < 0.3, drawn[:, :2] * 0.16, 0.0)
    scale = np.where(_rng.rand(1, 1) < 1.0, drawn[:, 2:3] * 0.4 + 1.0, 1.0)
    rotation = np.where(_rng.rand(1) < 0.6, drawn[:, 3] * 80.0, 0.0)
    results["bbox_center"] = results["bbox_center"] + offset * results["bbox_scale"]
    results["bbox_scale"] = results["bbox_scale"] * scale
    results["bbox_rotation"] = rotation


def affine(results: Results) -> None:
    """Cut the box out of the image."""
    width, height = INPUT_SIZE
    across, down = np.hsplit(results["bbox_scale"], [1])
    aspect = width / height
    fixed = np.hstack([across, across / aspect]), np.hstack([down * aspect, down])
    scale = np.where(across > down * aspect, *fixed)[0]
    center, angle = results["bbox_center"][0], np.deg2rad(results.get("bbox_rotation", np.zeros(1))[0])
    toward = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]) @ [0.0, scale[0] * -0.5]
    there, here = np.zeros((3, 2), np.float32), np.zeros((3, 2), np.float32)
    there[0], there[1] = center, center + toward
    there[2] = _third(there[0], there[1])
    here[0], here[1] = (width * 0.5, height * 0.5), (width * 0.5, height * 0.5 + width * -0.5)
    here[2] = _third(here[0], here[1])
    matrix = cv2.getAffineTransform(there, here)
    results["img"] = cv2.warpAffine(results["img"], matrix, INPUT_SIZE, flags=cv2.INTER_LINEAR)
    moved = results["keypoints"].copy()
    moved[..., :2] = cv2.transform(results["keypoints"][..., :2], matrix)
    results["transformed_keypoints"] = moved
    results["input_size"], results["input_center"], results["input_scale"] = INPUT_SIZE, center, scale


def _third(one: Any, other: Any) -> Any:
    direction = one - other
    return other + np.r_[-direction[1], direction[0]]


def colours(results: Results) -> None:
    """Brightness, contrast, saturation, hue and order of channels."""
    last, brighter, contrasted, hsv_mode, swapped = (_rng.randint(number) for number in (2, 2, 2, 4, 2))
    beta, alpha, saturation = _rng.uniform(-32, 32), _rng.uniform(0.5, 1.5), _rng.uniform(0.5, 1.5)
    hue, order = _rng.randint(-18, 18), _rng.permutation(3)
    image = results["img"]
    if brighter:
        image = _scaled(image, 1, beta)
    if last and contrasted:
        image = _scaled(image, alpha, 0)
    if hsv_mode:
        image = cv2.cvtColor(image, cv2.COLOR_BGR2HSV)
        if hsv_mode in (1, 3):
            image[:, :, 1] = _scaled(image[:, :, 1], saturation, 0)
        if hsv_mode in (2, 3):
            image[:, :, 0] = image[:, :, 0].astype(int) + hue
        image = cv2.cvtColor(image, cv2.COLOR_HSV2BGR)
    if last and contrasted:
        image = _scaled(image, alpha, 0)
    results["img"] = image[..., order] if swapped else image


def _scaled(image: Any, alpha: float, beta: float) -> Any:
    return np.clip(image.astype(np.float32) * alpha + beta, 0, 255).astype(np.uint8)


def blur_and_hole(results: Results) -> None:
    """Rarely a blur, always a hole."""
    image = np.ascontiguousarray(results["img"])
    if _rng.rand() < 0.1:
        width = int(_rng.choice((3, 5, 7)))
        image = cv2.blur(image, (width, width))
    if _rng.rand() < 0.1:
        image = cv2.medianBlur(image, int(_rng.choice((3, 5, 7))))
    height, width = (int(side * _rng.uniform(0.2, 0.4)) for side in image.shape[:2])
    top, left = _rng.randint(0, image.shape[0] - height), _rng.randint(0, image.shape[1] - width)
    image = image.copy()
    image[top : top + height, left : left + width] = 0
    results["img"] = image


def target(results: Results) -> None:
    """A normal curve over the bins of each axis about each keypoint."""
    positions = np.around(results["transformed_keypoints"][0] * SPLIT).astype(np.int64)
    visible = results["keypoints_visible"][0, :, 0]
    weights = results["keypoints_visible"][0, :, 1] * visible
    bins = [np.arange(size * SPLIT, dtype=np.float32) for size in INPUT_SIZE]
    labels = [np.zeros((1, len(positions), len(axis)), np.float32) for axis in bins]
    for index, position in enumerate(positions):
        if visible[index] < 0.5:
            continue
        low, high = position - np.array(SIGMA) * 3, position + np.array(SIGMA) * 3 + 1
        if low[0] >= len(bins[0]) or low[1] >= len(bins[1]) or high[0] < 0 or high[1] < 0:
            weights[index] = 0
            continue
        for axis in (0, 1):
            labels[axis][0, index] = np.exp(-((bins[axis] - position[axis]) ** 2) / (2 * SIGMA[axis] ** 2))
    results["keypoint_x_labels"], results["keypoint_y_labels"] = labels
    results["keypoint_weights"] = weights[None] * results["dataset_keypoint_weights"]


class Fields:
    """What a person's data are handed over in: fields of one length, set one by one, and notes beside them."""

    def __init__(self) -> None:
        self.data: Results = {}
        self.noted: Results = {}

    def set(self, key: str, value: Any) -> None:
        """Set a field, which has as many rows as the others."""
        if key in self.noted:
            raise AttributeError(key)
        if self.data and len(value) != len(next(iter(self.data.values()))):
            raise ValueError(key)
        self.data[key] = value

    def note(self, values: Results) -> None:
        """Note values, copied deeply."""
        for key, value in copy.deepcopy(values).items():
            if key in self.data:
                raise AttributeError(key)
            self.noted[key] = value

    def to_tensor(self) -> "Fields":
        """The same with tensors."""
        made = Fields()
        made.note(dict(self.noted))
        for key, value in self.data.items():
            made.set(key, torch.from_numpy(value) if isinstance(value, np.ndarray) else value)
        return made


def pack(results: Results) -> None:
    """Tensors, and what is noted of the person."""
    image = torch.from_numpy(np.ascontiguousarray(results["img"].transpose(2, 0, 1)))
    instances, labels, sample = Fields(), Fields(), Fields()
    for key in ("bbox", "bbox_center", "bbox_scale", "bbox_score", "keypoints", "keypoints_visible"):
        instances.set(key, results[key])
    for key in ("keypoint_x_labels", "keypoint_y_labels", "keypoint_weights"):
        if key in results:
            labels.set(key, results[key])
    sample.note({key: results[key] for key in _NOTED if key in results})
    results["packed"] = {"inputs": image, "samples": (sample, instances, labels.to_tensor())}


TRAINING: tuple[Step, ...] = (read, box, flip, half_body, jitter, affine, colours, blur_and_hole, target, pack)
VALIDATION: tuple[Step, ...] = (read, box, affine, pack)
