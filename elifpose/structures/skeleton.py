"""A skeleton: which points of a body are named, how they mirror, and how exactly people mark them."""

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any, NamedTuple, Self, final

_MIDDLE = (51, 153, 255)
_SIDES = {"left": (0, 200, 80), "right": (255, 128, 0)}


class Link(NamedTuple):
    """A line to draw between two keypoints, by name, with its colour."""

    start: str
    end: str
    color: tuple[int, int, int]
    """RGB, 0 to 255."""

    @classmethod
    def between(cls, start: str, end: str) -> Self:
        """A link in the colour of the side that either end lies on, or the middle's.

        >>> Link.between("left_hip", "hip").color == Link.between("left_hip", "left_knee").color
        True
        """
        sides = {name.split("_")[0] for name in (start, end)} & _SIDES.keys()
        return cls(start, end, _SIDES[sides.pop()] if len(sides) == 1 else _MIDDLE)


@final
@dataclass(frozen=True)
class Skeleton:
    """The named points of a body, in the order of a network's outputs.

    Args:
        name: What the skeleton is called in configurations.
        keypoints: Names in order; ``left_*`` and ``right_*`` are the person's own sides.
        flip_pairs: Pairs of names that change places when the image is mirrored; no name occurs twice.
        sigmas: Per keypoint, the standard deviation of annotators relative to the square root of the person's
            area: the constant of OKS.
        sigmas_source: Where the sigmas come from.
        joint_weights: Per keypoint, its weight in the loss.
        upper_body: Names that make up the upper half in half-body augmentation.
        lower_body: Names of the lower half.
        links: Lines to draw.

    Raises:
        ValueError: If there is no keypoint, names repeat, lengths differ, a sigma is not positive, a weight is
            negative, or a pair, half or link names an unknown keypoint.
    """

    name: str
    keypoints: tuple[str, ...]
    flip_pairs: tuple[tuple[str, str], ...]
    sigmas: tuple[float, ...]
    sigmas_source: str
    joint_weights: tuple[float, ...]
    upper_body: tuple[str, ...]
    lower_body: tuple[str, ...]
    links: tuple[Link, ...] = ()

    def __post_init__(self) -> None:
        here = f"skeleton {self.name!r}"
        if not self.keypoints:
            raise ValueError(f"{here} has no keypoints")
        for field, values in (("sigmas", self.sigmas), ("joint weights", self.joint_weights)):
            if len(values) != len(self.keypoints):
                raise ValueError(f"{here}: {len(values)} {field} for {len(self.keypoints)} keypoints")
        if not all(0 < sigma < math.inf for sigma in self.sigmas):
            raise ValueError(f"{here}: sigmas must be positive, not {self.sigmas}")
        if not all(0 <= weight < math.inf for weight in self.joint_weights):
            raise ValueError(f"{here}: joint weights must not be negative, but are {self.joint_weights}")
        for field, names, repeats in (
            ("keypoints", self.keypoints, False),
            ("flip pairs", [name for pair in self.flip_pairs for name in pair], False),
            ("upper body", self.upper_body, False),
            ("lower body", self.lower_body, False),
            ("links", [name for link in self.links for name in link[:2]], True),
        ):
            if twice := [name for name, count in Counter(names).items() if count > 1 and not repeats]:
                raise ValueError(f"{here}: its {field} name {', '.join(twice)} more than once")
            if unknown := sorted(set(names) - set(self.keypoints)):
                known = ", ".join(self.keypoints)
                raise ValueError(f"{here}: its {field} name {', '.join(unknown)}; its keypoints are {known}")

    @classmethod
    def from_arguments(cls, arguments: Mapping[str, Any]) -> Self:
        """The skeleton that `arguments` describe, also after a way through JSON, which makes lists of tuples."""
        links = tuple(Link(start, end, tuple(color)) for start, end, color in arguments["links"])
        tuples = {key: tuple(value) for key, value in arguments.items() if isinstance(value, list | tuple)}
        pairs = tuple((left, right) for left, right in arguments["flip_pairs"])
        return cls(**{**arguments, **tuples, "flip_pairs": pairs, "links": links})

    def arguments(self) -> dict[str, Any]:
        """The constructor's arguments as numbers, strings and tuples, for `from_arguments`."""
        return {**asdict(self), "links": tuple(tuple(link) for link in self.links)}

    @property
    def num_keypoints(self) -> int:
        """How many keypoints there are."""
        return len(self.keypoints)

    def index(self, name: str) -> int:
        """Position of a keypoint; ``ValueError`` if there is none of that name."""
        return self.keypoints.index(name)

    @cached_property
    def flip_indices(self) -> tuple[int, ...]:
        """For each keypoint, the position of the one that it becomes in a mirrored image."""
        partner = dict(self.flip_pairs) | {right: left for left, right in self.flip_pairs}
        return tuple(self.index(partner.get(name, name)) for name in self.keypoints)

    @cached_property
    def upper_body_indices(self) -> tuple[int, ...]:
        """Positions of the upper half's keypoints."""
        return tuple(self.index(name) for name in self.upper_body)

    @cached_property
    def lower_body_indices(self) -> tuple[int, ...]:
        """Positions of the lower half's keypoints."""
        return tuple(self.index(name) for name in self.lower_body)

    @cached_property
    def link_indices(self) -> tuple[tuple[int, int], ...]:
        """Positions of the two ends of each link."""
        return tuple((self.index(link.start), self.index(link.end)) for link in self.links)
