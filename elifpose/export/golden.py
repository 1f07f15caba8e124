"""A crop and what a file answers for it, so that an app can test that it feeds the file and reads it rightly."""

import hashlib
import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from torch import Tensor

from elifpose.export.running import Answer
from elifpose.structures.skeleton import Skeleton
from elifpose.utils.errors import ElifPoseError

TOLERANCE_PX = 1.0
"""How far, in input pixels, another runtime's rounding may move a keypoint of a high score: two bins."""
_INPUT = (
    "The PNG is one person's crop, 8-bit RGB, before what the file's metadata ask for under 'contract' (order of"
    " channels, normalisation). Keypoints are in its pixels, x to the right, y down, (0, 0) in the middle of the top"
    " left one. Compare those of high scores: what the network hardly sees may jump."
)


def write_golden(stem: Path, crop: Tensor, answer: Answer, skeleton: Skeleton, model: Path) -> list[Path]:
    """Write ``STEM.golden.png`` and ``STEM.golden.json``.

    Args:
        stem: Where, without an ending.
        crop: ``(3, H, W)`` uint8 RGB. It is shipped with the file: mind whom it shows.
        answer: The file's, for this crop alone.
        skeleton: Names the keypoints.
        model: The file, or the folder of a package.

    Returns:
        Both paths.

    Raises:
        ElifPoseError: A file cannot be written.
    """
    picture, vector = (stem.with_name(f"{stem.name}.golden.{ending}") for ending in ("png", "json"))
    try:
        picture.write_bytes(_as_png(crop))
        vector.write_text(json.dumps(_vector(crop, answer, skeleton, model), indent=2) + "\n", encoding="utf-8")
    except OSError as error:
        raise ElifPoseError(f"golden vector {stem}: cannot be written ({error}); choose another place") from error
    return [picture, vector]


def model_digest(model: Path) -> str:
    """SHA-256 of a file; of a folder, that of its files' names and digests, one line each as ``sha256sum`` has it."""
    if model.is_file():
        return hashlib.sha256(model.read_bytes()).hexdigest()
    files = sorted(file.relative_to(model).as_posix() for file in model.rglob("*") if file.is_file())
    lines = (f"{model_digest(model / name)}  {name}\n" for name in files)
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def _vector(crop: Tensor, answer: Answer, skeleton: Skeleton, model: Path) -> dict[str, Any]:
    places, scores = answer.keypoints_input[0].tolist(), answer.scores[0].tolist()
    return {
        "model": model.name,
        "model_sha256": model_digest(model),
        "input": _INPUT,
        "input_size": [crop.shape[2], crop.shape[1]],
        "tolerance_px": TOLERANCE_PX,
        "keypoints": {
            name: {"x": round(x, 3), "y": round(y, 3), "score": round(score, 5)}
            for name, (x, y), score in zip(skeleton.keypoints, places, scores, strict=True)
        },
    }


def _as_png(crop: Tensor) -> bytes:
    # OpenCV's encoder takes BGR.
    _, encoded = cv2.imencode(".png", np.ascontiguousarray(crop.permute(1, 2, 0).numpy()[..., ::-1]))
    return encoded.tobytes()
