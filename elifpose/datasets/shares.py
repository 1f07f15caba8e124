"""How much of an epoch each training set makes up."""

import math
from collections.abc import Collection, Mapping

import numpy as np

from elifpose.utils.errors import ElifPoseError


def check_shares(shares: Mapping[str, float], names: Collection[str]) -> None:
    """Whether shares of an epoch can be had.

    Args:
        shares: Part of an epoch by set.
        names: All training sets.

    Raises:
        ElifPoseError: If a share is of no training set or not between 0 and 1, if nothing is left for the sets
            without a share, or if all have one and they do not add up to 1.
    """
    if unknown := [name for name in shares if name not in names]:
        raise ElifPoseError(
            f"data.shares: no training set is named {', '.join(map(repr, unknown))}; there are {', '.join(names)}"
        )
    for name, share in shares.items():
        if not 0 < share < 1:
            raise ElifPoseError(f"data.shares: {name!r} has {share}; a share lies between 0 and 1")
    total = sum(shares.values())
    if others := [name for name in names if name not in shares]:
        if total >= 1 - 1e-9:
            raise ElifPoseError(
                f"data.shares add up to {total:g}, which leaves nothing for {', '.join(others)}; give less, or leave"
                " out the sets that are not to be shown"
            )
    elif shares and not math.isclose(total, 1, abs_tol=1e-9):
        raise ElifPoseError(
            f"data.shares names every training set, but the shares add up to {total:g}, not 1; correct them, or leave"
            " one out, which then has the rest"
        )


def people_per_epoch(
    sizes: Mapping[str, int], weights: Mapping[str, float], shares: Mapping[str, float]
) -> dict[str, int]:
    """How many people of each set an epoch shows.

    Without shares a set has P_s = weight_s · size_s, rounded, and an epoch is P = Σ P_s long. It stays as long with
    shares: a set that has one then makes up share_s · P, and another set o makes up
    (1 − Σ share_s) · P · P_o / Σ P_o. Where no other set is left, shares are relative to each other.

    Args:
        sizes: People in each set.
        weights: How often an epoch shows everyone of a set, without shares.
        shares: Part of an epoch of some sets; of a set that has no size it does nothing.

    Returns:
        Numbers by set that add up to P, each at most one person off.
    """
    plain = {name: max(round(weights[name] * size), min(size, 1)) for name, size in sizes.items()}
    given = {name: share for name, share in shares.items() if name in plain}
    others = {name: people for name, people in plain.items() if name not in given}
    taken = sum(given.values())
    if not others:
        given = {name: share / taken for name, share in given.items()}
    parts = given | {name: (1 - taken) * people / sum(others.values()) for name, people in others.items()}
    ends = sum(plain.values()) * np.cumsum([0.0, *(parts[name] for name in plain)])
    return dict(zip(plain, np.diff(np.rint(ends)).astype(int).tolist(), strict=True))


def epoch_sentence(people: Mapping[str, int], shares: Mapping[str, float]) -> str:
    """What `people_per_epoch` gave, in words; and which shares are of sets that are not there."""
    total = sum(people.values())
    of_sets = ", ".join(f"{name} {number / total:.1%} ({number:,})" for name, number in people.items())
    absent = [name for name in shares if name not in people]
    note = f"; data.shares of {', '.join(absent)} do nothing: the sets are not there" if absent else ""
    return f"An epoch shows {total:,} people: {of_sets}{note}."
