import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from elifpose.cli import main
from elifpose.structures import SKELETONS, Skeleton
from elifpose.structures.skeleton_file import is_skeleton_file, read_skeleton
from elifpose.structures.skeletons import HALPE26
from elifpose.training.module import ElifPoseModule
from elifpose.utils.errors import ElifPoseError

PADDLER: dict[str, Any] = {
    "name": "paddler",
    "keypoints": ["left_wrist", "right_wrist", "head_top", "left_paddle", "right_paddle"],
    "flip": [["left_wrist", "right_wrist"], ["right_paddle", "left_paddle"]],
    "sigmas": {
        "left_wrist": 0.05,
        "right_wrist": "5.5e-2",
        "head_top": "estimate",
        "left_paddle": 0.2,
        "right_paddle": "estimate",
    },
    "links": ["left_wrist-left_paddle", ["right_paddle", "right_wrist"]],
    "upper_body": ["head_top", "left_wrist"],
    "joint_weights": {"head_top": 0, "left_paddle": 1.5},
}


def write(folder: Path, content: object) -> Path:
    path = folder / "mine.yaml"
    path.write_text(content if isinstance(content, str) else yaml.safe_dump(content))
    return path


def changed(**changes: Any) -> dict[str, Any]:
    """The paddler with other values; None leaves a key out."""
    return {key: value for key, value in {**PADDLER, **changes}.items() if value is not None}


def test_every_key_arrives(tmp_path: Path) -> None:
    skeleton = read_skeleton(write(tmp_path, PADDLER))
    assert skeleton.name == "paddler"
    assert skeleton.keypoints == tuple(PADDLER["keypoints"])
    assert skeleton.flip_indices == (1, 0, 2, 4, 3)
    assert skeleton.sigmas == (0.05, 0.055, 0.026, 0.2, 0.079)
    assert skeleton.joint_weights == (1, 1, 0, 1.5, 1)
    assert skeleton.link_indices == ((0, 3), (4, 1))
    assert skeleton.upper_body_indices == (2, 0)
    assert skeleton.lower_body == ()


def test_sigmas_say_which_were_given_and_which_estimated(tmp_path: Path) -> None:
    told = read_skeleton(write(tmp_path, PADDLER)).sigmas_source.split("; ")
    assert told == [
        "given in mine.yaml: left_wrist, right_wrist, left_paddle",
        "estimated as Halpe26's: head_top",
        "estimated as the median of Halpe26's (0.079): right_paddle",
    ]


@pytest.mark.parametrize("known", SKELETONS.values(), ids=SKELETONS)
def test_estimates_are_halpes_sigmas_or_their_median(tmp_path: Path, known: Skeleton) -> None:
    content = {"name": "mine", "keypoints": list(known.keypoints), "flip": "auto", "sigmas": "estimate"}
    skeleton = read_skeleton(write(tmp_path, content))
    assert skeleton.flip_indices == known.flip_indices
    ordered = sorted(HALPE26.sigmas)
    halpe = {**dict(zip(HALPE26.keypoints, HALPE26.sigmas, strict=True)), "head_top": 0.026, "top_head": 0.026}
    halpe["upper_neck"] = halpe["neck"]
    expected = [halpe.get(name, (ordered[12] + ordered[13]) / 2) for name in known.keypoints]
    assert list(skeleton.sigmas) == expected


def test_what_is_optional_may_be_left_out_or_empty(tmp_path: Path) -> None:
    short = {key: PADDLER[key] for key in ("name", "keypoints", "sigmas")}
    plain = read_skeleton(write(tmp_path, {**short, "flip": []}))
    assert plain.flip_indices == (0, 1, 2, 3, 4)
    assert plain.joint_weights == (1,) * 5
    assert not plain.links + plain.upper_body + plain.lower_body
    empty = dict.fromkeys(("links", "upper_body", "lower_body", "joint_weights"))
    assert read_skeleton(write(tmp_path, {**short, "flip": [], **empty})) == plain


def test_names_may_hold_what_links_are_written_with(tmp_path: Path) -> None:
    content = changed(
        keypoints=["a-b", "c", "ünder arm"], flip=[], sigmas="estimate", upper_body=None, joint_weights=None
    )
    skeleton = read_skeleton(write(tmp_path, {**content, "links": ["a-b-c", "c-ünder arm"]}))
    assert skeleton.link_indices == ((0, 1), (1, 2))
    with pytest.raises(ElifPoseError, match="'a-b-c', which is no pair"):
        read_skeleton(write(tmp_path, {**content, "keypoints": ["a", "b-c", "a-b", "c"], "links": ["a-b-c"]}))


