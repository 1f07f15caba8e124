import time
from types import SimpleNamespace
from typing import Any

import torch

from elifpose.training.callbacks import Timing


class Recorder:
    def __init__(self) -> None:
        self.logged: list[dict[str, float]] = []

    def log_dict(self, values: dict[str, float], **_: object) -> None:
        self.logged.append(values)


def test_waiting_for_data_and_the_step_are_told_apart() -> None:
    timing, module = Timing(), Recorder()
    batch = SimpleNamespace(images=torch.zeros(5))
    trainer: Any = SimpleNamespace(global_step=0, log_every_n_steps=2, world_size=3)
    timing.on_train_epoch_start(trainer, module)  # type: ignore[arg-type]
    for _ in range(2):
        time.sleep(0.05)
        timing.on_train_batch_start(trainer, module, batch, 0)  # type: ignore[arg-type]
        time.sleep(0.01)
        trainer.global_step += 1
        timing.on_train_batch_end(trainer, module, None, batch, 0)  # type: ignore[arg-type]
    (figures,) = module.logged
    assert 0.05 <= figures["time/data"] < figures["time/step"] - 0.01 + 1e-3
    assert figures["time/data_share"] == figures["time/data"] / figures["time/step"]
    assert figures["time/samples_per_second"] == 5 * 3 / figures["time/step"]


def test_a_validation_within_an_epoch_is_no_waiting_for_data() -> None:
    timing, module = Timing(), Recorder()
    batch = SimpleNamespace(images=torch.zeros(5))
    trainer: Any = SimpleNamespace(global_step=0, log_every_n_steps=1, world_size=1)
    timing.on_train_epoch_start(trainer, module)  # type: ignore[arg-type]
    for step in range(3):
        timing.on_train_batch_start(trainer, module, batch, step)  # type: ignore[arg-type]
        trainer.global_step += 1
        timing.on_train_batch_end(trainer, module, None, batch, step)  # type: ignore[arg-type]
        if step == 0:
            time.sleep(0.05)  # a validation
            timing.on_validation_end(trainer, module)  # type: ignore[arg-type]
    (figures,) = module.logged
    assert figures["time/step"] < 0.05
