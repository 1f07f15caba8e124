from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import lightning.pytorch as pl
import numpy as np
import pytest
import torch
from lightning.pytorch.loggers.logger import DummyLogger
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from torch import Tensor

from elifpose.codecs.simcc import SimCC
from elifpose.datasets.datamodule import PoseDataModule
from elifpose.datasets.pose_dataset import PoseDataset
from elifpose.datasets.pose_set import PoseSet
from elifpose.evaluation.people import TruePeople
from elifpose.evaluation.predictions import Predictions
from elifpose.evaluation.set_evaluator import SetEvaluation
from elifpose.evaluation.settings import Evaluation
from elifpose.models import CSPNeXt, PoseEstimator, RTMCCHead
from elifpose.training import ElifPoseModule
from elifpose.training.callbacks.figures import Figures, evaluation_figures
from elifpose.utils.drawing import pixels
from elifpose.utils.errors import ElifPoseError

SIZE = (64, 64)
OF_BATCHES = {"predictions", "simcc"}
OF_PEOPLE = {"worst", "best", "errors", "keypoints", "reliability"}
OF_SETS = {*OF_PEOPLE, "precision_recall"}


class Recorder(DummyLogger):
    """Remembers the steps at which each figure was logged."""

    def __init__(self) -> None:
        super().__init__()
        self.steps: dict[str, list[int]] = {}
        self.figures: dict[str, Figure] = {}

    @property
    def experiment(self) -> Any:
        return self

    def add_figure(self, tag: str, figure: Figure, global_step: int) -> None:
        self.steps.setdefault(tag, []).append(global_step)
        self.figures[tag] = figure


def data(root: Path, splits: tuple[str, str] = ("train2017", "val2017")) -> PoseDataModule:
    train, val = (
        {"rendered": PoseSet(f"annotations/person_keypoints_{split}.json", split, "halpe26")} for split in splits
    )
    return PoseDataModule(train, val, root=str(root), input_size=SIZE, batch_size=4, num_workers=0)


def steps_in_epoch(root: Path) -> int:
    datamodule = data(root)
    datamodule.setup("fit")
    return datamodule.train_batches


def fit(
    root: Path, folder: Path, figures: Figures, epochs: int = 2, **arguments: Any
) -> tuple[Recorder, dict[str, Tensor]]:
    """What is logged in some epochs on rendered people, and the weights that they end with."""
    torch.manual_seed(0)
    network = PoseEstimator(CSPNeXt(0.167, 0.125, out_stages=(4,)), RTMCCHead(128, 26, SIZE, hidden_dims=32))
    module, logger = ElifPoseModule(network, SimCC(SIZE)), Recorder()
    quiet: dict[str, Any] = {"enable_progress_bar": False, "enable_model_summary": False, "logger": logger}
    trainer = pl.Trainer(
        accelerator="cpu",
        max_epochs=epochs,
        enable_checkpointing=False,
        callbacks=[figures],
        default_root_dir=folder,
        use_distributed_sampler=False,
        **quiet,
        **arguments,
    )
    trainer.fit(module, data(root))
    return logger, {name: value.clone() for name, value in network.state_dict().items()}


def test_a_fit_is_drawn_at_its_first_step_and_at_each_validation(rendered: Path, tmp_path: Path) -> None:
    logger, weights = fit(rendered, tmp_path, Figures(people=3), num_sanity_val_steps=1)
    assert logger.steps.pop("train/mirrored") == [0]
    epoch = steps_in_epoch(rendered)
    assert logger.steps == {f"val/rendered/{name}": [epoch, 2 * epoch] for name in OF_BATCHES | OF_SETS}
    assert sum(bool(axis.images) for axis in logger.figures["val/rendered/predictions"].axes) == 3
    nothing, without = fit(rendered, tmp_path, Figures(enabled=False), num_sanity_val_steps=1)
    assert nothing.steps == {}
    assert all(torch.equal(weights[name], value) for name, value in without.items()), "looking changes nothing"