WITHOUT = {key: value for key, value in PADDLER["sigmas"].items() if key not in ("left_wrist", "head_top")}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (changed(sigmas=None), "'sigmas' lacks left_wrist, right_wrist, head_top, left_paddle, right_paddle: give"),
        (changed(sigmas={}), "'sigmas' lacks left_wrist, .*'sigmas: estimate' estimates all"),
        (changed(sigmas=WITHOUT), "'sigmas' lacks left_wrist, head_top: give each a number"),
        (changed(sigmas={**WITHOUT, "tail": 1}), "'sigmas' names 'tail'; the keypoints are left_wrist"),
        (changed(sigmas="guess"), "'sigmas' must be a number for each name, not 'guess'"),
        (changed(sigmas=[0.1] * 5), "'sigmas' must be a number for each name"),
        (changed(sigmas={**PADDLER["sigmas"], "head_top": 5.0}), "'sigmas' has 5.0 for head_top; it is relative"),
        (changed(sigmas={**PADDLER["sigmas"], "head_top": ".nan"}), "sigmas of head_top: '.nan' is no number"),
        (changed(sigmas={**PADDLER["sigmas"], "head_top": float("nan")}), "'sigmas' has nan for head_top"),
        (changed(sigmas={**PADDLER["sigmas"], "head_top": 0}), "'sigmas' has 0.0 for head_top"),
        (changed(sigmas={**PADDLER["sigmas"], "head_top": True}), "sigmas of head_top: True is no number"),
        (changed(name=None), "'name' is missing: say what"),
        (changed(name="a/b"), "'name' is 'a/b'; write up to 40 letters"),
        (changed(name="../a"), r"'name' is '\.\./a'"),
        (changed(name=5), "'name' is 5"),
        (changed(name="halpe26"), "'name' is halpe26, which is a skeleton of ElifPose's own"),
        (changed(keypoints=None), "'keypoints' is missing: list"),
        (changed(keypoints=[], sigmas="estimate", flip=[], links=[], joint_weights={}), "has no keypoints"),
        (changed(keypoints="nose"), "'keypoints' must be a list of names, not 'nose'"),
        (changed(keypoints=["nose", True]), "'keypoints' has True, which is no name; put quotes"),
        (changed(keypoints=["nose", " "]), "'keypoints' has ' ', which is no name"),
        (changed(keypoints=[*PADDLER["keypoints"], "head_top"]), "keypoints name head_top more than once"),
        (changed(flip=None), "'flip' is missing: give pairs"),
        (changed(flip="sides"), "'flip' must be a list of pairs of keypoints, not 'sides'"),
        (changed(flip=[["left_wrist"]]), r"'flip' has \['left_wrist'\], which is no pair"),
        (changed(flip=[["left_wrist", "tail"]]), "'flip' has .*'tail'.*which is no pair"),
        (changed(flip=[[["left_wrist"], "tail"]]), "'flip' has .* which is no pair"),
        (
            changed(flip=["left_wrist-right_wrist", "left_wrist-head_top"]),
            "flip pairs name left_wrist more than once",
        ),
        (changed(links=["left_wrist-tail"]), "'links' has 'left_wrist-tail', which is no pair"),
        (changed(links={"left_wrist": "head_top"}), "'links' must be a list of pairs"),
        (changed(links=False), "'links' must be a list of pairs of keypoints, not False"),
        (changed(joint_weights=[]), "'joint_weights' must be a number for each name"),
        (changed(upper_body=["tail"]), "upper body name tail"),
        (changed(lower_body="left_wrist"), "'lower_body' must be a list of names"),
        (changed(joint_weights={"tail": 1}), "'joint_weights' names 'tail'"),
        (changed(joint_weights={"head_top": -1}), "joint weights must not be negative"),
        (changed(joint_weights={"head_top": [1]}), r"joint_weights of head_top: \[1\] is no number"),
        (changed(sigma="estimate"), "there is no key 'sigma'; the keys are name, keypoints, flip, sigmas, links"),
        ("", "must have the keys name, keypoints, .* but holds None"),
        ("- nose\n- neck\n", r"must have the keys .* but holds \['nose', 'neck'\]"),
        ("name: [", "is no valid YAML: .*line 1"),
        ("name: a\nname: b\n", "it has 'name' more than once"),
        ("name: a\nsigmas: {nose: 0.1, nose: 0.2}\n", "it has 'nose' more than once"),
        ("name: !!python/object/apply:os.getcwd []\n", "is no valid YAML"),
        ("name: 2020-13-45\n", "is no valid YAML"),
    ],
)
def test_mistakes_are_named_with_file_and_key(tmp_path: Path, content: object, message: str) -> None:
    path = write(tmp_path, content)
    with pytest.raises(ElifPoseError, match=rf"^skeleton file .*mine\.yaml: .*({message})") as caught:
        read_skeleton(path)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value).removeprefix(f"skeleton file {path}: ")) < 400


