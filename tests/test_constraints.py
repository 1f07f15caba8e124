"""Versions are stated in three files, which have to say the same."""

import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
USED = ("export", "coreml", "mat")  # extras that users install


def stated() -> dict[str, SpecifierSet]:
    """What `pyproject.toml` allows of each package that users install."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    lists = [project["dependencies"], *(project["optional-dependencies"][extra] for extra in USED)]
    requirements = [Requirement(line) for lines in lists for line in lines]
    return {canonicalize_name(each.name): each.specifier for each in requirements}


def pinned(name: str) -> dict[str, str]:
    """Versions in a file of constraints."""
    lines = [line for line in (ROOT / name).read_text().splitlines() if not line.startswith("#")]
    return {canonicalize_name(name): version for name, version in (line.split("==") for line in lines)}


@pytest.mark.parametrize("name", ["constraints.txt", "constraints-minimum.txt"])
def test_pinned_versions_are_allowed(name: str) -> None:
    versions = pinned(name)
    refused = {
        each: versions.get(each) for each, allowed in stated().items() if versions.get(each, "0") not in allowed
    }
    assert not refused


def test_the_oldest_versions_are_those_that_are_allowed() -> None:
    versions, floors = pinned("constraints-minimum.txt"), {}
    for name, allowed in stated().items():
        (floors[name],) = [each.version for each in allowed if each.operator == ">="]
    assert versions.keys() == floors.keys()
    assert versions.pop("torch") == pinned("constraints.txt")["torch"]  # no older one is tried
    assert [name for name, version in versions.items() if version not in SpecifierSet(f"=={floors[name]}.*")] == []