def test_each_second_validation_is_drawn_if_asked_for(rendered: Path, tmp_path: Path) -> None:
    logger, _ = fit(rendered, tmp_path, Figures(every_n_validations=2), num_sanity_val_steps=0)
    assert logger.steps.pop("train/mirrored") == [0]
    assert logger.steps.keys() == {f"val/rendered/{name}" for name in OF_BATCHES | OF_SETS}
    epoch = steps_in_epoch(rendered)
    assert {tuple(steps) for steps in logger.steps.values()} == {(2 * epoch,)}


def test_a_validation_by_itself_is_drawn_whatever_a_fit_asks_for(rendered: Path, tmp_path: Path) -> None:
    network = PoseEstimator(CSPNeXt(0.167, 0.125, out_stages=(4,)), RTMCCHead(128, 26, SIZE, hidden_dims=32))
    quiet: dict[str, Any] = {"enable_progress_bar": False, "enable_model_summary": False, "logger": Recorder()}
    figures = Figures(every_n_validations=5)
    trainer = pl.Trainer(accelerator="cpu", callbacks=[figures], default_root_dir=tmp_path, **quiet)
    trainer.validate(ElifPoseModule(network, SimCC(SIZE)), data(rendered), verbose=False)
    assert quiet["logger"].steps.keys() == {f"val/rendered/{name}" for name in OF_BATCHES | OF_SETS}


def test_half_precision_is_drawn_too(rendered: Path, tmp_path: Path) -> None:
    logger, _ = fit(rendered, tmp_path, Figures(), 1, precision="bf16-mixed", num_sanity_val_steps=0)
    assert len(logger.steps) == 1 + len(OF_BATCHES | OF_SETS)


@pytest.mark.parametrize(("first", "loggers"), [(False, [Recorder()]), (True, [])])
def test_other_processes_and_runs_without_loggers_draw_nothing(first: bool, loggers: list[Recorder]) -> None:
    trainer = SimpleNamespace(is_global_zero=first, loggers=loggers, sanity_checking=False, global_step=0)
    of_nobody = cast("Any", None)  # whoever draws fails
    figures = Figures()
    figures.on_train_batch_start(cast("pl.Trainer", trainer), of_nobody, of_nobody, 0)
    figures.on_validation_start(cast("pl.Trainer", trainer), of_nobody)
    figures.on_validation_batch_end(cast("pl.Trainer", trainer), of_nobody, None, of_nobody, 0)
    figures.on_validation_end(cast("pl.Trainer", trainer), of_nobody)


@pytest.mark.parametrize(("people", "every"), [(0, 1), (1, 0)])
def test_impossible_settings_are_refused(people: int, every: int) -> None:
    with pytest.raises(ElifPoseError, match=r"figures: .*must be at least 1"):
        Figures(people=people, every_n_validations=every)


# ------------------------------------------------------------------------------------------- of a whole set


@pytest.fixture
def val_set(rendered: Path) -> PoseDataset:
    """A few rendered people."""
    datamodule = data(rendered)
    datamodule.setup("validate")
    return datamodule.val_sets["rendered"]


def evaluated(data_set: PoseDataset, shift: float = 0.0, people: int | None = None, **other: Any) -> SetEvaluation:
    """Predictions that are off by ``shift`` image pixels more from person to person; ``other`` replaces arrays."""
    samples = data_set.__getitems__(list(range(len(data_set)))[:people])
    count = len(samples)
    matrices = np.array([sample.input_to_image for sample in samples], dtype=np.float64).reshape(-1, 2, 3)
    keypoints = np.array([sample.keypoints_input for sample in samples], dtype=np.float64).reshape(-1, 26, 2)
    true = keypoints @ matrices[:, :, :2].transpose(0, 2, 1) + matrices[:, None, :, 2]
    predictions = Predictions(
        image_ids=np.array([sample.image_id for sample in samples], dtype=np.int64),
        sample_indices=np.arange(count),
        keypoints=true + shift * np.arange(count)[:, None, None],
        keypoint_scores=np.random.default_rng(0).uniform(size=(count, 26)),
        box_scores=np.ones(count),
        boxes=np.array([sample.box_image for sample in samples], dtype=np.float64).reshape(-1, 4),
        keypoints_true=true,
        labelled=np.array([sample.weights > 0 for sample in samples], dtype=np.bool_).reshape(-1, 26),
        areas=np.full(count, 2000.0),
        pixel_sizes=np.ones(count),
    )._replace(**other)
    truth = TruePeople.from_coco(data_set.ground_truth(), 26)
    return SetEvaluation(data_set.skeleton, Evaluation(), truth, predictions, from_detector=False)


