"""Small annotated sets, made on the spot."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from elifpose.datasets.pose_dataset import PoseDataset
from elifpose.datasets.pose_set import PoseSet
from elifpose.datasets.transforms import GeometricTransform
from elifpose.structures import get_skeleton

Record = dict[str, Any]


@pytest.fixture(autouse=True)
def cache_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Caches of annotations go to the test's own folder."""
    monkeypatch.setenv("ELIFPOSE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def make_person(annotation_id: int, image_id: int, **changes: Any) -> Record:
    """An annotated person of COCO's 17 keypoints, all visible, at places that the id decides."""
    points = np.random.default_rng(annotation_id).uniform(10, 50, (17, 2)).round(1)
    keypoints = np.concatenate((points, np.full((17, 1), 2)), axis=1).ravel().tolist()
    record = {"id": annotation_id, "image_id": image_id, "category_id": 1, "bbox": [8.0, 6.0, 40.0, 48.0]}
    return {**record, "area": 900.0, "iscrowd": 0, "num_keypoints": 17, "keypoints": keypoints, **changes}


@pytest.fixture
def person() -> Callable[..., Record]:
    """A function that makes an annotated person of an id, an image's id and what shall differ."""
    return make_person


@pytest.fixture
def make_set(tmp_path: Path) -> Callable[..., Path]:
    """A function that writes ``NAME.json`` and a folder ``NAME`` of 64 × 60 images; gives the folder of both."""

    def make(name: str, people: list[Record], images: int = 2, **changes: Any) -> Path:
        records = [{"id": i, "file_name": f"{name}-{i}.png", "width": 64, "height": 60} for i in range(1, images + 1)]
        (tmp_path / name).mkdir()
        for i in range(1, images + 1):
            pixels = np.random.default_rng(i).integers(0, 256, (60, 64, 3), dtype=np.uint8)
            cv2.imwrite(str(tmp_path / name / f"{name}-{i}.png"), pixels)
        document = {"images": records, "annotations": people, "categories": [{"id": 1, "name": "person"}], **changes}
        (tmp_path / f"{name}.json").write_text(json.dumps(document))
        return tmp_path

    return make


@pytest.fixture(scope="session")
def open_set() -> Callable[..., PoseDataset]:
    """A function that opens a set of `make_set` in crops of 48 × 64; augmented if a transform is given."""

    def open_it(
        root: Path,
        name: str = "a",
        target: str = "coco17",
        transform: GeometricTransform | None = None,
        detections: str | None = None,
    ) -> PoseDataset:
        pose_set = PoseSet(f"{name}.json", name, detections=detections)
        augment = transform or GeometricTransform()
        return PoseDataset(name, pose_set, root, get_skeleton(target), (48, 64), augment, transform is not None, 3)

    return open_it
