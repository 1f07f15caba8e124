"""The skeletons that the public sets are annotated with.

OCHuman and HumanArt have COCO's 17 keypoints, so that ``coco17`` is theirs too.
"""

from collections.abc import Mapping, Sequence

from elifpose.structures.skeleton import Link, Skeleton

# Names under which the public sets have a point that Halpe26 has under another.
ALIASES = {"head_top": "head", "top_head": "head", "upper_neck": "neck"}

_HEAD_PARTS = ("eye", "ear")
_ARM, _LEG = ("shoulder", "elbow", "wrist"), ("hip", "knee", "ankle")
_FOOT = ("big_toe", "small_toe", "heel")

# Annotators' spread, from the redundantly annotated images of COCO (keypoint evaluation of cocodataset.org).
_COCO_SIGMAS = {
    "nose": 0.026,
    "eye": 0.025,
    "ear": 0.035,
    "shoulder": 0.079,
    "elbow": 0.072,
    "wrist": 0.062,
    "hip": 0.107,
    "knee": 0.087,
    "ankle": 0.089,
}
# RTMPose's recipe: joints far from the trunk count more.
_FAR_WEIGHTS = {"elbow": 1.2, "knee": 1.2, "wrist": 1.5, "ankle": 1.5}


def _part(name: str) -> str:
    return name.removeprefix("left_").removeprefix("right_")


def _pairs(*parts: str) -> tuple[tuple[str, str], ...]:
    return tuple((f"left_{part}", f"right_{part}") for part in parts)


def _by_part(*parts: str) -> tuple[str, ...]:
    """Left then right, part after part."""
    return tuple(side for pair in _pairs(*parts) for side in pair)


def _side(side: str, parts: Sequence[str]) -> tuple[str, ...]:
    return tuple(f"{side}_{part}" for part in parts)


def _sigmas(keypoints: Sequence[str], others: Mapping[str, float]) -> tuple[float, ...]:
    """COCO's sigma of each part, or the one in ``others``."""
    values = {**_COCO_SIGMAS, **others}
    return tuple(values[_part(name)] for name in keypoints)


def _weights(keypoints: Sequence[str]) -> tuple[float, ...]:
    return tuple(_FAR_WEIGHTS.get(_part(name), 1.0) for name in keypoints)


def _links(*pairs: str) -> tuple[Link, ...]:
    """Links from ``"start-end"``."""
    return tuple(Link.between(*pair.split("-")) for pair in pairs)


def _both(*pairs: str) -> tuple[str, ...]:
    """``"@knee-@hip"`` for the left and for the right side."""
    return tuple(pair.replace("@", f"{side}_") for pair in pairs for side in ("left", "right"))


_LIMB_PAIRS = _pairs(*_ARM, *_LEG)
_BODY_PAIRS = _pairs(*_HEAD_PARTS, *_ARM, *_LEG)
_BODY_UPPER, _BODY_LOWER = ("nose", *_by_part(*_HEAD_PARTS, *_ARM)), _by_part(*_LEG)
_BODY = (*_BODY_UPPER, *_BODY_LOWER)
_FEET_BY_SIDE = (*_side("left", _FOOT), *_side("right", _FOOT))

_LIMBS = _both("@ankle-@knee", "@knee-@hip", "@shoulder-@elbow", "@elbow-@wrist")
_TRUNK = ("left_hip-right_hip", "left_shoulder-right_shoulder", *_both("@shoulder-@hip"))
_FACE = ("left_eye-right_eye", *_both("nose-@eye", "@eye-@ear", "@ear-@shoulder"))
_FEET = _both("@ankle-@big_toe", "@ankle-@small_toe", "@ankle-@heel")

COCO17 = Skeleton(
    name="coco17",
    keypoints=_BODY,
    flip_pairs=_BODY_PAIRS,
    sigmas=_sigmas(_BODY, {}),
    sigmas_source="COCO keypoint evaluation (cocodataset.org)",
    joint_weights=_weights(_BODY),
    upper_body=_BODY_UPPER,
    lower_body=_BODY_LOWER,
    links=_links(*_LIMBS, *_TRUNK, *_FACE),
)

COCO_WHOLEBODY = Skeleton(
    name="coco_wholebody",
    keypoints=(*_BODY, *_FEET_BY_SIDE),
    flip_pairs=(*_BODY_PAIRS, *_pairs(*_FOOT)),
    sigmas=(*COCO17.sigmas, *(0.068, 0.066, 0.066), *(0.092, 0.094, 0.094)),
    sigmas_source="COCO body; feet from COCO-WholeBody (Jin et al., ECCV 2020)",
    joint_weights=(1.0,) * 23,
    upper_body=_BODY_UPPER,
    lower_body=(*_BODY_LOWER, *_FEET_BY_SIDE),
    links=_links(*_LIMBS, *_TRUNK, *_FACE, *_FEET),
)

HALPE26 = Skeleton(
    name="halpe26",
    keypoints=(*_BODY, "head", "neck", "hip", *_by_part(*_FOOT)),
    flip_pairs=(*_BODY_PAIRS, *_pairs(*_FOOT)),
    sigmas=(*COCO17.sigmas, *(0.026, 0.026, 0.066), *(0.079,) * 6),
    sigmas_source="COCO body; head, neck, hip and feet as RTMPose's published Halpe26 evaluation sets them",
    joint_weights=(*COCO17.joint_weights, *(1.0, 1.0, 1.2), *(1.5,) * 6),
    upper_body=(*_BODY_UPPER, "head", "neck"),
    lower_body=(*_BODY_LOWER, "hip", *_by_part(*_FOOT)),
    links=_links(*_LIMBS, "head-neck", "neck-hip", *_both("@hip-hip", "neck-@shoulder"), *_FACE, *_FEET),
)