@pytest.mark.parametrize(
    ("keypoints", "message"),
    [
        (["left_a", "right_a", "left_b"], "finds no right_b for left_b; give pairs"),
        (["right_b"], "finds no left_b for right_b; give pairs"),
        (["LHip", "RHip"], "finds no keypoints named left_X and right_X; give pairs"),
    ],
)
def test_pairs_that_cannot_be_found_are_asked_for(tmp_path: Path, keypoints: list[str], message: str) -> None:
    content = {"name": "mine", "keypoints": keypoints, "flip": "auto", "sigmas": "estimate"}
    with pytest.raises(ElifPoseError, match=rf"'flip: auto' {message}"):
        read_skeleton(write(tmp_path, content))


def test_files_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    with pytest.raises(ElifPoseError, match=r"none\.yaml: there is no such file; a relative path"):
        read_skeleton(tmp_path / "none.yaml")
    with pytest.raises(ElifPoseError, match="cannot be read: Is a directory"):
        read_skeleton(tmp_path)
    (tmp_path / "latin.yaml").write_bytes("name: mähne".encode("latin-1"))
    with pytest.raises(ElifPoseError, match=r"is no valid YAML: .*utf-8"):
        read_skeleton(tmp_path / "latin.yaml")


def test_what_is_a_file_shows_in_its_ending() -> None:
    assert [is_skeleton_file(name) for name in ("a.yaml", "b/c.YML", "coco17", "yaml")] == [True, True, False, False]


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.sampled_from(["left_a", "b"]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4) | st.just("b"), inner, max_size=3)
    ),
    max_leaves=6,
)
FUZZED = settings(
    max_examples=60, deadline=None, database=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@FUZZED
@given(key=st.sampled_from([*PADDLER, "lower_body"]), value=VALUES)
def test_any_value_gives_a_skeleton_or_an_error_of_the_user(tmp_path: Path, key: str, value: object) -> None:
    short = {"name": "mine", "keypoints": ["left_a", "right_a", "b"], "flip": "auto", "sigmas": "estimate"}
    _read_or_refuse(write(tmp_path, {**short, key: value}))


@FUZZED
@given(content=st.binary(max_size=60))
def test_any_bytes_give_a_skeleton_or_an_error_of_the_user(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "mine.yaml").write_bytes(content)
    _read_or_refuse(tmp_path / "mine.yaml")


def _read_or_refuse(path: Path) -> None:
    try:
        skeleton = read_skeleton(path)
    except ElifPoseError:
        return
    assert Skeleton.from_arguments(json.loads(json.dumps(skeleton.arguments()))) == skeleton
    twice = [skeleton.flip_indices[index] for index in skeleton.flip_indices]
    assert twice == list(range(skeleton.num_keypoints))


def test_a_fit_starts_from_other_keypoints(
    rendered: Path,
    fitted: Path,
    options: Callable[[Path, Path], list[str]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    names = ["left_wrist", "right_wrist", "hip", "left_heel", "right_heel"]
    own = {"name": "mine", "keypoints": names, "flip": "auto", "sigmas": "estimate", "links": ["left_wrist-hip"]}
    path = write(tmp_path, own)
    document = json.loads((rendered / "annotations/person_keypoints_val2017.json").read_text())
    for person in document["annotations"]:
        points = [person["keypoints"][3 * k : 3 * k + 3] for k in map(HALPE26.index, names)]
        person["keypoints"] = [number for point in points for number in point]
        person["num_keypoints"] = sum(point[2] > 0 for point in points)
    (tmp_path / "val.json").write_text(json.dumps(document))
    monkeypatch.chdir(tmp_path)
    start = ["--model.init_from", str(fitted / "lightning_logs/version_0/checkpoints/last.ckpt")]
    sets = ["--data.val.synthetic.skeleton=mine.yaml", f"--data.val.synthetic.annotations={tmp_path / 'val.json'}"]
    short = ["--trainer.limit_train_batches=1", "--checkpoint.save_top_k=0"]
    argv = [*options(rendered, tmp_path), *short, *sets, "--model.skeleton=mine.yaml", *start]
    assert main(["fit", *argv]) == 1
    assert "head.final_layer.bias (26,) for (5,)" in capsys.readouterr().err
    assert main(["fit", *argv, "--model.init_scope=matching"]) == 0
    assert "2 of another shape (head.final_layer.weight (26," in capsys.readouterr().out
    path.unlink()
    (checkpoint,) = (tmp_path / "lightning_logs").rglob("last.ckpt")
    module = ElifPoseModule.load_from_checkpoint(checkpoint)
    assert module.skeleton.keypoints == tuple(names)
    assert module.skeleton.sigmas == (0.062, 0.062, 0.066, 0.079, 0.079)
    assert module.skeleton.link_indices == ((0, 2),)
