"""A user's own skeleton, written as one YAML file.

Keypoints are named in the order in which the annotations store them::

    name: hand
    keypoints: [wrist, left_thumb, right_thumb]
    flip: auto
    sigmas: {wrist: 0.06, left_thumb: estimate, right_thumb: estimate}
    links: [wrist-left_thumb, wrist-right_thumb]

``flip`` says which points change places in a mirrored image: pairs of names, ``auto`` for each ``left_X`` with its
``right_X``, or ``[]`` for none. ``sigmas`` gives each keypoint its constant of OKS, or ``estimate``; so does
``sigmas: estimate`` for all. An estimate is Halpe26's sigma for a keypoint that Halpe26 has too, and the median of
Halpe26's for any other. ``links`` (``start-end``, or pairs), ``upper_body``, ``lower_body`` (names) and
``joint_weights`` (numbers by name, 1 where not named) may be left out.
"""

import re
import reprlib
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from statistics import median
from typing import Any

from elifpose.structures.public_skeletons import ALIASES, HALPE26, SKELETONS
from elifpose.structures.skeleton import Link, Skeleton
from elifpose.utils.errors import ElifPoseError

_ENDINGS = (".yaml", ".yml")
_REQUIRED = {
    "name": "say what the skeleton is called, such as 'name: hand'",
    "keypoints": "list the keypoints' names, in the order in which the annotations store them",
    "flip": "give pairs such as [[left_hand, right_hand]], 'auto' for each left_X with its right_X, or [] for none",
}
_OPTIONAL: dict[str, Any] = {"sigmas": {}, "links": [], "upper_body": [], "lower_body": [], "joint_weights": {}}
_KEYS = (*_REQUIRED, *_OPTIONAL)
_AUTO, _ESTIMATE = "auto", "estimate"
_HALPE_SIGMAS = dict(zip(HALPE26.keypoints, HALPE26.sigmas, strict=True))
_MEDIAN_SIGMA = median(HALPE26.sigmas)


def is_skeleton_file(name: str) -> bool:
    """Whether a skeleton's name is that of a file."""
    return name.lower().endswith(_ENDINGS)


def read_skeleton(path: str | Path) -> Skeleton:
    """Read a skeleton's YAML file.

    Args:
        path: The file; a relative path starts at the working directory.

    Raises:
        ElifPoseError: If the file is missing or no YAML, if it has keys that no skeleton has, or a value that does
            not fit, or if a keypoint's sigma is neither given nor to be estimated.
    """
    path = Path(path).expanduser()
    try:
        return _skeleton(_read(path), path.name)
    except ValueError as error:
        raise ElifPoseError(f"skeleton file {path}: {error}") from error


def _read(path: Path) -> dict[str, Any]:
    """The file's keys and values; ``ValueError`` if there is no file, or no YAML in it."""
    import yaml  # here, because the network is usable without it

    try:
        text = path.read_text(encoding="utf-8")
        content, node = yaml.safe_load(text), yaml.compose(text, yaml.SafeLoader)
    except FileNotFoundError as error:
        raise ValueError("there is no such file; a relative path starts at the working directory") from error
    except OSError as error:
        raise ValueError(f"cannot be read: {error.strerror}") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise ValueError(f"is no valid YAML: {' '.join(str(error).split())}") from error
    if not isinstance(content, dict) or not isinstance(node, yaml.MappingNode):
        raise ValueError(f"must have the keys {', '.join(_KEYS)}, but holds {_shown(content)}")
    for part in (node, *(value for _, value in node.value)):
        if isinstance(part, yaml.MappingNode):  # of a key that stands there twice, YAML takes the last
            for key, count in Counter(str(key.value) for key, _ in part.value).items():
                if count > 1:
                    raise ValueError(f"it has {_shown(key)} more than once")
    return content


def _skeleton(content: Mapping[str, Any], file_name: str) -> Skeleton:
    """The skeleton that a file describes; ``ValueError`` if it does not."""
    if unknown := [key for key in content if key not in _KEYS]:
        raise ValueError(f"there is no key {_shown(unknown[0])}; the keys are {', '.join(_KEYS)}")
    given = _OPTIONAL | {key: value for key, value in content.items() if value is not None}
    for key, remedy in _REQUIRED.items():
        if key not in given:
            raise ValueError(f"'{key}' is missing: {remedy}")
    keypoints = _names("keypoints", given["keypoints"])
    sigmas, sigmas_source = _sigmas(given["sigmas"], keypoints, file_name)
    weights = _by_name("joint_weights", given["joint_weights"], keypoints)
    return Skeleton(
        name=_name(given["name"]),
        keypoints=keypoints,
        flip_pairs=_flip_pairs(given["flip"], keypoints),
        sigmas=sigmas,
        sigmas_source=sigmas_source,
        joint_weights=tuple(_number(f"joint_weights of {name}", weights.get(name, 1)) for name in keypoints),
        upper_body=_names("upper_body", given["upper_body"]),
        lower_body=_names("lower_body", given["lower_body"]),
        links=tuple(Link.between(*pair) for pair in _pairs("links", given["links"], keypoints)),
    )


