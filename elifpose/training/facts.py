"""What figures were measured with: they mean nothing without it."""

import hashlib
from pathlib import Path
from typing import NamedTuple

import lightning.pytorch as pl

from elifpose import __version__
from elifpose.training.configuration import resolved_configuration
from elifpose.training.module import ElifPoseModule


class RunFacts(NamedTuple):
    """How predictions were made."""

    version: str
    """ElifPose's."""
    checkpoint: str | None
    """The file that the weights come from; None in a fit."""
    checkpoint_sha256: str | None
    weights: str
    """``averaged``, or ``trained`` where there is no average or it was not asked for; ``saved``: a foreign file's."""
    network: str
    """``float``, ``fake-quantized``, or ``int8``: the converted one, which ``precision`` says
    nothing of; or ``float32 ONNX`` and the like: an exported file, of which neither does it."""
    flip_test: bool
    precision: str
    """Lightning's name of it, such as ``32-true`` or ``bf16-mixed``."""
    boxes: dict[str, str]
    """For each data set ``annotated``, or the file of a detector's boxes."""
    config: str | None
    """The resolved configuration, YAML; None where a trainer was used without the command line."""

    def sentence(self) -> str:
        """One line for people."""
        source = f"{self.checkpoint}, " if self.checkpoint else ""
        flip = "with" if self.flip_test else "without"
        boxes = "; ".join(f"{name}: {of_set} boxes" for name, of_set in self.boxes.items())
        precision = "" if self.network == "int8" or self.network.endswith("ONNX") else f", {self.precision}"
        return f"{source}{self.weights} weights, {self.network} network, {flip} flip test{precision}; {boxes}"


def run_facts(trainer: pl.Trainer, module: ElifPoseModule) -> RunFacts:
    """The facts of a trainer's current run."""
    artefact = module.artefact
    checkpoint = str(trainer.ckpt_path) if trainer.ckpt_path else module.init_from
    if artefact is not None:
        checkpoint = str(artefact.path)
    datamodule = module.datamodule
    sets = {} if datamodule is None else datamodule.sets_of(module.split)
    return RunFacts(
        version=__version__,
        checkpoint=checkpoint,
        checkpoint_sha256=None if checkpoint is None else hashlib.sha256(Path(checkpoint).read_bytes()).hexdigest(),
        weights=module.weights if trainer.ckpt_path else "saved",
        network=_network(module),
        flip_test=module.flip_test if artefact is None else artefact.flip_test,
        precision=str(trainer.precision),
        boxes={
            name: str(data_set.pose_set.detections) if data_set.from_detector else "annotated"
            for name, data_set in sets.items()
        },
        config=resolved_configuration(trainer),
    )


def _network(module: ElifPoseModule) -> str:
    """What a module evaluates."""
    if module.artefact is not None:
        return f"{module.artefact.precision} ONNX"
    if module.precision == "int8":
        return "int8"
    return "float" if module.quantization.spec is None else "fake-quantized"
