"""Visibility values as an annotation file has them; the packed columns keep 0, 1 and 2 alone."""

from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from elifpose.datasets.records import read_json

_ALLOWED = frozenset((0, 1, 2))


def annotation_files(source: Path) -> list[Path]:
    """The JSON files of a set's ``annotations``: itself, or those in the folder that it is."""
    return sorted(source.glob("*.json")) if source.is_dir() else [source] if source.suffix == ".json" else []


def odd_visibilities(source: Path, ids: Collection[int]) -> Iterator[tuple[int, str]]:
    """Annotations of a COCO-style file with another visibility than 0, 1 or 2; none of another layout.

    Args:
        source: A JSON file that was read as annotations.
        ids: The annotations that count; those of other categories than person do not.

    Yields:
        Id of the annotation, and what is wrong.

    Raises:
        ElifPoseError: If the file is not JSON any more.
    """
    document = read_json(source.read_bytes(), source)
    records = document.get("annotations") if isinstance(document, dict) else None
    for record in records if isinstance(records, list) else ():
        if not isinstance(record.get("id"), int | float) or record["id"] not in ids:
            continue
        for key in ("keypoints", "foot_kpts"):
            if odd := _odd(record, key):
                values = ", ".join(f"{value:g}" for value in odd[:3]) + (", …" if len(odd) > 3 else "")
                yield int(record["id"]), f"visibility {values} in {key!r}: rounded up, and cut to 0, 1 or 2"


def _odd(record: dict[str, Any], key: str) -> list[float]:
    values = record.get(key)
    if not isinstance(values, list):  # another layout, or a person without keypoints
        return []
    return [value for value in values[2::3] if isinstance(value, int | float) and value not in _ALLOWED]
