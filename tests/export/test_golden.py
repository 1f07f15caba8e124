import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
import torch

from elifpose.export.golden import model_digest, write_golden
from elifpose.export.running import Answer
from elifpose.structures.skeletons import COCO17
from elifpose.utils.errors import ElifPoseError
from elifpose.utils.image import read_image

CROP = torch.randint(0, 256, (3, 12, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
PLACES = torch.arange(34.0).view(1, 17, 2) / 4
ANSWER = Answer(PLACES, torch.linspace(0, 1, 17)[None], None)


def test_a_golden_vector_is_the_crop_and_the_answer(tmp_path: Path) -> None:
    model = tmp_path / "pose.onnx"
    model.write_bytes(b"weights")
    picture, vector = write_golden(tmp_path / "pose", CROP, ANSWER, COCO17, model)
    assert (picture.name, vector.name) == ("pose.golden.png", "pose.golden.json")
    np.testing.assert_array_equal(read_image(picture), CROP.permute(1, 2, 0).numpy())
    told = json.loads(vector.read_text())
    assert list(told["keypoints"]) == list(COCO17.keypoints)
    assert told["keypoints"]["left_ankle"] == {"x": 7.5, "y": 7.75, "score": 0.9375}
    assert told["input_size"] == [8, 12]
    assert (told["model"], told["model_sha256"]) == ("pose.onnx", hashlib.sha256(b"weights").hexdigest())


def test_a_package_has_the_hash_of_all_that_is_in_it(tmp_path: Path) -> None:
    package = tmp_path / "Pose.mlpackage"
    (package / "Data").mkdir(parents=True)
    (package / "Data/weight.bin").write_bytes(b"weights")
    (package / "Manifest.json").write_bytes(b"{}")
    listed = "".join(
        f"{hashlib.sha256(content).hexdigest()}  {name}\n"
        for name, content in (("Data/weight.bin", b"weights"), ("Manifest.json", b"{}"))
    )
    assert model_digest(package) == hashlib.sha256(listed.encode()).hexdigest()
    (package / "Manifest.json").rename(package / "manifest.json")
    assert model_digest(package) != hashlib.sha256(listed.encode()).hexdigest()


def test_a_place_that_cannot_be_written_to_is_named(tmp_path: Path) -> None:
    model = tmp_path / "pose.onnx"
    model.write_bytes(b"weights")
    with pytest.raises(ElifPoseError, match="absent"):
        write_golden(tmp_path / "absent" / "pose", CROP, ANSWER, COCO17, model)
