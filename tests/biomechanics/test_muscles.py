import json
from pathlib import Path

import pytest

from elifpose.biomechanics.muscles import DEFAULT_MUSCLES, MODELS, muscle_model
from elifpose.utils.errors import ElifPoseError


def test_every_coefficient_is_the_stored_one(reference: Path) -> None:
    stored = json.loads((reference / "muscle_tendon.json").read_text())["hawkins_hull_1990"]["muscles"]
    ours = muscle_model("hawkins_hull_1990").muscles
    assert ours.keys() == stored.keys()
    for name, muscle in ours.items():
        of = stored[name]
        assert muscle.segment == of["segment"]
        found = (muscle.constant, muscle.hip, muscle.knee, muscle.knee_squared, muscle.ankle)
        assert found == tuple(of[key] for key in ("C0", "C1_hip", "C2_knee", "C3_knee2", "C4_ankle"))
        assert muscle.confidence.split(":")[0].split(" ")[0] == of["confidence"].split(" ")[0]


def test_the_default_set_is_the_recommended_one_and_the_rest_experimental(reference: Path) -> None:
    stored = json.loads((reference / "muscle_tendon.json").read_text())["hawkins_hull_1990"]
    assert list(DEFAULT_MUSCLES) == stored["recommended_default_set"]
    muscles = muscle_model("hawkins_hull_1990").muscles
    assert {name for name, muscle in muscles.items() if not muscle.experimental} == set(DEFAULT_MUSCLES)


def test_every_model_names_its_paper(reference: Path) -> None:
    stored = json.loads((reference / "muscle_tendon.json").read_text())
    for name, model in MODELS.items():
        assert model.name == name
        author, year = stored[name]["citation"].split(" ")[0], name.rsplit("_", 1)[1]
        assert model.citations[0].startswith(author)
        assert f"({year})" in model.citations[0]


def test_what_there_is_not_is_refused_with_what_there_is() -> None:
    with pytest.raises(ElifPoseError, match=r"'delp'; there are hawkins_hull_1990, grieve_1978"):
        muscle_model("delp")
    with pytest.raises(ElifPoseError, match=r"no muscle 'gluteus'; it has gastrocnemius_medialis, "):
        muscle_model("hawkins_hull_1990").muscle("gluteus")
