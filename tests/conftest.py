"""Fixtures that any test may use."""

import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import settings
from hypothesis.configuration import set_hypothesis_home_dir

from elifpose.cli import main
from elifpose.datasets.synthetic import write_dataset
from elifpose.structures.skeletons import COCO_WHOLEBODY, HALPE26

# The same examples each time, nothing left behind, and no test that fails on a busy machine.
settings.register_profile("elifpose", derandomize=True, database=None, deadline=None)
settings.load_profile("elifpose")

Person = dict[str, Any]
Options = Callable[[Path, Path], list[str]]

QUICKSTART = Path(__file__).parents[1] / "configs/quickstart.yaml"
TINY = (
    "--model.network.backbone.widen_factor=0.125",
    "--model.network.backbone.out_stages=[1, 2]",
    "--model.network.head.hidden_dims=32",
)


def pytest_configure(config: pytest.Config) -> None:
    """Keep processes out of each other's way, and Hypothesis' files in a folder that goes away with the test run.

    Tests run in a process for each core: with more than one thread in each they would mostly wait for each other.
    Hypothesis already writes when tests are collected.
    """
    os.environ["OMP_NUM_THREADS"] = "1"  # of processes that tests start
    torch.set_num_threads(1)
    folder = tempfile.mkdtemp(prefix="hypothesis-")
    set_hypothesis_home_dir(folder)
    config.add_cleanup(lambda: shutil.rmtree(folder, ignore_errors=True))


@pytest.fixture(autouse=True, scope="session")
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Caches of annotations go to a folder of the test run's own, those of fits that tests share as well."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ELIFPOSE_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))
        yield


@pytest.fixture(scope="session")
def reference() -> Path:
    """The folder of stored reference figures."""
    return Path(__file__).parent / "reference"


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real images and large reference figures that lies beside a developer's checkout."""
    folder = Path(__file__).parents[2] / "shared"
    if not (folder / "samples").is_dir():
        pytest.skip(f"needs the samples beside the checkout ({folder}), which only developers have")
    return folder


@pytest.fixture(scope="session")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in COCO's layout with a few rendered people of 26 keypoints, for training and for validation."""
    root = tmp_path_factory.mktemp("rendered")
    for split, people in (("train2017", 16), ("val2017", 8)):
        write_dataset(root, split, people, seed=0, image_size=(160, 160))
    return root


@pytest.fixture(scope="session")
def coco_root(rendered: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The rendered people as COCO ships its own: 17 keypoints."""
    root = tmp_path_factory.mktemp("coco")
    for split in ("train2017", "val2017"):
        _convert(rendered, split, root / split, root / f"annotations/person_keypoints_{split}.json", _as_coco)
    return root


@pytest.fixture(scope="session")
def halpe_root(rendered: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The rendered people as COCO-WholeBody and Halpe-FullBody ship theirs."""
    root = tmp_path_factory.mktemp("halpe")
    images = {"train": "halpe/hico_20160224_det/images/train2015", "val": "coco/val2017"}
    for split in ("train", "val"):
        coco = root / f"coco/annotations/coco_wholebody_{split}_v1.0.json"
        halpe = root / f"halpe/annotations/halpe_{split}_v1.json"
        _convert(rendered, f"{split}2017", root / f"coco/{split}2017", coco, _as_wholebody)
        _convert(rendered, f"{split}2017", root / images[split], halpe, _as_halpe)
    return root


def _convert(rendered: Path, split: str, images: Path, annotations: Path, person: Callable[[Person], Person]) -> None:
    """Link the images of a split and write its annotations with each person changed by ``person``."""
    images.parent.mkdir(parents=True, exist_ok=True)
    annotations.parent.mkdir(parents=True, exist_ok=True)
    if not images.exists():
        images.symlink_to(rendered / split, target_is_directory=True)
    document = json.loads((rendered / f"annotations/person_keypoints_{split}.json").read_text())
    document["annotations"] = [person(record) for record in document["annotations"]]
    annotations.write_text(json.dumps(document))


def _as_coco(person: Person) -> Person:
    body = person["keypoints"][: 17 * 3]
    return {**person, "keypoints": body, "num_keypoints": sum(v > 0 for v in body[2::3])}


def _as_wholebody(person: Person) -> Person:
    of_point = {name: person["keypoints"][3 * i : 3 * i + 3] for i, name in enumerate(HALPE26.keypoints)}
    feet = [number for name in COCO_WHOLEBODY.keypoints[17:] for number in of_point[name]]
    return {**_as_coco(person), "foot_kpts": feet}


def _as_halpe(person: Person) -> Person:
    return {**person, "keypoints": person["keypoints"] + [0.0] * (110 * 3)}


@pytest.fixture(scope="session")
def options() -> Options:
    """Options that make the quickstart's fit on a root small and keep what it writes in a folder."""

    def of(root: Path, folder: Path) -> list[str]:
        return [
            *("--config", str(QUICKSTART)),
            *("--data.root", str(root), "--data.num_workers", "0", "--data.batch_size", "4"),
            *("--trainer.default_root_dir", str(folder), "--trainer.enable_progress_bar", "false"),
            *("--trainer.devices", "1", "--trainer.strategy", "auto", "--trainer.check_val_every_n_epoch", "1"),
            *("--trainer.max_epochs", "1", "--trainer.precision", "32-true", "--trainer.log_every_n_steps", "1"),
            *TINY,
        ]

    return of


@pytest.fixture(scope="session")
def fitted(rendered: Path, options: Options, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a finished small fit."""
    folder = tmp_path_factory.mktemp("fit")
    assert main(["fit", *options(rendered, folder)]) == 0
    return folder
