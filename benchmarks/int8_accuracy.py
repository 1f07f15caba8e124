"""Average precision of networks in int8: after calibration alone, and after quantization-aware training.

    python benchmarks/int8_accuracy.py --data data/other --calibration data/synthetic --networks START FLOAT INT8

START is a float checkpoint; FLOAT and INT8 were trained on from it in the same way, without and with `QATCallback`.
All are judged on the validation people of --data, with the flip test, in float32: START, FLOAT, FLOAT in int8 after
calibration on training people by two observers, and the trained INT8. Differences are from FLOAT, with a 95 %
interval: a bootstrap over images in which both are judged on the same draws. Give --networks once for each seed.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

from rich.console import Console
from rich.table import Table
from torch import Tensor, nn

from elifpose.codecs.simcc import SimCC
from elifpose.datasets.pose_dataset import PoseDataset
from elifpose.datasets.pose_set import PoseSet
from elifpose.evaluation.bootstrap import Interval, bootstrap_ap_difference
from elifpose.evaluation.set_evaluator import SetEvaluation
from elifpose.export.average_precision import FlipTest, evaluate, in_order
from elifpose.export.running import NetworkRunner
from elifpose.models.pose_estimator import PoseEstimator
from elifpose.quantization import QuantizationSpec, calibrate, convert, prepare
from elifpose.structures.batch import collate
from elifpose.structures.skeleton import Skeleton
from elifpose.training.module import ElifPoseModule

PEOPLE_AT_ONCE = 50
OBSERVERS = {"min-max": QuantizationSpec(), "percentile .9999": QuantizationSpec(observer="percentile")}


def people_of(root: Path, split: str, skeleton: Skeleton, codec: SimCC) -> PoseDataset:
    """A split of a rendered data set, cropped as in evaluation."""
    pose_set = PoseSet(f"annotations/person_keypoints_{split}.json", split, skeleton.name)
    return PoseDataset(split, pose_set, root, skeleton, codec.input_size, None, training=False, index=0)


def crops(data_set: PoseDataset, count: int, step: int) -> Iterator[Tensor]:
    """Images ``(N, 3, H, W)`` of some people, evenly spread."""
    chosen = range(0, len(data_set), max(1, len(data_set) // count))[:count]
    for start in range(0, len(chosen), step):
        yield collate(data_set.__getitems__(list(chosen[start : start + step]))).images


def judge(network: nn.Module, module: ElifPoseModule, data_set: PoseDataset) -> SetEvaluation:
    """Everybody of a set through a network, with the flip test."""
    assert isinstance(network, PoseEstimator)  # noqa: S101
    runner = NetworkRunner(network.eval(), module.codec)
    return evaluate(FlipTest(runner, module.codec, module.skeleton.flip_indices), data_set, in_order(data_set))


def measure(networks: list[Path], options: argparse.Namespace) -> dict[str, tuple[float, Interval | None]]:
    """AP of each way, and its difference from FLOAT."""
    start, trained_on, quantized = (ElifPoseModule.load_from_checkpoint(path) for path in networks)
    people = people_of(options.data, "val2017", start.skeleton, start.codec)
    training = people_of(options.calibration, "train2017", start.skeleton, start.codec)
    evaluations = {"int8, trained quantized": judge(convert(quantized.network), quantized, people)}
    for name, spec in OBSERVERS.items():
        network = ElifPoseModule.load_from_checkpoint(networks[1]).network
        prepare(network, spec)
        calibrate(network, crops(training, options.calibration_people, PEOPLE_AT_ONCE))
        evaluations[f"int8, calibrated by {name}"] = judge(convert(network), trained_on, people)
    reference = judge(trained_on.network, trained_on, people)
    rows: dict[str, tuple[float, Interval | None]] = {
        "float at the start": (judge(start.network, start, people).figures["AP"], None),
        "float, trained on": (reference.figures["AP"], None),
    }
    for name, of in evaluations.items():
        difference = bootstrap_ap_difference(reference.matches, of.matches, options.bootstrap)
        rows[name] = (of.figures["AP"], difference)
    return rows


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--networks", type=Path, nargs=3, action="append", required=True, metavar=("START", "FLOAT", "INT8")
    )
    parser.add_argument("--data", type=Path, required=True, help="root of the people to be judged on")
    parser.add_argument("--calibration", type=Path, required=True, help="root of the people to calibrate on")
    parser.add_argument("--calibration_people", type=int, default=800)
    parser.add_argument("--bootstrap", type=int, default=1000, help="draws of images")
    options = parser.parse_args()

    measured = [measure(networks, options) for networks in options.networks]
    table = Table(title="AP, and its difference from the float network trained on [95 % interval]")
    for heading in ("", *(networks[0].name for networks in options.networks)):
        table.add_column(heading)
    for name in measured[0]:
        table.add_row(name, *(cell(*of[name]) for of in measured))
    Console(width=40 + 40 * len(measured)).print(table)


def cell(ap: float, difference: Interval | None) -> str:
    """AP, and the difference where there is one."""
    if difference is None:
        return f"{ap:.4f}"
    return f"{ap:.4f}, {difference.estimate:+.4f} [{difference.low:+.4f}, {difference.high:+.4f}]"


if __name__ == "__main__":
    main()