_AIC_ARMS = (*_side("right", _ARM), *_side("left", _ARM))
_AIC_LEGS = (*_side("right", _LEG), *_side("left", _LEG))
AIC = Skeleton(
    name="aic",
    keypoints=(*_AIC_ARMS, *_AIC_LEGS, "head_top", "neck"),
    flip_pairs=_LIMB_PAIRS,
    sigmas=(
        *(0.013882, 0.015152, 0.010577, 0.014177, 0.014979, 0.014021),  # arms
        *(0.039096, 0.036869, 0.019818, 0.03844, 0.034123, 0.024151),  # legs
        *(0.012915, 0.012362),
    ),
    sigmas_source="AI Challenger's keypoint evaluation (Wu et al., 2017)",
    joint_weights=_weights((*_AIC_ARMS, *_AIC_LEGS, "head_top", "neck")),
    upper_body=(*_AIC_ARMS, "head_top", "neck"),
    lower_body=_AIC_LEGS,
    links=_links(*_LIMBS, "left_hip-right_hip", "head_top-neck", *_both("neck-@shoulder", "@shoulder-@hip")),
)

_CROWDPOSE = (*_by_part(*_ARM, *_LEG), "top_head", "neck")
CROWDPOSE = Skeleton(
    name="crowdpose",
    keypoints=_CROWDPOSE,
    flip_pairs=_LIMB_PAIRS,
    sigmas=_sigmas(_CROWDPOSE, {"top_head": 0.079, "neck": 0.079}),
    sigmas_source="CrowdPose's keypoint evaluation (Li et al., CVPR 2019)",
    # As RTMPose's recipe has them, although they differ from left to right.
    joint_weights=(0.2, 0.2, 0.2, 1.3, 1.5, 0.2, 1.3, 1.5, 0.2, 0.2, 0.5, 0.2, 0.2, 0.5),
    upper_body=(*_by_part(*_ARM), "top_head", "neck"),
    lower_body=_by_part(*_LEG),
    links=_links(*_LIMBS, *_TRUNK, "top_head-neck", *_both("neck-@shoulder")),
)

_MPII_LOWER = (*_side("right", _LEG[::-1]), *_side("left", _LEG), "pelvis")
_MPII_UPPER = ("thorax", "upper_neck", "head_top", *_side("right", _ARM[::-1]), *_side("left", _ARM))
_MPII_TRUNK = dict.fromkeys(("pelvis", "thorax", "upper_neck", "head_top"), 0.026)
MPII = Skeleton(
    name="mpii",
    keypoints=(*_MPII_LOWER, *_MPII_UPPER),
    flip_pairs=_LIMB_PAIRS,
    sigmas=_sigmas((*_MPII_LOWER, *_MPII_UPPER), {**_MPII_TRUNK, "knee": 0.083, "shoulder": 0.179}),
    sigmas_source="COCO's as MMPose adapts them, its shoulders' 0.179 included; MPII itself measures PCKh",
    joint_weights=_weights((*_MPII_LOWER, *_MPII_UPPER)),
    upper_body=_MPII_UPPER,
    lower_body=_MPII_LOWER,
    links=_links(
        *_LIMBS,
        *("pelvis-thorax", "thorax-upper_neck", "upper_neck-head_top"),
        *_both("@hip-pelvis", "upper_neck-@shoulder"),
    ),
)

_JHMDB_LIMBS = ("shoulder", "hip", "elbow", "knee", "wrist", "ankle")
_JHMDB = ("neck", "belly", "head", *(name for pair in _pairs(*_JHMDB_LIMBS) for name in pair[::-1]))
JHMDB = Skeleton(
    name="jhmdb",
    keypoints=_JHMDB,
    flip_pairs=_LIMB_PAIRS,
    sigmas=_sigmas(_JHMDB, {"neck": 0.025, "belly": 0.107, "head": 0.025}),
    sigmas_source="COCO's as MMPose adapts them; JHMDB itself measures PCK",
    joint_weights=_weights(_JHMDB),
    upper_body=("neck", "belly", "head", *_by_part(*_ARM)),
    lower_body=_by_part(*_LEG),
    links=_links(*_LIMBS, "neck-head", "neck-belly", *_both("neck-@shoulder", "belly-@hip")),
)

_POSETRACK18 = ("nose", "head_bottom", "head_top", *_BODY[3:])
POSETRACK18 = Skeleton(
    name="posetrack18",
    keypoints=_POSETRACK18,
    flip_pairs=_pairs("ear", *_ARM, *_LEG),
    sigmas=_sigmas(_POSETRACK18, {"head_bottom": 0.025, "head_top": 0.025}),
    sigmas_source="COCO's as MMPose adapts them; PoseTrack18 itself measures by the head's size",
    joint_weights=_weights(_POSETRACK18),
    upper_body=_POSETRACK18[:11],
    lower_body=_POSETRACK18[11:],
    links=_links(*_LIMBS, *_TRUNK, "nose-head_bottom", "nose-head_top", *_both("head_bottom-@shoulder")),
)

SKELETONS = {
    skeleton.name: skeleton
    for skeleton in (COCO17, COCO_WHOLEBODY, HALPE26, AIC, CROWDPOSE, MPII, JHMDB, POSETRACK18)
}
