"""The skeletons of the public sets, and how one maps to another by name."""

from elifpose.structures.skeleton import Link, Skeleton
from elifpose.utils.errors import ElifPoseError

_MIDDLE, _LEFT, _RIGHT = (51, 153, 255), (0, 200, 80), (255, 128, 0)

_PAIRS = tuple(
    (f"left_{part}", f"right_{part}")
    for part in (
        "eye",
        "ear",
        "shoulder",
        "elbow",
        "wrist",
        "hip",
        "knee",
        "ankle",
        "big_toe",
        "small_toe",
        "heel",
    )
)
_BODY = ("nose", *(side for pair in _PAIRS[:8] for side in pair))
_BODY_UPPER, _BODY_LOWER = _BODY[:11], _BODY[11:]
_FEET_BY_SIDE = tuple(f"{side}_{part}" for side in ("left", "right") for part in ("big_toe", "small_toe", "heel"))
_FEET_BY_PART = tuple(side for pair in _PAIRS[8:] for side in pair)

# Annotators' spread, from the redundantly annotated images of COCO (keypoint evaluation of cocodataset.org).
_COCO_SIGMAS = (
    0.026,  # nose
    *(0.025, 0.025),  # eyes
    *(0.035, 0.035),  # ears
    *(0.079, 0.079),  # shoulders
    *(0.072, 0.072),  # elbows
    *(0.062, 0.062),  # wrists
    *(0.107, 0.107),  # hips
    *(0.087, 0.087),  # knees
    *(0.089, 0.089),  # ankles
)
# RTMPose's recipe: joints far from the trunk count more.
_BODY_WEIGHTS = (*(1.0,) * 7, *(1.2,) * 2, *(1.5,) * 2, *(1.0,) * 2, *(1.2,) * 2, *(1.5,) * 2)


def _links(*pairs: str) -> tuple[Link, ...]:
    """Links from ``"start-end"``, coloured by the side that either end lies on."""
    links = []
    for pair in pairs:
        start, end = pair.split("-")
        sides = {name.split("_")[0] for name in (start, end)} & {"left", "right"}
        color = {"left": _LEFT, "right": _RIGHT}[sides.pop()] if len(sides) == 1 else _MIDDLE
        links.append(Link(start, end, color))
    return tuple(links)


def _both(*pairs: str) -> tuple[str, ...]:
    """``"@knee-@hip"`` for the left and for the right side."""
    return tuple(pair.replace("@", f"{side}_") for pair in pairs for side in ("left", "right"))


_LIMBS = _both("@ankle-@knee", "@knee-@hip", "@shoulder-@elbow", "@elbow-@wrist")
_FACE = ("left_eye-right_eye", *_both("nose-@eye", "@eye-@ear", "@ear-@shoulder"))
_FEET = _both("@ankle-@big_toe", "@ankle-@small_toe", "@ankle-@heel")
_TRUNK = ("left_hip-right_hip", "left_shoulder-right_shoulder", *_both("@shoulder-@hip"))

COCO17 = Skeleton(
    name="coco17",
    keypoints=_BODY,
    flip_pairs=_PAIRS[:8],
    sigmas=_COCO_SIGMAS,
    sigmas_source="COCO keypoint evaluation (cocodataset.org)",
    joint_weights=_BODY_WEIGHTS,
    upper_body=_BODY_UPPER,
    lower_body=_BODY_LOWER,
    links=_links(*_LIMBS, *_TRUNK, *_FACE),
)

COCO_WHOLEBODY = Skeleton(
    name="coco_wholebody",
    keypoints=(*_BODY, *_FEET_BY_SIDE),
    flip_pairs=_PAIRS,
    sigmas=(*_COCO_SIGMAS, *(0.068, 0.066, 0.066), *(0.092, 0.094, 0.094)),
    sigmas_source="COCO body; feet from COCO-WholeBody (Jin et al., ECCV 2020)",
    joint_weights=(1.0,) * 23,
    upper_body=_BODY_UPPER,
    lower_body=(*_BODY_LOWER, *_FEET_BY_SIDE),
    links=_links(*_LIMBS, *_TRUNK, *_FACE, *_FEET),
)

HALPE26 = Skeleton(
    name="halpe26",
    keypoints=(*_BODY, "head", "neck", "hip", *_FEET_BY_PART),
    flip_pairs=_PAIRS,
    sigmas=(*_COCO_SIGMAS, *(0.026, 0.026, 0.066), *(0.079,) * 6),
    sigmas_source="COCO body; head, neck, hip and feet as RTMPose's published Halpe26 evaluation sets them",
    joint_weights=(*_BODY_WEIGHTS, *(1.0, 1.0, 1.2), *(1.5,) * 6),
    upper_body=(*_BODY_UPPER, "head", "neck"),
    lower_body=(*_BODY_LOWER, "hip", *_FEET_BY_PART),
    links=_links(
        *_LIMBS,
        *("head-neck", "neck-hip"),
        *_both("@hip-hip", "neck-@shoulder"),
        *_FACE,
        *_FEET,
    ),
)

SKELETONS = {skeleton.name: skeleton for skeleton in (COCO17, COCO_WHOLEBODY, HALPE26)}

# Names under which the public sets have a point that Halpe26 has under another.
ALIASES = {"head_top": "head", "top_head": "head", "upper_neck": "neck"}


def get_skeleton(name: str) -> Skeleton:
    """The skeleton of that name; `ElifPoseError` with the known names otherwise."""
    if name not in SKELETONS:
        raise ElifPoseError(f"there is no skeleton {name!r}; known are {', '.join(SKELETONS)}")
    return SKELETONS[name]


def keypoint_mapping(source: Skeleton, target: Skeleton) -> tuple[tuple[int, int], ...]:
    """Which keypoints of two skeletons are the same point, by name and by `ALIASES`.

    Returns:
        Pairs (position in ``source``, position in ``target``), in the source's order. Points that only one of the
        two has are left out: a sample of ``source`` has weight 0 there.
    """
    target_index = {ALIASES.get(name, name): index for index, name in enumerate(target.keypoints)}
    names = (ALIASES.get(name, name) for name in source.keypoints)
    return tuple((index, target_index[name]) for index, name in enumerate(names) if name in target_index)
