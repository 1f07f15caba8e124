"""One set without its pictures: files opened, annotations and detections checked; an error never ends it."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from elifpose.datasets.annotations import Annotations
from elifpose.datasets.detections import load_detections
from elifpose.datasets.formats import load_set
from elifpose.datasets.verification.masks import Mask, repeated
from elifpose.datasets.verification.people import look_at_people
from elifpose.datasets.verification.problems import Check, Findings, Severity, Source
from elifpose.datasets.verification.visibilities import annotation_files, odd_visibilities
from elifpose.structures import Skeleton, get_skeleton
from elifpose.utils.errors import ElifPoseError

Result = TypeVar("Result")

MEND, LOOK, NOTE = Severity.MEND, Severity.LOOK, Severity.NOTE


class OpenedSet(NamedTuple):
    """A set whose ``I`` images are still to be read; ``I`` is 0 where they cannot be."""

    findings: Findings
    paths: list[str]
    """The image files, in the order of the annotation file."""
    sizes: npt.NDArray[np.int32]
    """``(I, 2)``, width and height as the annotation file says."""
    shown: Mask
    """``(I,)``, whether people are cropped from the image, so that its faults matter."""


def open_set(source: Source, network: Skeleton) -> OpenedSet:
    """Check everything of a set but its pictures.

    Args:
        source: The set.
        network: The skeleton that it is mapped to.
    """
    findings = Findings(source)
    findings.looked_at["images"] = findings.looked_at["annotations"] = 0
    absent = LOOK if source.optional else MEND
    annotations = _unless_broken(
        findings, "annotations unusable", source.annotations, partial(load_set, source.pose_set, source.root)
    )
    if not source.images.is_dir():
        reason = "there is no such folder; check 'images' and the root"
        findings.add("no image folder", absent, source.images, reason)
    if annotations is None:
        return OpenedSet(findings, [], np.zeros((0, 2), np.int32), np.zeros(0, np.bool_))
    names = annotations.file_names()
    usable = _check_people(findings, annotations, names, network)
    _check_images_listed(findings, annotations, names)
    ids = frozenset(annotations.ids.tolist())
    for file in annotation_files(source.annotations):
        _unless_broken(findings, "annotations unusable", file, partial(_check_values, findings, file, ids))
    _check_detections(findings, annotations)
    shown = np.full(len(names), not usable.any())  # where nobody is, all are predicted on
    shown[annotations.image_indices[usable]] = True
    there = len(names) if source.images.is_dir() else 0
    paths = [str(source.images / name) for name in names[:there]]
    return OpenedSet(findings, paths, annotations.image_sizes[:there], shown[:there])


def _unless_broken(findings: Findings, kind: str, file: Path, read: Callable[[], Result]) -> Result | None:
    """What ``read`` gives, or a problem in its place."""
    try:
        return read()
    except ElifPoseError as error:
        is_left_out = findings.source.optional and not file.exists()
        findings.add(kind, LOOK if is_left_out else MEND, file, str(error))
        return None


def _check_people(findings: Findings, annotations: Annotations, names: list[str], network: Skeleton) -> Mask:
    """``(A,)``: who can be shown to the network."""
    source = findings.source
    people, checks = look_at_people(annotations, get_skeleton(source.pose_set.skeleton), network)
    for check in checks:
        _take(findings, check, annotations, names)
    usable = people.persons & ~people.lost
    if not usable.any():
        needed = MEND if {"train", "val"} & set(source.splits) else NOTE
        reason = f"of {len(usable)} annotations none is of a person with labelled keypoints, a box and an image"
        findings.add("nobody with keypoints", needed, source.annotations, reason)
    findings.looked_at["annotations"] = len(usable)
    findings.looked_at["people with keypoints"] = int(np.count_nonzero(people.persons))
    findings.looked_at["keypoints"] = int(np.count_nonzero(people.labelled[people.persons]))
    return usable


def _take(findings: Findings, check: Check, annotations: Annotations, names: list[str]) -> None:
    """Make a check's answer problems, one for each annotation; or count it."""
    rows = np.flatnonzero(check.rows).tolist()
    if check.severity is NOTE:
        findings.notes[check.kind] += len(rows)
        return
    for row in rows:
        image = int(annotations.image_indices[row])
        file = findings.source.annotations if image < 0 else findings.source.images / names[image]
        findings.add(check.kind, check.severity, file, check.reason(row), int(annotations.ids[row]))


def _check_images_listed(findings: Findings, annotations: Annotations, names: list[str]) -> None:
    for position in np.flatnonzero(repeated(annotations.image_ids)).tolist():
        reason = f"an earlier image has the id {annotations.image_ids[position]} too, and is taken for both"
        findings.add("image id used twice", LOOK, findings.source.images / names[position], reason)
    empty = np.ones(len(names), np.bool_)
    empty[annotations.image_indices[annotations.image_indices >= 0]] = False
    findings.notes["image without annotations"] += int(np.count_nonzero(empty))
    findings.notes["annotation of another category than person"] += int(annotations.others[0])


def _check_values(findings: Findings, file: Path, ids: frozenset[int]) -> None:
    for annotation, reason in odd_visibilities(file, ids):
        findings.add("visibility not 0, 1 or 2", LOOK, file, reason, annotation)


def _check_detections(findings: Findings, annotations: Annotations) -> None:
    if findings.source.pose_set.detections is None:
        return
    file = findings.source.root / findings.source.pose_set.detections
    detections = _unless_broken(findings, "detections unusable", file, partial(load_detections, file, annotations))
    if detections is not None:
        findings.looked_at["detections"] = len(detections.boxes)
        for finding in detections.findings:
            findings.add("detections left out", NOTE if finding.expected else LOOK, file, str(finding))