def drawn(evaluation: SetEvaluation, data_set: PoseDataset) -> dict[str, Figure]:
    figures = dict(evaluation_figures(evaluation, data_set, None))
    assert all(pixels(figure).shape[1] <= 1100 for figure in figures.values())
    return figures


def test_worst_and_best_are_sorted_by_similarity_and_drawn_where_they_are(val_set: PoseDataset) -> None:
    evaluation = evaluated(val_set, shift=2.0)
    figures = drawn(evaluation, val_set)
    ids = evaluation.predictions.image_ids
    assert len(set(ids.tolist())) > 1
    for name, order in (("worst", range(len(ids) - 1, -1, -1)), ("best", range(len(ids)))):
        axes = [axis for axis in figures[name].axes if axis.images]
        expected = [f"OKS {evaluation.similarities[person]:.2f}\nimage {ids[person]}" for person in order]
        assert [axis.get_title() for axis in axes] == expected
    best = figures["best"].axes[0]
    links, rings = best.collections[:2]
    assert isinstance(links, LineCollection)
    assert np.asarray(best.images[0].get_array()).tolist() == val_set[0].image.tolist()
    ends = np.concatenate(links.get_segments())
    nearest = np.linalg.norm(ends[:, None] - np.asarray(rings.get_offsets()), axis=-1).min(axis=1)
    assert np.median(nearest) < 1e-3, "predicted where it is true"


def test_of_many_people_the_twelve_worst_and_best_are_drawn(rendered: Path) -> None:
    datamodule = data(rendered, ("train2017", "train2017"))
    datamodule.setup("validate")
    data_set = datamodule.val_sets["rendered"]
    evaluation = evaluated(data_set, shift=1.0)
    figures = dict(evaluation_figures(evaluation, data_set, None))
    for name, expected in (("worst", evaluation.similarities[:-13:-1]), ("best", evaluation.similarities[:12])):
        titles = [axis.get_title().splitlines()[0] for axis in figures[name].axes]
        assert titles == [f"OKS {similarity:.2f}" for similarity in expected]


def test_one_person_is_worst_and_best(val_set: PoseDataset) -> None:
    figures = drawn(evaluated(val_set, people=1), val_set)
    assert figures.keys() == OF_SETS
    assert [len(figures[name].axes) for name in ("worst", "best")] == [1, 1]


def test_of_nobody_only_the_curve_is_drawn(val_set: PoseDataset) -> None:
    assert drawn(evaluated(val_set, people=0), val_set).keys() == {"precision_recall"}


def test_where_nothing_is_labelled_as_in_a_detectors_boxes_only_the_curve_is_drawn(val_set: PoseDataset) -> None:
    nothing = np.zeros((len(val_set), 26), np.bool_)
    assert drawn(evaluated(val_set, labelled=nothing), val_set).keys() == {"precision_recall"}


def test_of_a_set_without_annotated_people_nothing_is_drawn(val_set: PoseDataset) -> None:
    evaluation = evaluated(val_set, labelled=np.zeros((len(val_set), 26), np.bool_))
    images = val_set.ground_truth() | {"annotations": []}
    evaluation.truth = TruePeople.from_coco(images, 26)
    assert drawn(evaluation, val_set) == {}


def test_numbers_that_are_none_fail_nothing(val_set: PoseDataset) -> None:
    keypoints, scores = np.full((len(val_set), 26, 2), np.nan), np.full((len(val_set), 26), np.nan)
    evaluation = evaluated(val_set, keypoints=keypoints, keypoint_scores=scores)
    assert drawn(evaluation, val_set).keys() == OF_SETS - {"reliability"}


def test_boxes_without_a_size_have_no_errors(val_set: PoseDataset) -> None:
    assert "errors" not in drawn(evaluated(val_set, boxes=np.zeros((len(val_set), 4))), val_set)
