import warnings
from pathlib import Path

from lightning.pytorch.cli import LightningCLI
from lightning.pytorch.demos.boring_classes import BoringModel

from elifpose.datasets.augment import PhotometricAugment
from elifpose.datasets.datamodule import PoseDataModule
from elifpose.datasets.pose_set import PoseSet
from elifpose.datasets.transforms import GeometricTransform


def test_the_command_line_builds_it(tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text(
        "data:\n"
        "  train: {a: {annotations: a.json, images: a}}\n"
        "  val: {c: {annotations: c.json, images: c}}\n"
        "  predict: {e: {annotations: e.json, images: e}}\n"
        "  geometry: {rotation: 40}\n"
    )
    arguments = ["--config", str(config), "--data.train.a.weight=2", "--data.val.c.annotations=d.json"]
    arguments += ["--data.boxes=gt", "--data.predict.e.detections=boxes.json"]
    arguments += ["--data.geometry.flip_prob=0", "--data.photometric={}", "--data.input_size=[96,128]"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        cli = LightningCLI(
            BoringModel,
            PoseDataModule,
            run=False,
            save_config_callback=None,
            seed_everything_default=False,
            args=arguments,
        )
    data = cli.datamodule
    assert data.sources["train"] == {"a": PoseSet("a.json", "a", weight=2.0)}
    assert data.sources["val"] == {"c": PoseSet("d.json", "c")}
    assert data.sources["predict"] == {"e": PoseSet("e.json", "e", detections="boxes.json")}
    assert data.boxes == "gt"
    assert data.geometry == GeometricTransform(flip_prob=0.0, rotation=40.0)
    assert data.photometric == PhotometricAugment()
    assert data.input_size == (96, 128)
