import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from rich.console import Console

from elifpose.datasets.pose_dataset import PoseDataset
from elifpose.datasets.pose_set import PoseSet
from elifpose.evaluation import FIGURE_NAMES, coco_keypoint_figures
from elifpose.evaluation.bootstrap import Interval
from elifpose.evaluation.settings import Evaluation
from elifpose.structures import get_skeleton
from elifpose.training.comparison import Comparison, compare, comparison_table
from elifpose.utils.errors import ElifPoseError

Results = list[dict[str, Any]]


@pytest.fixture
def data_set(coco_root: Path) -> PoseDataset:
    pose_set = PoseSet("annotations/person_keypoints_val2017.json", "val2017")
    return PoseDataset("coco", pose_set, coco_root, get_skeleton("coco17"), (48, 64), None, False, 0)


def results(data_set: PoseDataset, noise: float) -> Results:
    """The annotated people with a normal error of so many image pixels; no boxes, as other tools write them."""
    rng = np.random.default_rng(3)
    found = []
    for person in data_set.ground_truth()["annotations"]:
        triples = np.array(person["keypoints"]).reshape(17, 3)
        triples[:, :2] += rng.normal(size=(17, 2)) * noise
        keypoints = triples.ravel().tolist()
        found.append({"image_id": person["image_id"], "keypoints": keypoints, "score": float(rng.uniform())})
    return found


def write(path: Path, content: object) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(content))
    return path


def printed(comparison: Comparison) -> str:
    console = Console(width=80)
    with console.capture() as capture:
        console.print(comparison_table(comparison))
    return capture.get()


def test_one_file_has_the_figures_of_pycocotools(data_set: PoseDataset, tmp_path: Path) -> None:
    found = results(data_set, 3.0)
    (comparison,) = compare([write(tmp_path / "a.json", found)], {"coco": data_set}, Evaluation(), 50)
    expected = coco_keypoint_figures(data_set.ground_truth(), [{"category_id": 1, **person} for person in found])
    (figures,) = comparison.figures
    assert list(figures) == list(FIGURE_NAMES)
    assert list(figures.values()) == pytest.approx(expected, abs=1e-9)
    assert 0 < figures["AP"] < 1
    (interval,) = comparison.intervals
    assert interval.low < figures["AP"] < interval.high
    assert comparison.difference is None
    text = printed(comparison)
    assert f"{figures['AP']:.3f} [{interval.low:.3f}, {interval.high:.3f}]" in text
    assert "minus" not in text


@pytest.mark.parametrize(
    ("noises", "answer"),
    [((20.0, 0.5), "B is better at 95 %"), ((0.5, 20.0), "B is worse at 95 %"), ((3.0, 3.0), "not distinguishable")],
)
def test_of_two_files_the_better_is_told(
    data_set: PoseDataset, tmp_path: Path, noises: tuple[float, float], answer: str
) -> None:
    paths = [write(tmp_path / f"{i}.json", results(data_set, noise)) for i, noise in enumerate(noises)]
    (comparison,) = compare(paths, {"coco": data_set}, Evaluation(), 200)
    first, second = (figures["AP"] for figures in comparison.figures)
    assert comparison.difference is not None
    assert comparison.difference.estimate == pytest.approx(second - first)
    assert answer in comparison.verdict()
    text = printed(comparison)
    assert answer in " ".join(text.split())
    assert "0.json" in text
    assert "1.json" in text


def test_the_verdict_reads_the_interval() -> None:
    def verdict(low: float, high: float) -> str:
        figures = ({"AP": 0.5}, {"AP": 0.52})
        paths = (Path("a"), Path("b"))
        return Comparison("coco", paths, figures, (), Interval(0.02, low, high)).verdict()

    assert verdict(0.01, 0.03) == "AP of B minus AP of A: +0.0200 [+0.0100, +0.0300]: B is better at 95 %"
    assert verdict(-0.01, 0.03).endswith("A and B are not distinguishable at 95 %")
    assert verdict(0.0, 0.03).endswith("A and B are not distinguishable at 95 %")


def test_without_draws_there_are_no_intervals(data_set: PoseDataset, tmp_path: Path) -> None:
    paths = [write(tmp_path / f"{i}.json", results(data_set, noise)) for i, noise in enumerate((1.0, 3.0))]
    (comparison,) = compare(paths, {"coco": data_set}, Evaluation(), 0)
    assert comparison.intervals == ()
    assert comparison.difference is None
    assert "no interval" in comparison.verdict()
    assert "[" not in printed(comparison)


