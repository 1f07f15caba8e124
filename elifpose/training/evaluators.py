"""A split's data sets under evaluation: one evaluator each, and the mean of what they say."""

from collections.abc import Mapping, Sequence
from typing import Literal

import torch

from elifpose.datasets.pose_dataset import PoseDataset
from elifpose.evaluation.set_evaluator import SetEvaluation, SetEvaluator
from elifpose.evaluation.settings import Evaluation
from elifpose.structures.batch import PoseBatch
from elifpose.structures.skeleton import Skeleton
from elifpose.training.prediction import PosePrediction

Split = Literal["val", "test", "predict"]


class Evaluators:
    """The evaluators of the split that is being run; ground truth is packed once for each split.

    Args:
        skeleton: Of the predictions.
        settings: How predictions are judged.
    """

    def __init__(self, skeleton: Skeleton, settings: Evaluation) -> None:
        self._skeleton = skeleton
        self._settings = settings
        self._of_split: dict[Split, dict[str, SetEvaluator]] = {}
        self._current: dict[str, SetEvaluator] = {}

    def start(self, split: Split, sets: Mapping[str, PoseDataset], device: torch.device) -> None:
        """Begin anew with nothing predicted."""
        if split not in self._of_split:
            self._of_split[split] = {
                name: SetEvaluator(self._skeleton, data_set.ground_truth(), self._settings, data_set.from_detector)
                for name, data_set in sets.items()
            }
        self._current = self._of_split[split]
        for evaluator in self._current.values():
            evaluator.to(device)
            evaluator.reset()

    def update(self, set_index: int, prediction: PosePrediction, batch: PoseBatch) -> None:
        """Add what was predicted of a batch of the set at a position."""
        list(self._current.values())[set_index].update(*prediction, batch)

    def finish(self) -> dict[str, SetEvaluation]:
        """What there is of each set, over all processes: each must call it."""
        return {name: evaluator.evaluate() for name, evaluator in self._current.items()}


def tagged_figures(evaluations: Mapping[str, SetEvaluation]) -> dict[str, float]:
    """Figures of the sets with annotated people as ``<set>/<name>``, and their means over the sets as ``<name>``."""
    figures = {name: of_set.figures for name, of_set in evaluations.items() if of_set.has_truth}
    tagged = {f"{name}/{key}": value for name, of_set in figures.items() for key, value in of_set.items()}
    return tagged | mean_over_sets(list(figures.values())) if figures else {}


def mean_over_sets(figures: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Unweighted mean over data sets of each figure, of the sets where there was something to measure.

    A figure over nothing is −1, as COCO has it; so is the mean if no set has the figure.
    """
    means = {}
    for key in figures[0]:
        measured = [of_set[key] for of_set in figures if of_set[key] >= 0]
        means[key] = sum(measured) / len(measured) if measured else figures[0][key]
    return means
