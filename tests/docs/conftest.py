"""A folder with everything that the documentation's commands name, as small as it can be."""

import contextlib
import json
import shutil
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.optim.swa_utils import update_bn

from elifpose.cli import main
from elifpose.datasets.synthetic.motion import Clip, perform, write_clip
from elifpose.export.contract import Contract, about, metadata
from elifpose.export.source import load_source
from elifpose.models import CSPNeXt, PoseEstimator, RTMCCHead

REPOSITORY = Path(__file__).parents[2]
CLIP = Clip("walk", seconds=0.6, size=(160, 120))
LAST = "lightning_logs/version_0/checkpoints/last.ckpt"

# Laid over whatever configuration a command names; its own options still win.
SMALL = """\
model:
  codec: {input_size: [96, 128]}
  network: {backbone: {widen_factor: 0.125, out_stages: [1, 2]}, head: {hidden_dims: 32}}
data: {num_workers: 0, batch_size: 4, val_batch_size: 4}
trainer:
  {accelerator: cpu, devices: 1, strategy: auto, precision: 32-true, max_epochs: 2, check_val_every_n_epoch: 2,
  limit_train_batches: 1, limit_val_batches: 1, num_sanity_val_steps: 0, log_every_n_steps: 1,
  enable_progress_bar: false}
figures: {enabled: false}
report: {bootstrap: 20}
quantization_report: {enabled: false, people: 2, ap_people: 2}
"""


