"""What travels from the data set to the network: one person's crop, and a batch of them.

NumPy on the worker's side, tensors after collation. *Image pixels* are those of the picture on disk (as read,
after its EXIF orientation was handled as the annotations expect), *input pixels* those of the crop. A missing
keypoint has weight 0 and finite coordinates, never NaN.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor


class PoseSample(NamedTuple):
    """One person, cropped: what a data set yields."""

    image: npt.NDArray[np.uint8]
    """``(H, W, 3)``, RGB."""
    keypoints_input: npt.NDArray[np.float32]
    """``(K, 2)``, input pixels, x then y."""
    weights: npt.NDArray[np.float32]
    """``(K,)``, weight of each keypoint in the loss; 0 where it was not annotated, or its set gives it none."""
    input_to_image: npt.NDArray[np.float32]
    """``(2, 3)``, input pixels to image pixels."""
    box_image: npt.NDArray[np.float32]
    """``(4,)``, the person's box as given, image pixels, left, top, width, height."""
    box_score: float
    """Score of the box: 1 for annotated boxes, the detector's otherwise."""
    area: float
    """The person's area as annotated, image pixels squared, to which OKS relates errors; 0 in a detector's box."""
    image_id: int
    """The image's id in its annotation file."""
    sample_index: int
    """Position of this person in its data set: unique there, the same in every process."""
    dataset_index: int
    """Position of the data set in the list that the data module was given."""


class PoseBatch(NamedTuple):
    """``N`` persons; all fields are tensors, so that it collates, pins and moves as it is."""

    images: Tensor
    """``(N, 3, H, W)`` uint8 RGB, in channels-last memory."""
    keypoints_input: Tensor
    """``(N, K, 2)`` float32, input pixels, x then y."""
    weights: Tensor
    """``(N, K)`` float32."""
    input_to_image: Tensor
    """``(N, 2, 3)`` float32, input pixels to image pixels."""
    boxes_image: Tensor
    """``(N, 4)`` float32, image pixels, left, top, width, height."""
    box_scores: Tensor
    """``(N,)`` float32."""
    areas: Tensor
    """``(N,)`` float32, image pixels squared; 0 in a detector's box."""
    image_ids: Tensor
    """``(N,)`` int64."""
    sample_indices: Tensor
    """``(N,)`` int64."""
    dataset_indices: Tensor
    """``(N,)`` int64."""


def collate(samples: Sequence[PoseSample]) -> PoseBatch:
    """Stack samples into a batch; the images stay in the memory order in which they were cropped."""
    images = torch.from_numpy(np.stack([sample.image for sample in samples]))
    return PoseBatch(
        images=images.permute(0, 3, 1, 2),
        keypoints_input=torch.from_numpy(np.stack([sample.keypoints_input for sample in samples])),
        weights=torch.from_numpy(np.stack([sample.weights for sample in samples])),
        input_to_image=torch.from_numpy(np.stack([sample.input_to_image for sample in samples])),
        boxes_image=torch.from_numpy(np.stack([sample.box_image for sample in samples])),
        box_scores=torch.tensor([sample.box_score for sample in samples], dtype=torch.float32),
        areas=torch.tensor([sample.area for sample in samples], dtype=torch.float32),
        image_ids=torch.tensor([sample.image_id for sample in samples]),
        sample_indices=torch.tensor([sample.sample_index for sample in samples]),
        dataset_indices=torch.tensor([sample.dataset_index for sample in samples]),
    )


def to_image_frame(keypoints_input: Tensor, input_to_image: Tensor) -> Tensor:
    """Keypoints ``(N, K, 2)`` from input pixels to image pixels by ``(N, 2, 3)`` matrices.

    Without a matrix product, which autocast would do in 16 bits: that is pixels off in a large image.
    """
    x, y = keypoints_input[..., 0:1], keypoints_input[..., 1:2]
    matrices = input_to_image[:, None]
    return x * matrices[..., 0] + y * matrices[..., 1] + matrices[..., 2]
