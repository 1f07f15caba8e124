"""What a network said of the people of one data set, as arrays: everyone once, by image and sample."""

from typing import NamedTuple

from elifpose.evaluation.people import BoolArray, FloatArray, IntArray


class Predictions(NamedTuple):
    """``N`` persons with ``K`` keypoints; image pixels."""

    image_ids: IntArray
    """``(N,)``."""
    sample_indices: IntArray
    """``(N,)``, positions in the data set."""
    keypoints: FloatArray
    """``(N, K, 2)``, x then y."""
    keypoint_scores: FloatArray
    """``(N, K)``, raw: as the codec gives them, not calibrated."""
    box_scores: FloatArray
    """``(N,)``, 1 for annotated boxes."""
    boxes: FloatArray
    """``(N, 4)``, that the predictions were made in: left, top, width, height."""
    keypoints_true: FloatArray
    """``(N, K, 2)``, anything finite where not labelled."""
    labelled: BoolArray
    """``(N, K)``; nothing in a detector's boxes."""
    areas: FloatArray
    """``(N,)``, as annotated, image pixels squared; 0 in a detector's boxes."""
    pixel_sizes: FloatArray
    """``(N,)``, image pixels per input pixel."""