def _name(value: object) -> str:
    if not isinstance(value, str) or not re.fullmatch(r"[A-Za-z0-9_-]{1,40}", value):
        raise ValueError(f"'name' is {_shown(value)}; write up to 40 letters, digits, '_' and '-'")
    if value in SKELETONS:
        raise ValueError(f"'name' is {value}, which is a skeleton of ElifPose's own; choose another")
    return value


def _names(key: str, value: object) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise ValueError(f"'{key}' must be a list of names, not {_shown(value)}")
    for name in value:
        if not isinstance(name, str) or not name.isprintable() or not name.strip():
            raise ValueError(f"'{key}' has {_shown(name)}, which is no name; put quotes around a name such as 'on'")
    return tuple(value)


def _flip_pairs(value: object, keypoints: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    if value != _AUTO:
        return _pairs("flip", value, keypoints)
    twins = {name: _twin(name) for name in keypoints if name.startswith(("left_", "right_"))}
    if alone := [f"{twin} for {name}" for name, twin in twins.items() if twin not in keypoints]:
        raise ValueError(f"'flip: auto' finds no {' and no '.join(alone)}; {_REQUIRED['flip']}")
    if not twins:
        raise ValueError(f"'flip: auto' finds no keypoints named left_X and right_X; {_REQUIRED['flip']}")
    return tuple((name, twin) for name, twin in twins.items() if name.startswith("left_"))


def _twin(name: str) -> str:
    side, part = name.split("_", 1)
    return f"right_{part}" if side == "left" else f"left_{part}"


def _pairs(key: str, value: object, keypoints: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    """Pairs of keypoints, each a list of two names or ``start-end``."""
    if not isinstance(value, list):
        raise ValueError(f"'{key}' must be a list of pairs of keypoints, not {_shown(value)}")
    pairs = []
    for entry in value:
        ends = _split(entry, keypoints) if isinstance(entry, str) else entry
        if not isinstance(ends, list) or len(ends) != 2 or not all(end in keypoints for end in ends):
            known = ", ".join(keypoints)
            raise ValueError(f"'{key}' has {_shown(entry)}, which is no pair of keypoints; the keypoints are {known}")
        pairs.append((ends[0], ends[1]))
    return tuple(pairs)


def _split(link: str, keypoints: tuple[str, ...]) -> list[str]:
    """The two ends of ``start-end``; names may hold a ``-`` themselves."""
    dashes = [place for place, character in enumerate(link) if character == "-"]
    found = [[link[:dash], link[dash + 1 :]] for dash in dashes]
    fitting = [ends for ends in found if set(ends) <= set(keypoints)]
    return fitting[0] if len(fitting) == 1 else []


def _sigmas(value: object, keypoints: tuple[str, ...], file_name: str) -> tuple[tuple[float, ...], str]:
    """Each keypoint's sigma, and where they come from."""
    asked = dict.fromkeys(keypoints, _ESTIMATE) if value == _ESTIMATE else _by_name("sigmas", value, keypoints)
    if missing := [name for name in keypoints if asked.get(name) is None]:
        raise ValueError(
            f"'sigmas' lacks {', '.join(missing)}: give each a number, the standard deviation of annotators relative"
            " to the square root of the person's area (COCO: eye 0.025, wrist 0.062, hip 0.107), or 'estimate';"
            " 'sigmas: estimate' estimates all"
        )
    sigmas = []
    sources: dict[str, list[str]] = {}
    for name in keypoints:
        if asked[name] == _ESTIMATE:
            known = _HALPE_SIGMAS.get(ALIASES.get(name, name))
            sigma = _MEDIAN_SIGMA if known is None else known
            source = "estimated as Halpe26's" if known else f"estimated as the median of Halpe26's ({_MEDIAN_SIGMA})"
        else:
            sigma, source = _number(f"sigmas of {name}", asked[name]), f"given in {file_name}"
            if not 0 < sigma < 1:
                raise ValueError(
                    f"'sigmas' has {sigma} for {name}; it is relative to the square root of the person's area: above"
                    " 0 and below 1"
                )
        sigmas.append(sigma)
        sources.setdefault(source, []).append(name)
    return tuple(sigmas), "; ".join(f"{source}: {', '.join(names)}" for source, names in sources.items())


def _by_name(key: str, value: object, keypoints: tuple[str, ...]) -> dict[str, object]:
    if not isinstance(value, dict):
        raise ValueError(f"'{key}' must be a number for each name, not {_shown(value)}")
    if unknown := [name for name in value if name not in keypoints]:
        raise ValueError(f"'{key}' names {_shown(unknown[0])}; the keypoints are {', '.join(keypoints)}")
    return value


def _number(what: str, value: object) -> float:
    """A number; also one such as ``1e-2``, in which YAML sees a word."""
    if isinstance(value, int | float | str) and not isinstance(value, bool):
        try:
            return float(value)
        except (ValueError, OverflowError):
            pass
    raise ValueError(f"{what}: {_shown(value)} is no number")


def _shown(value: object) -> str:
    """A value for an error, shortened."""
    return reprlib.repr(value)
