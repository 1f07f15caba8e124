"""The stored walk, analysed as a user would have it."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from recordings import write_network, write_video

from elifpose.biomechanics.points import POINTS, SIDES
from elifpose.cli import main
from elifpose.inference.analysis import Analysis, Settings, analyse
from elifpose.inference.recording import FloatArray, Recording, Track
from elifpose.structures.skeletons import HALPE26

Analyse = Callable[..., str]
Analysed = Callable[..., Analysis]


@pytest.fixture(scope="session")
def walk_keypoints(reference: Path) -> FloatArray:
    """The stored walk to the right, 180 frames at 30 per second: ``(180, 26, 3)``, without eyes, ears and elbows."""
    lines = (reference / "sports2d_input_R_px.trc").read_text().splitlines()
    markers = [name for name in lines[3].split("\t")[2:] if name]
    rows = np.array([[float(value) for value in line.split("\t") if value] for line in lines[5:] if line])
    keypoints = np.full((len(rows), 26, 3), np.nan)
    keypoints[..., 2] = 0.9
    for name, index in POINTS.items():
        side, _, rest = name.partition("_")
        marker = side[0].upper() + rest.title().replace("_", "") if side in SIDES else name.title()
        place = 2 + 3 * markers.index(marker)
        keypoints[:, index, :2] = rows[:, place : place + 2]
    return keypoints


@pytest.fixture(scope="session")
def analysed(walk_keypoints: FloatArray) -> Analysed:
    """Of settings: the walk, whose left foot is hidden for the frames 60 to 99."""

    def build(settings: Settings | None = None, source: str = "walk.mp4", frames: int = 180) -> Analysis:
        keypoints = walk_keypoints[:frames].copy()
        keypoints[60:100, [POINTS["left_heel"], POINTS["left_big_toe"]], :2] = np.nan
        corner, far = np.nanmin(keypoints[..., :2], axis=1), np.nanmax(keypoints[..., :2], axis=1)
        track = Track(0, keypoints, np.arange(frames) / 30, np.concatenate((corner, far - corner), axis=1))
        width, height = (int(size) + 40 for size in np.nanmax(far, axis=0))
        recording = Recording(source, 30.0, (width, height), frames)
        return analyse(recording, track, settings or Settings())

    return build


@pytest.fixture(name="analyse")
def typed_analyse(capsys: pytest.CaptureFixture[str]) -> Analyse:
    """Type ``elifpose analyze`` and give all that it says."""

    def typed(*words: object, status: int = 0) -> str:
        found = main(["analyze", *map(str, words)])
        said = capsys.readouterr()
        assert found == status, said
        return said.out + said.err

    return typed


@pytest.fixture(scope="session")
def network(walk_keypoints: FloatArray, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An exported network that sees the first frame of the stored walk in every crop."""
    return write_network(tmp_path_factory.mktemp("network") / "pose.onnx", HALPE26, walk_keypoints[0, :, :2])


@pytest.fixture(scope="session")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_video(tmp_path_factory.mktemp("video") / "walk.mp4", 16)
