"""A skeleton: which points of a body are named, how they mirror, and how exactly people mark them."""

import math
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple, final


class Link(NamedTuple):
    """A line to draw between two keypoints, by name, with its colour."""

    start: str
    end: str
    color: tuple[int, int, int]
    """RGB, 0 to 255."""


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
        ValueError: If names repeat, lengths differ, a sigma is not positive, or a pair, half or link names an
            unknown keypoint.
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
        known = set(self.keypoints)
        if len(known) != len(self.keypoints):
            raise ValueError(f"skeleton {self.name!r}: a keypoint is named twice in {self.keypoints}")
        for field in ("sigmas", "joint_weights"):
            if len(getattr(self, field)) != len(self.keypoints):
                raise ValueError(
                    f"skeleton {self.name!r}: {len(getattr(self, field))} {field} for {len(self.keypoints)} keypoints"
                )
        if not all(math.isfinite(sigma) and sigma > 0 for sigma in self.sigmas):
            raise ValueError(f"skeleton {self.name!r}: sigmas must be positive, not {self.sigmas}")
        paired = [name for pair in self.flip_pairs for name in pair]
        if len(set(paired)) != len(paired):
            raise ValueError(f"skeleton {self.name!r}: a keypoint stands in two flip pairs: {self.flip_pairs}")
        named = {*paired, *self.upper_body, *self.lower_body, *(name for link in self.links for name in link[:2])}
        if unknown := sorted(named - known):
            raise ValueError(f"skeleton {self.name!r}: no keypoints are named {', '.join(unknown)}")

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