@pytest.fixture(scope="session")
def things(
    rendered: Path, coco_root: Path, halpe_root: Path, reference: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The folder, to be copied; what a command may write to is no link to a folder of others."""
    folder = tmp_path_factory.mktemp("things")
    (folder / "configs").symlink_to(REPOSITORY / "configs")
    shutil.copy(REPOSITORY / "configs/skeletons/paddler.yaml", folder)
    shutil.copy(REPOSITORY / "configs/quickstart.yaml", folder / "FIT.yaml")
    (folder / "small.yaml").write_text(SMALL)
    (folder / "mine.yaml").write_text("model: {loss_beta: 5.0}\n")
    for root, name in (
        (rendered, "data/synthetic"),
        (coco_root, "coco"),
        (halpe_root, "halpe"),
        (halpe_root, "data"),
    ):
        _link(root, folder / name)
    _link(halpe_root / "halpe", folder / "data/halpe")
    (folder / "data/halpe/train.json").symlink_to(halpe_root / "halpe/annotations/halpe_train_v1.json")
    (folder / "data/hico").symlink_to(halpe_root / "halpe/hico_20160224_det/images/train2015")
    _write_own(rendered, folder / "data", slice(0, 17))
    _write_own(rendered, folder / "data/paddler", slice(5, 13))  # hips for what is a paddle's there
    _write_detections(rendered, folder)
    write_clip(folder / "data/walk", CLIP)
    (folder / "walk.mp4").symlink_to("data/walk/walk.mp4")
    (folder / "walk_px.trc").symlink_to(reference / "sports2d_input_R_px.trc")
    with contextlib.chdir(folder):
        _write_networks()
    return folder


@pytest.fixture
def sandbox(things: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A copy of that folder, in which commands are typed; it goes away with what they wrote."""
    folder = tmp_path / "sandbox"
    shutil.copytree(things, folder, symlinks=True)
    monkeypatch.chdir(folder)
    yield folder
    shutil.rmtree(folder)


def _link(root: Path, folder: Path) -> None:
    """A folder with the entries of another, those that it has itself excepted."""
    folder.mkdir(parents=True, exist_ok=True)
    for entry in root.iterdir():
        if not (folder / entry.name).exists():
            (folder / entry.name).symlink_to(entry)


def _write_own(rendered: Path, folder: Path, points: slice) -> None:
    """A user's own ``train.json`` and ``val.json``: some of the rendered people's keypoints."""
    (folder / "images").mkdir(parents=True)
    for split in ("train", "val"):
        (folder / "images" / split).symlink_to(rendered / f"{split}2017")
        document = json.loads((rendered / f"annotations/person_keypoints_{split}2017.json").read_text())
        for image in document["images"]:
            image["file_name"] = f"{split}/{image['file_name']}"
        for person in document["annotations"]:
            person["keypoints"] = person["keypoints"][3 * points.start : 3 * points.stop]
            person["num_keypoints"] = sum(flag > 0 for flag in person["keypoints"][2::3])
        (folder / f"{split}.json").write_text(json.dumps({**document, "categories": [{"id": 1, "name": "person"}]}))


def _write_detections(rendered: Path, folder: Path) -> None:
    """A detector's boxes, and two files of results, of the people validated on."""
    people = json.loads((rendered / "annotations/person_keypoints_val2017.json").read_text())["annotations"]
    kept = ("image_id", "category_id", "bbox", "keypoints")
    found = [{key: person[key] for key in kept} | {"score": 0.9} for person in people]
    for name in ("data/synthetic/boxes.json", "A_results.json", "B_results.json"):
        (folder / name).write_text(json.dumps(found))


def _write_networks() -> None:
    """A run, checkpoints, a published file, and ONNX files."""
    quickstart = ("--config", "configs/quickstart.yaml", "--config", "small.yaml")
    assert main(["fit", *quickstart, "--trainer.max_epochs=1", "--trainer.check_val_every_n_epoch=1"]) == 0
    for name in ("best.ckpt", "float.ckpt", "halpe26.ckpt"):
        Path(name).symlink_to(LAST)
    with contextlib.chdir(_folder("quantized")):
        for name in ("configs", "small.yaml", "data"):
            Path(name).symlink_to(f"../{name}")
        start = (f"--model.init_from=../{LAST}", "--trainer.callbacks=QATCallback", "--trainer.callbacks.start=0")
        assert main(["fit", *quickstart, *start]) == 0
    shutil.move(f"quantized/{LAST}", "qat.ckpt")
    shutil.rmtree("quantized")
    _write_published(Path("NAME.pth"))
    shutil.copy("NAME.pth", _folder("mnt/weights"))
    if find_spec("onnx"):
        _write_pose(Path("pose.onnx"))
        Path("pose-int8.onnx").symlink_to("pose.onnx")
        _write_detector(Path("rtmdet.onnx"))


def _folder(name: str) -> Path:
    Path(name).mkdir(parents=True)
    return Path(name)


def _write_published(path: Path) -> None:
    """Weights alone, as RTMPose's are published; they are sure of keypoints at places of no meaning."""
    generator = torch.manual_seed(0)
    backbone = CSPNeXt(0.167, 0.125, out_stages=(2,))
    head = RTMCCHead(backbone.out_channels[-1], 26, (96, 128), stride=8, hidden_dims=32)
    network = PoseEstimator(backbone, head)
    update_bn([torch.randint(0, 256, (4, 3, 128, 96), generator=generator, dtype=torch.uint8)], network)
    for classifier in (head.cls_x, head.cls_y):
        classifier.weight.data *= 100
    torch.save({"state_dict": network.state_dict()}, path)


def _write_pose(path: Path) -> None:
    """A file of the quickstart's network that answers each crop with the posture in which the walk begins."""
    import onnx

    source = load_source("best.ckpt")
    size = width, height = source.codec.input_size
    model = onnx.parser.parse_model(f"""<ir_version: 9, opset_import: ["" : 17]>
        posture (float[N, 3, {height}, {width}] images)
            => (float[N, 26, {2 * width}] simcc_x, float[N, 26, {2 * height}] simcc_y) {{
        rows = ReduceMean <axes = [3], keepdims = 0> (images)
        mean = ReduceMean <axes = [1, 2]> (rows)
        zero = Sub (mean, mean)
        simcc_x = Add (zero, bins_x)
        simcc_y = Add (zero, bins_y)
    }}""")
    places = perform(CLIP).keypoints[0]
    middle, extent = (places.min(axis=0) + places.max(axis=0)) / 2, np.ptp(places, axis=0)
    inputs = (places - middle) * 0.8 * min(size / extent) + np.array(size) / 2
    for axis, name in enumerate("xy"):
        bins = np.zeros((1, 26, 2 * size[axis]), np.float32)
        bins[0, range(26), np.rint(2 * inputs[:, axis]).astype(int)] = 0.9
        model.graph.initializer.append(onnx.numpy_helper.from_array(bins, f"bins_{name}"))
    contract = Contract(size, 2.0, "simcc", False, "RGB", (0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
    onnx.helper.set_model_props(model, metadata(contract, {**about(source, "float32"), "calibration": None}))
    onnx.save(model, path)


def _write_detector(path: Path) -> None:
    """A detector of RTMDet's form that finds one person in each frame."""
    import onnx

    model = onnx.parser.parse_model("""<ir_version: 9, opset_import: ["" : 17]>
        person (float[1, 3, 64, 64] input) => (float[1, 1, 5] dets)
        <float[1, 3, 1, 1] weight = {0, 0, 0}, float[1, 1, 5] box = {0, 0, 64, 48, 0.9}> {
        features = Conv (input, weight)
        dets = Identity (box)
    }""")
    onnx.save(model, path)
