"""Files of ``--preset rtmlib`` in rtmlib itself, which brings an OpenCV of its own and so is no dependency.

To run these tests:

    pip install --no-deps --target build/rtmlib rtmlib==0.0.16 tqdm
    PYTHONPATH=build/rtmlib pytest -n0 tests/export/test_rtmlib.py
"""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from elifpose.cli import main
from elifpose.datasets.transforms import warp
from elifpose.export.parity import BOUNDS, near_ties
from elifpose.export.running import Answer, NetworkRunner
from elifpose.export.source import load_source
from elifpose.utils.geometry import (
    FloatArray,
    apply_affine,
    box_to_center_scale,
    image_to_input_matrix,
    invert_affine,
)
from elifpose.utils.image import ImageArray, read_image

rtmlib = pytest.importorskip("rtmlib", reason="needs rtmlib, see above")
pytest.importorskip("onnxruntime", reason="needs elifpose[export]")


def test_rtmlib_finds_the_keypoints_that_elifpose_finds(fitted: Path, rendered: Path, tmp_path: Path) -> None:
    checkpoint, out = next(fitted.rglob("last.ckpt")), tmp_path / "pose.onnx"
    assert (
        main(["export", "--ckpt_path", str(checkpoint), "--out", str(out), "--preset", "rtmlib", "--no_check"]) == 0
    )
    source = load_source(checkpoint)
    size = source.codec.input_size
    client, runner = rtmlib.RTMPose(str(out), model_input_size=size), NetworkRunner(source.network, source.codec)
    document = json.loads((rendered / "annotations/person_keypoints_val2017.json").read_text())
    names = {image["id"]: image["file_name"] for image in document["images"]}
    compared = 0
    for person in document["annotations"]:
        image = read_image(rendered / "val2017" / names[person["image_id"]])
        box = np.asarray(person["bbox"], np.float64)
        theirs, their_scores = client(image[..., ::-1], [[*box[:2], *(box[:2] + box[2:])]])
        ours, answer = found(image, box, runner, size)
        assert answer.simcc is not None
        # rtmlib's scores are the mean of both axes, ElifPose's the less sure one.
        scores = torch.stack([logits[0].amax(dim=-1) for logits in answer.simcc]).mean(dim=0).numpy()
        sure = decided(answer) & (scores > 0)  # rtmlib gives the others no place
        scale = box_to_center_scale(box, size)[1][0] / size[0]  # image pixels per input pixel
        distances = np.linalg.norm(theirs[0] - ours, axis=-1) / scale
        assert distances[sure].max(initial=0) < 0.5
        np.testing.assert_allclose(their_scores[0][sure], scores[sure], atol=0.02)
        compared += int(sure.sum())
    assert compared > 20


def found(
    image: ImageArray,
    box: FloatArray,
    runner: NetworkRunner,
    size: tuple[int, int],
) -> tuple[FloatArray, Answer]:
    """Keypoints ``(K, 2)``, image pixels, of a person in an RGB image, and the network's answer."""
    center, scale = box_to_center_scale(box, size)
    matrix = image_to_input_matrix(center, scale, size)
    crop = warp(image, matrix, size)
    answer = runner(torch.from_numpy(crop).permute(2, 0, 1)[None])
    return apply_affine(invert_affine(matrix), answer.keypoints_input[0].double().numpy()), answer


def decided(answer: Answer) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    """Which keypoints ``(K,)`` a value of 8 bits that is rounded otherwise leaves where they are."""
    assert answer.simcc is not None
    x_ties, y_ties = (near_ties(logits, BOUNDS["float16"].tie._replace(apart=1)) for logits in answer.simcc)
    return ~(x_ties | y_ties)[0].numpy()