def test_folders_of_runs_hold_a_file_for_each_set(data_set: PoseDataset, tmp_path: Path) -> None:
    for run, noise in (("one", 1.0), ("two", 3.0)):
        for name in ("a", "b"):
            write(tmp_path / run / f"{name}_results.json", results(data_set, noise))
    found = compare([tmp_path / "one", tmp_path / "two"], {"a": data_set, "b": data_set}, Evaluation(), 0)
    assert [comparison.data_set for comparison in found] == ["a", "b"]
    assert found[0].paths == (tmp_path / "one/a_results.json", tmp_path / "two/a_results.json")
    (tmp_path / "two/b_results.json").unlink()
    with pytest.raises(ElifPoseError, match=r"no file .*two/b_results\.json"):
        compare([tmp_path / "one", tmp_path / "two"], {"a": data_set, "b": data_set}, Evaluation(), 0)


def changed(change: Callable[[dict[str, Any]], object]) -> Callable[[Results], object]:
    def of(found: Results) -> object:
        change(found[2])
        return found

    return of


@pytest.mark.parametrize(
    ("spoil", "complaint"),
    [
        (lambda _: [], "is empty"),
        (lambda found: {"annotations": found}, "is not a list"),
        (lambda found: [*found[:2], 3], "detection 3 is not an object"),
        (changed(lambda person: person.pop("score")), "detection 3 has no 'score'"),
        (changed(lambda person: person.update(score="high")), "detection 3 has score 'high'"),
        (changed(lambda person: person.update(image_id=12345678)), "detection 3 is of image 12345678"),
        (changed(lambda person: person.update(image_id=[1])), r"detection 3 is of image \[1\]"),
        (changed(lambda person: person["keypoints"].extend([0] * 27)), "detection 3 has 26 keypoints"),
        (changed(lambda person: person.update(keypoints="x")), "detection 3 has 'keypoints' that are no list"),
        (changed(lambda person: person["keypoints"].__setitem__(4, None)), "detection 3 has 'keypoints' that"),
        (changed(lambda person: person.update(bbox=[1, 2, 3])), "detection 3 has a 'bbox' that is not four numbers"),
        (changed(lambda person: person.update(bbox="none")), "detection 3 has a 'bbox' that is not four numbers"),
    ],
)
def test_a_file_that_does_not_fit_is_named_with_its_fault(
    data_set: PoseDataset, tmp_path: Path, spoil: Callable[[Results], object], complaint: str
) -> None:
    path = write(tmp_path / "bad.json", spoil(copy.deepcopy(results(data_set, 1.0))))
    with pytest.raises(ElifPoseError, match=rf"bad\.json.*{complaint}"):
        compare([path], {"coco": data_set}, Evaluation(), 0)


def test_what_is_no_json_is_named(data_set: PoseDataset, tmp_path: Path) -> None:
    (tmp_path / "bad.json").write_text("[{")
    with pytest.raises(ElifPoseError, match=r"bad\.json is not valid JSON"):
        compare([tmp_path / "bad.json"], {"coco": data_set}, Evaluation(), 0)


def test_it_must_be_clear_what_to_compare(data_set: PoseDataset, tmp_path: Path) -> None:
    path = write(tmp_path / "a.json", results(data_set, 1.0))
    with pytest.raises(ElifPoseError, match=r"a\.json is one file, but there are 2 validation sets"):
        compare([path], {"a": data_set, "b": data_set}, Evaluation(), 0)
    with pytest.raises(ElifPoseError, match="one or two files can be judged, not 3"):
        compare([path] * 3, {"coco": data_set}, Evaluation(), 0)
    with pytest.raises(ElifPoseError, match=r"no file .*b\.json"):
        compare([path, tmp_path / "b.json"], {"coco": data_set}, Evaluation(), 0)


def test_where_nobody_is_annotated_nothing_is_judged(data_set: PoseDataset, tmp_path: Path) -> None:
    truth = data_set.ground_truth()
    path = write(tmp_path / "a.json", results(data_set, 1.0))

    class Unlabelled:
        skeleton = data_set.skeleton

        def ground_truth(self) -> dict[str, Any]:
            return {**truth, "annotations": []}

    with pytest.raises(ElifPoseError, match="nobody in data set 'coco'"):
        compare([path], {"coco": cast("PoseDataset", Unlabelled())}, Evaluation(), 0)
