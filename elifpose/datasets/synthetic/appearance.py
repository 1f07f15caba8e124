"""How a person looks: build, skin, hair and clothes, and the shapes that a posed body is drawn with."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from elifpose.datasets.synthetic.body import LANDMARKS
from elifpose.datasets.synthetic.shapes import Color, Pattern, Shapes, Surface

Array = npt.NDArray[np.float64]

_LIMBS = ("upper_arm", "forearm", "hand", "thigh", "shank", "foot")
GROUPS = ("thing", "head", "hair", "torso", *(f"{side}_{part}" for side in ("left", "right") for part in _LIMBS))
"""Parts of the body that hide each other; `Surface.group` is a row here."""

_SKINS = (
    (255, 224, 196),
    (241, 194, 155),
    (224, 172, 125),
    (198, 134, 86),
    (141, 85, 50),
    (96, 62, 42),
    (66, 44, 34),
)
_HAIRS = ((24, 20, 18), (52, 36, 26), (92, 60, 36), (146, 100, 56), (206, 168, 104), (150, 62, 34), (170, 168, 166))


class _Part(NamedTuple):
    """A round cone between two landmarks; radii are fractions of stature."""

    start: str
    end: str
    radii: tuple[float, float]
    material: str
    group: str
    until: float = 1.0
    """Where the cone ends between the two, for sleeves and shorts."""

    @property
    def follows_build(self) -> bool:
        """Whether the part is thicker on a heavier person."""
        return not (self.group in ("head", "hair") or self.group.endswith(("hand", "foot")))


_LEFT_PARTS = (
    _Part("spine_top", "@shoulder", (0.052, 0.036), "top", "torso"),
    _Part("spine_top", "@chest", (0.058, 0.057), "top", "torso"),
    _Part("@chest", "@shoulder", (0.050, 0.036), "top", "torso"),
    _Part("@chest", "@waist", (0.057, 0.053), "top", "torso"),
    _Part("@waist", "@flank", (0.053, 0.058), "top", "torso"),
    _Part("@trapezius", "@shoulder", (0.026, 0.030), "top", "torso"),
    _Part("@flank", "@hip", (0.056, 0.056), "bottom", "torso"),
    _Part("@buttock", "@buttock", (0.050, 0.050), "bottom", "torso"),
    _Part("@shoulder", "@elbow", (0.034, 0.024), "upper_sleeve", "@upper_arm"),
    _Part("@elbow", "@wrist", (0.024, 0.015), "lower_sleeve", "@forearm"),
    _Part("@wrist", "@knuckles", (0.015, 0.021), "skin", "@hand"),
    _Part("@knuckles", "@fingertip", (0.019, 0.009), "skin", "@hand"),
    _Part("@wrist", "@thumb", (0.014, 0.008), "skin", "@hand"),
    _Part("@hip", "@knee", (0.057, 0.035), "upper_leg", "@thigh"),
    _Part("@knee", "@calf", (0.034, 0.034), "lower_leg", "@shank"),
    _Part("@calf", "@ankle", (0.034, 0.020), "lower_leg", "@shank"),
    _Part("@ankle", "@heel", (0.022, 0.020), "shoe", "@foot"),
    _Part("@ankle", "@instep", (0.021, 0.022), "shoe", "@foot"),
    _Part("@instep", "@big_toe", (0.022, 0.013), "shoe", "@foot"),
    _Part("@instep", "@small_toe", (0.020, 0.012), "shoe", "@foot"),
    _Part("@heel_sole", "@big_sole", (0.016, 0.016), "sole", "@foot"),
    _Part("@heel_sole", "@small_sole", (0.016, 0.013), "sole", "@foot"),
    _Part("@ear", "@lobe", (0.012, 0.009), "skin", "head"),
    _Part("@eye", "@eye", (0.0088, 0.0088), "eye", "head"),
    _Part("@pupil", "@pupil", (0.0050, 0.0050), "pupil", "head"),
    _Part("@inner_brow", "@brow", (0.0042, 0.0036), "brow", "head"),
)
_MIDDLE_PARTS = (
    _Part("neck", "nape", (0.034, 0.030), "skin", "torso"),
    _Part("skull_back", "skull_front", (0.050, 0.050), "skin", "head"),
    _Part("skull_front", "jaw", (0.047, 0.027), "skin", "head"),
    _Part("nose_root", "nose", (0.006, 0.010), "nose", "head"),
    _Part("left_mouth", "right_mouth", (0.0055, 0.0055), "lip", "head"),
    _Part("belly", "belly", (0.055, 0.055), "top", "torso"),
    _Part("hip", "left_hip", (0.056, 0.050), "bottom", "torso"),
    _Part("hip", "right_hip", (0.056, 0.050), "bottom", "torso"),
)
_SLEEVES = (_Part("@shoulder", "@elbow", (0.038, 0.034), "top", "@upper_arm", 0.62),)
_SHORTS = (_Part("@hip", "@knee", (0.062, 0.052), "bottom", "@thigh", 0.72),)
_BREASTS = (_Part("@breast", "@breast", (0.042, 0.042), "top", "torso"),)
_HAIR = {
    "none": (),
    "short": (
        _Part("hair_front", "hair_back", (0.047, 0.050), "hair", "hair"),
        _Part("hair_back", "hair_low", (0.048, 0.034), "hair", "hair"),
    ),
    "tail": (
        _Part("hair_front", "hair_back", (0.047, 0.050), "hair", "hair"),
        _Part("hair_back", "hair_end", (0.048, 0.016), "hair", "hair"),
    ),
    "long": (
        _Part("hair_front", "hair_back", (0.047, 0.051), "hair", "hair"),
        _Part("hair_back", "hair_end", (0.050, 0.038), "hair", "hair"),
        _Part("hair_back", "left_lock", (0.045, 0.022), "hair", "hair"),
        _Part("hair_back", "right_lock", (0.045, 0.022), "hair", "hair"),
    ),
    "cap": (
        _Part("hair_front", "hair_back", (0.050, 0.051), "cap", "hair"),
        _Part("left_visor", "right_visor", (0.009, 0.009), "cap", "hair"),
        _Part("hair_front", "left_visor", (0.020, 0.009), "cap", "hair"),
        _Part("hair_front", "right_visor", (0.020, 0.009), "cap", "hair"),
        _Part("hair_back", "hair_low", (0.046, 0.034), "hair", "hair"),
    ),
}
_HAIR_SHARES = (0.08, 0.42, 0.12, 0.24, 0.14)
_SLABS = (
    ("top", 0.055, ("left_chest", "right_chest", "right_waist", "left_waist")),
    ("top", 0.053, ("left_waist", "right_waist", "right_flank", "left_flank")),
    ("bottom", 0.056, ("left_flank", "right_flank", "right_hip", "left_hip")),
)
_TORSO_ROWS = tuple(LANDMARKS[name] for name in ("hip", "spine_top", "right_shoulder", "left_shoulder"))


class Look(NamedTuple):
    """What a person wears and how heavily built they are."""

    stature: float
    """Metres."""
    girth: float
    """Factor on all radii of limbs and trunk."""
    colors: dict[str, Color]
    """RGB by material, 0 to 255."""
    parts: tuple[_Part, ...]
    wave_top: tuple[float, float]
    """Cycles per metre of the pattern of the top along and across the trunk; both zero for plain cloth."""
    second_color: Color


def _mirrored(parts: tuple[_Part, ...]) -> tuple[_Part, ...]:
    return tuple(
        part._replace(**{key: getattr(part, key).replace("@", f"{side}_") for key in ("start", "end", "group")})
        for side in ("left", "right")
        for part in parts
    )


_BODY_PARTS = (*_MIDDLE_PARTS, *_mirrored(_LEFT_PARTS))


def draw_look(rng: np.random.Generator) -> Look:
    """Draw a person's stature, build, skin, hair and clothes."""
    feminine = bool(rng.random() < 0.5)
    colors = _draw_colors(rng)
    parts = _BODY_PARTS + _HAIR[tuple(_HAIR)[int(rng.choice(len(_HAIR), p=_HAIR_SHARES))]]
    if feminine:
        parts += _mirrored(_BREASTS)
    sleeves, legs = rng.choice(3, p=(0.45, 0.42, 0.13)), rng.choice(2, p=(0.62, 0.38))
    colors["upper_sleeve"] = colors["lower_sleeve"] = colors["top"] if sleeves == 0 else colors["skin"]
    colors["upper_leg"] = colors["lower_leg"] = colors["bottom"] if legs == 0 else colors["skin"]
    if sleeves == 1:
        parts += _mirrored(_SLEEVES)
    if legs == 1:
        parts += _mirrored(_SHORTS)
    along, across = ((0.0, 0.0), (1.0, 0.0), (0.0, 1.0), (1.0, 1.0))[int(rng.choice(4, p=(0.64, 0.2, 0.08, 0.08)))]
    frequency = rng.uniform(5, 14)
    return Look(
        stature=float(np.clip(rng.normal(1.65 if feminine else 1.77, 0.07), 1.45, 2.0)),
        girth=float(np.clip(rng.normal(0.97 if feminine else 1.03, 0.09), 0.82, 1.3)),
        colors=colors,
        parts=parts,
        wave_top=(along * frequency, across * frequency),
        second_color=_cloth(rng),
    )


