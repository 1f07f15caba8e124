"""A part of the validation sets: small enough that AP can be asked of it again and again."""

from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from elifpose.datasets.datamodule import PoseDataModule
from elifpose.datasets.pose_dataset import PoseDataset
from elifpose.evaluation.set_evaluator import SetEvaluator
from elifpose.models import PoseEstimator
from elifpose.structures.batch import PoseBatch, collate
from elifpose.training.evaluating import EvaluatingModule
from elifpose.training.evaluators import mean_over_sets
from elifpose.utils.errors import ElifPoseError


class _SetPart(NamedTuple):
    """Some images of one set, with all their people."""

    ground_truth: dict[str, Any]
    from_detector: bool
    batches: tuple[PoseBatch, ...]


class ValidationPart:
    """Evenly spread images of each validation set, with all their people; crops are kept in memory.

    Args:
        datamodule: After the setup of validation.
        people: About so many, of all sets together; whole images are taken.

    Raises:
        ElifPoseError: If ``people`` is not positive.
    """

    def __init__(self, datamodule: PoseDataModule, people: int) -> None:
        if people < 1:
            raise ElifPoseError(f"a part of the validation sets needs a person or more, not {people}")
        sets = datamodule.val_sets
        share = -(-people // len(sets))
        self._parts = {name: _part_of(of_set, share, datamodule.val_batch_size) for name, of_set in sets.items()}

    def __len__(self) -> int:
        """How many people there are."""
        return sum(len(batch.images) for part in self._parts.values() for batch in part.batches)

    def images(self, people: int) -> Tensor:
        """Evenly spread crops, at most so many, ``(N, 3, H, W)`` uint8 RGB."""
        crops = torch.cat([batch.images for part in self._parts.values() for batch in part.batches])
        return crops[_spread(len(crops), people)]

    @torch.no_grad()
    def average_precision(self, network: PoseEstimator, module: EvaluatingModule) -> float:
        """AP of a network, in the precision of its weights; the mean over sets, as ``val/AP``.

        In a run of several processes each must call it, and each computes all of it.

        Args:
            network: In evaluation mode.
            module: Says how keypoints are decoded and judged, and whether there is a flip test.
        """
        device = next(network.buffers()).device
        flip_indices = torch.tensor(module.skeleton.flip_indices, device=device)
        figures = []
        for part in self._parts.values():
            evaluator = SetEvaluator(module.skeleton, part.ground_truth, module.evaluation, part.from_detector)
            evaluator.to(device)
            for on_cpu in part.batches:
                batch = PoseBatch(*(field.to(device) for field in on_cpu))
                logits = (
                    network.forward_flip_test(batch.images, flip_indices)
                    if module.flip_test
                    else network(batch.images)
                )
                evaluator.update(*module.codec.decode(*logits), batch)
            figures.append({"AP": evaluator.evaluate().figures["AP"]})
        return mean_over_sets(figures)["AP"]


def _part_of(data_set: PoseDataset, people: int, batch_size: int) -> _SetPart:
    images, counts = np.unique(data_set.image_indices, return_counts=True)
    chosen = images[_spread(len(images), max(1, round(people / counts.mean()))).numpy()]
    samples = np.flatnonzero(np.isin(data_set.image_indices, chosen)).tolist()
    batches = tuple(
        collate(data_set.__getitems__(samples[start : start + batch_size]))
        for start in range(0, len(samples), batch_size)
    )
    shown = {image_id for batch in batches for image_id in batch.image_ids.tolist()}
    truth = data_set.ground_truth()
    of_part = {
        **truth,
        "images": [image for image in truth["images"] if image["id"] in shown],
        "annotations": [person for person in truth["annotations"] if person["image_id"] in shown],
    }
    return _SetPart(of_part, data_set.from_detector, batches)


def _spread(count: int, wanted: int) -> Tensor:
    """At most so many evenly spread positions of ``count``."""
    wanted = min(count, wanted)
    return torch.arange(wanted) * count // max(wanted, 1)
