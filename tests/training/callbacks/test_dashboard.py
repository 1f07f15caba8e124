import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from lightning.pytorch.loggers import CSVLogger
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.custom_scalar.layout_pb2 import Layout
from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

from elifpose.cli import main
from elifpose.training.callbacks.dashboard import LAYOUT, REACHED

CONFIG = Path(__file__).parents[3] / "configs/quickstart.yaml"


def fit(root: Path, folder: Path, *more: str) -> Path:
    """Run a small fit of the command line; the folder of what it logged."""
    options = ["--config", str(CONFIG), "--data.root", str(root), "--trainer.default_root_dir", str(folder)]
    options += ["--trainer.devices=1", "--trainer.strategy=auto", "--trainer.max_epochs=2", "--data.batch_size=4"]
    options += ["--trainer.check_val_every_n_epoch=1", "--trainer.enable_progress_bar=false"]
    options += ["--model.network.backbone.widen_factor=0.125", "--model.network.head.hidden_dims=32"]
    options += ["--trainer.precision=32-true", "--trainer.log_every_n_steps=1", "--figures.enabled=false"]
    assert main(["fit", *options, *more]) == 0
    return next(folder.rglob("config.yaml")).parent


@pytest.fixture(scope="module")
def run(rendered: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fit(rendered, tmp_path_factory.mktemp("fit"))


@pytest.fixture(scope="module")
def events(run: Path) -> EventAccumulator:
    accumulator = EventAccumulator(str(run), size_guidance={"tensors": 0})
    accumulator.Reload()
    return accumulator


def hyperparameters(events: EventAccumulator, tag: str) -> Any:
    content = events.SummaryMetadata(f"_hparams_/{tag}").plugin_data.content
    return HParamsPluginData.FromString(content)


def test_charts_that_belong_together_stand_together(events: EventAccumulator) -> None:
    (event,) = events.Tensors("custom_scalars__config__")
    layout = Layout.FromString(event.tensor_proto.string_val[0])
    (category,) = layout.category
    assert category.title == "Overview"
    shown = []
    for chart in category.chart:
        (expression,) = chart.multiline.tag
        shown.append({tag for tag in events.Tags()["scalars"] if re.match(expression, tag)})
    assert shown == [
        {"val/AP", "val/synthetic/AP"},
        {"train/loss", "train/loss_simcc", "train/loss_auxiliary"},
        {"time/data_share"},
        set(),  # of one data set there are no shares
    ]
    assert [chart.title for chart in category.chart] == list(LAYOUT["Overview"])


def test_the_configuration_is_there_as_text(events: EventAccumulator, run: Path) -> None:
    (event,) = events.Tensors("configuration/text_summary")
    text = event.tensor_proto.string_val[0].decode()
    assert text.startswith("```yaml\n")
    assert text.endswith("\n```")
    saved = yaml.safe_load((run / "config.yaml").read_text())
    assert yaml.safe_load(text.removeprefix("```yaml").removesuffix("```")) == saved


def test_hyperparameters_stand_beside_the_final_figures(events: EventAccumulator) -> None:
    values = hyperparameters(events, "session_start_info").session_start_info.hparams
    shown = {name: values[name].number_value for name in sorted(values)[:5]}
    assert shown == {"Batch size": 4, "Epochs": 2, "Learning rate": 0.004, "Weight decay": 0, "Width": 0.125}
    assert values["model.network.backbone.deepen_factor"].number_value == 0.167
    assert values["model.codec.input_size"].string_value == "[96, 128]"
    assert values["model.optimizer.class_path"].string_value == "torch.optim.AdamW"
    metrics = hyperparameters(events, "experiment").experiment.metric_infos
    assert [metric.name.tag for metric in metrics] == [f"hp/{name}" for name in REACHED]
    for name in REACHED:
        (reached,) = events.Scalars(f"hp/{name}")
        last = events.Scalars(f"val/{name}")[-1]
        assert (reached.value, reached.step) == (last.value, last.step + 1)
    assert "hp_metric" not in events.Tags()["scalars"]


def test_a_fit_without_validation_has_hyperparameters_and_no_figures(rendered: Path, tmp_path: Path) -> None:
    run = fit(rendered, tmp_path, "--trainer.limit_val_batches=0", "--trainer.max_steps=1")
    events = EventAccumulator(str(run))
    events.Reload()
    assert not [tag for tag in events.Tags()["scalars"] if tag.startswith("hp")]


def test_other_loggers_get_the_hyperparameters_too(
    rendered: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[dict[str, Any]] = []
    monkeypatch.setattr(CSVLogger, "log_hyperparams", lambda _, params: given.append(params))
    logger = ["--trainer.logger=CSVLogger", f"--trainer.logger.save_dir={tmp_path}"]
    fit(rendered, tmp_path, *logger, "--trainer.max_steps=1")
    (hyperparameters,) = given
    assert hyperparameters["trainer.max_steps"] == 1