def _cloth(rng: np.random.Generator) -> Color:
    """A colour of cloth: often grey, dark or pale, sometimes bright."""
    base = rng.uniform(20, 235)
    tint = rng.uniform(-1, 1, 3) * rng.choice((8, 45, 110), p=(0.35, 0.35, 0.3))
    red, green, blue = np.clip(base + tint, 12, 245).tolist()
    return red, green, blue


def _scaled(color: Color, factors: tuple[float, float, float]) -> Color:
    red, green, blue = (min(255.0, channel * factor) for channel, factor in zip(color, factors, strict=True))
    return red, green, blue


def _draw_colors(rng: np.random.Generator) -> dict[str, Color]:
    tone = rng.uniform(0, len(_SKINS) - 1)
    low = int(tone)
    mixed = np.array(_SKINS[low]) + (tone - low) * (np.array(_SKINS[low + 1]) - np.array(_SKINS[low]))
    skin = (float(mixed[0]), float(mixed[1]), float(mixed[2]))
    dark = len(_HAIRS) if tone < 3 else 3
    hair = _scaled(_HAIRS[int(rng.integers(dark))], (1.0,) * 3)
    shoe = skin if rng.random() < 0.15 else _cloth(rng)
    return {
        "skin": skin,
        "nose": _scaled(skin, (1.04, 0.98, 0.96)),
        "lip": _scaled(skin, (0.82, 0.52, 0.52)),
        "eye": (240.0, 238.0, 234.0),
        "pupil": (38.0, 28.0, 24.0),
        "hair": hair,
        "brow": _scaled(hair, (0.8,) * 3),
        "cap": _cloth(rng),
        "top": _cloth(rng),
        "bottom": _cloth(rng),
        "shoe": shoe,
        "sole": _scaled(shoe, (0.9,) * 3) if shoe == skin else ((225.0,) * 3 if rng.random() < 0.5 else (45.0,) * 3),
    }


