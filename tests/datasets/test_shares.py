import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from elifpose.datasets.shares import check_shares, epoch_sentence, people_per_epoch
from elifpose.utils.errors import ElifPoseError

NAMES = "abcdef"


def test_shares_by_hand() -> None:
    sizes, weights = {"a": 100, "b": 60, "c": 20}, {"a": 1.0, "b": 1.0, "c": 2.0}
    assert people_per_epoch(sizes, weights, {}) == {"a": 100, "b": 60, "c": 40}
    # a gets half of 200 people; b and c have the other half by 60 and 2 x 20
    assert people_per_epoch(sizes, weights, {"a": 0.5}) == {"a": 100, "b": 60, "c": 40}
    assert people_per_epoch(sizes, weights, {"a": 0.75}) == {"a": 150, "b": 30, "c": 20}
    assert people_per_epoch(sizes, weights, {"c": 0.6, "b": 0.1}) == {"a": 60, "b": 20, "c": 120}
    assert people_per_epoch(sizes, weights, {"a": 0.25, "b": 0.25, "c": 0.5}) == {"a": 50, "b": 50, "c": 100}


def test_a_share_of_a_set_that_is_not_there_does_nothing() -> None:
    sizes, weights = {"a": 100, "b": 100}, {"a": 1.0, "b": 1.0}
    assert people_per_epoch(sizes, weights, {"a": 0.6, "gone": 0.3}) == {"a": 120, "b": 80}
    assert people_per_epoch(sizes, weights, {"gone": 0.3}) == {"a": 100, "b": 100}
    # of three sets with shares two are left: 0.6 to 0.2, of as many people as they have
    assert people_per_epoch(sizes, weights, {"a": 0.6, "b": 0.2, "gone": 0.2}) == {"a": 150, "b": 50}


@settings(deadline=None, max_examples=200)
@given(st.data())
def test_an_epoch_keeps_its_length_and_each_set_its_share(data: st.DataObject) -> None:
    sizes = data.draw(st.dictionaries(st.sampled_from(NAMES), st.integers(1, 10**6), min_size=1))
    weights = {name: data.draw(st.floats(0.01, 5)) for name in sizes}
    named = [name for name in sizes if data.draw(st.booleans())][: max(len(sizes) - 1, 1)]
    parts = data.draw(st.lists(st.floats(0.01, 1), min_size=len(named), max_size=len(named)))
    shares = {name: 0.95 * part / sum(parts) for name, part in zip(named, parts, strict=True)}
    plain = people_per_epoch(sizes, weights, {})
    people = people_per_epoch(sizes, weights, shares)
    assert plain == {name: max(round(weights[name] * size), 1) for name, size in sizes.items()}
    assert list(people) == list(sizes)
    total = sum(plain.values())
    assert sum(people.values()) == total
    others = {name: number for name, number in plain.items() if name not in shares}
    if others:
        for name, share in shares.items():
            assert abs(people[name] - share * total) <= 1 + 1e-6
        rest = (1 - sum(shares.values())) * total / sum(others.values())
        for name, number in others.items():
            assert abs(people[name] - rest * number) <= 1 + 1e-6


@pytest.mark.parametrize(
    ("shares", "message"),
    [
        ({"squid": 0.5}, "no training set is named 'squid'; there are a, b, c"),
        ({"a": 0.0}, "'a' has 0.0; a share lies between 0 and 1"),
        ({"a": 1.0}, "'a' has 1.0; a share lies between 0 and 1"),
        ({"a": float("nan")}, "'a' has nan; a share lies between 0 and 1"),
        ({"a": 0.5, "b": 0.5}, "add up to 1, which leaves nothing for c; give less"),
        ({"a": 0.7, "b": 0.5}, "add up to 1.2, which leaves nothing for c"),
        ({"a": 0.3, "b": 0.3, "c": 0.3}, "names every training set, but the shares add up to 0.9, not 1"),
    ],
)
def test_shares_that_cannot_be_had_are_refused(shares: dict[str, float], message: str) -> None:
    with pytest.raises(ElifPoseError, match=re.escape(message)):
        check_shares(shares, ["a", "b", "c"])


def test_shares_that_can_be_had() -> None:
    check_shares({}, ["a"])
    check_shares({"a": 0.9, "c": 0.05}, ["a", "b", "c"])
    check_shares({"a": 0.1, "b": 0.2, "c": 0.7}, ["a", "b", "c"])


def test_the_sentence_names_each_set_and_shares_without_one() -> None:
    people = {"a": 1500, "b": 500}
    assert epoch_sentence(people, {"a": 0.75}) == "An epoch shows 2,000 people: a 75.0% (1,500), b 25.0% (500)."
    assert "data.shares of c do nothing: the sets are not there" in epoch_sentence(people, {"c": 0.5})
