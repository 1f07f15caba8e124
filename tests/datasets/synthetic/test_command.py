import argparse
import json
from pathlib import Path

import pytest

from elifpose.datasets.synthetic.command import add_arguments, run
from elifpose.utils.errors import ElifPoseError


def parse(*arguments: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    return parser.parse_args(arguments)


def test_it_writes_a_training_and_a_validation_split(tmp_path: Path) -> None:
    train, val = run(
        parse("--root", str(tmp_path), "--train", "4", "--val", "2", "--size", "80", "64", "--seed", "3")
    )
    assert train.name == "person_keypoints_train2017.json"
    assert val.name == "person_keypoints_val2017.json"
    assert len(json.loads(train.read_text())["annotations"]) >= 4
    content = json.loads(val.read_text())
    assert len(content["annotations"]) >= 2
    assert (content["images"][0]["width"], content["images"][0]["height"]) == (80, 64)


@pytest.mark.parametrize("option", ["--train", "--val"])
def test_a_split_of_nobody_is_refused_before_anything_is_rendered(tmp_path: Path, option: str) -> None:
    with pytest.raises(ElifPoseError, match=f"{option} is 0"):
        run(parse("--root", str(tmp_path), "--train", "1", "--val", "1", "--size", "64", "64", option, "0"))
    assert not any(tmp_path.iterdir())


def test_defaults_are_the_quickstarts() -> None:
    arguments = parse()
    assert (arguments.train, arguments.val, arguments.seed) == (10_000, 1_000, 0)