def dress(shapes: Shapes, landmarks: Array, look: Look, owner: int) -> None:
    """Add the shapes of one person.

    Args:
        shapes: Where to add them.
        landmarks: ``(P, 3)``, world frame, metres, rows as in `body.LANDMARKS`.
        look: What the person looks like.
        owner: The person's index in the scene.
    """
    hip, spine_top, right, left = landmarks[list(_TORSO_ROWS)]
    up, aside = (axis / np.linalg.norm(axis) for axis in (spine_top - hip, left - right))
    along, across = look.wave_top
    has_pattern = along > 0 or across > 0
    waves = np.stack((up * along, aside * across) if along > 0 else (aside * across, up * 0.0))
    torso = Pattern(look.second_color, waves, hip) if has_pattern else None
    starts = landmarks[[LANDMARKS[part.start] for part in look.parts]]
    runs = landmarks[[LANDMARKS[part.end] for part in look.parts]] - starts
    ends = starts + runs * np.array([[part.until] for part in look.parts])
    girths = np.array([[look.girth if part.follows_build else 1.0] for part in look.parts])
    radii = np.array([part.radii for part in look.parts]) * girths * look.stature
    surfaces = []
    for part, start, run in zip(look.parts, starts, runs, strict=True):
        color, pattern = look.colors[part.material], None
        if torso is not None and part.material in _TOP_MATERIALS and color == look.colors["top"]:
            pattern = torso if part.group == "torso" else _sleeve_pattern(torso, start, run)
        surfaces.append(Surface(owner, GROUPS.index(part.group), color, pattern))
    shapes.cones(np.stack((starts, ends), axis=1), radii, surfaces)
    for material, thickness, names in _SLABS:
        surface = Surface(owner, GROUPS.index("torso"), look.colors[material], torso if material == "top" else None)
        corners = landmarks[[LANDMARKS[name] for name in names]]
        shapes.slab(corners, thickness * look.stature * look.girth, surface)


_TOP_MATERIALS = ("top", "upper_sleeve", "lower_sleeve")


def _sleeve_pattern(torso: Pattern, start: Array, run: Array) -> Pattern:
    """The torso's stripes around an arm."""
    length = float(np.linalg.norm(run))
    waves = np.zeros((2, 3))
    waves[0] = run / max(length, 1e-6) * float(np.linalg.norm(torso.waves, axis=1).max())
    return Pattern(torso.color, waves, start)
