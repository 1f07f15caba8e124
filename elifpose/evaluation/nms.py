"""OKS-NMS: several detections of one person become one."""

from elifpose.evaluation.people import FloatArray, IntArray
from elifpose.evaluation.settings import Suppression


def suppress(
    images: IntArray,
    keypoints: FloatArray,
    scores: FloatArray,
    areas: FloatArray,
    sigmas: FloatArray,
    mode: Suppression,
    threshold: float,
) -> tuple[IntArray, FloatArray]:
    """Drop or devalue detections that resemble a better one of their image.

    Args:
        images: ``(D,)``, the image of each detection.
        keypoints: ``(D, K, 2)``, image pixels.
        scores: ``(D,)``.
        areas: ``(D,)``, image pixels squared.
        sigmas: ``(K,)``.
        mode: See `Evaluation`.
        threshold: OKS above which the worse of two detections is dropped (``hard``), or from which on … (``soft``).

    Returns:
        Positions of those kept, ascending, and their scores.
    """
    raise NotImplementedError
