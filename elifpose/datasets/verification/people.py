"""What is checked of a set's annotations without looking at a picture."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from elifpose.datasets.annotations import Annotations
from elifpose.datasets.checks import distinct
from elifpose.datasets.verification import masks
from elifpose.datasets.verification.masks import Mask
from elifpose.datasets.verification.problems import Check, Severity
from elifpose.datasets.verification.sides import find_exchanged_sides
from elifpose.structures import Skeleton, keypoint_mapping

MEND, LOOK, NOTE = Severity.MEND, Severity.LOOK, Severity.NOTE

_BODY = 17  # keypoints that some sets with more count alone
_NAMED = 3  # keypoints named in a reason
_CUSTOM = (100, 0.1)  # what more people than that do, and a greater part of all, is how the set was made


class People(NamedTuple):
    """A set's ``A`` annotations, with what several checks ask for."""

    annotations: Annotations
    skeleton: Skeleton
    labelled: Mask
    """``(A, K)``."""
    persons: Mask
    """``(A,)``, one person with labelled keypoints."""
    lost: Mask
    """``(A,)``, of those, who cannot be shown to the network."""
    sizes: npt.NDArray[np.int32]
    """``(A, 2)``, width and height of each annotation's image as the file says; -1 where it lists no such image."""


def look_at_people(annotations: Annotations, skeleton: Skeleton, network: Skeleton) -> tuple[People, list[Check]]:
    """Check every annotation of a set.

    Args:
        annotations: All that the annotation file says.
        skeleton: What it is annotated with.
        network: What the set is mapped to.

    Returns:
        The people, and each kind of mistake with whose it is.
    """
    usable = [source for source, _ in keypoint_mapping(skeleton, network)]
    labelled = annotations.visibility > 0
    persons = masks.any_of(labelled[:, usable]) & ~annotations.crowd
    placed = annotations.image_indices >= 0
    sizes = np.full((len(labelled), 2), -1, np.int32)
    sizes[placed] = annotations.image_sizes[annotations.image_indices[placed]]
    people = People(annotations, skeleton, labelled, persons, np.zeros_like(persons), sizes)
    losing = [*_identity(people, placed), *_unusable_boxes(people, placed), *_uncounted(people, network)]
    lost = np.logical_or.reduce([check.rows for check in losing]) & persons
    people = people._replace(lost=lost)
    checks = [
        *losing,
        *_spoilt_keypoints(people),
        *_odd_boxes(people),
        *_odd_keypoints(people),
        *_repetitions(people),
        *_sides(people),
        *_ordinary(people),
    ]
    return people, checks


def _identity(people: People, placed: Mask) -> list[Check]:
    annotations = people.annotations
    return [
        Check("image_id unknown", MEND, ~placed, "the file lists no image of this annotation's image_id".format),
        Check(
            "id used twice",
            MEND,
            placed & ~distinct(annotations),
            lambda row: f"an earlier annotation has the id {annotations.ids[row]}; this one is left out",
        ),
    ]


def _unusable_boxes(people: People, placed: Mask) -> list[Check]:
    """Boxes that nothing can be cropped by; of people without keypoints nobody asks."""
    boxes, sizes = people.annotations.boxes, people.sizes
    missing = people.persons & masks.not_finite(boxes)
    flat = people.persons & ~missing & masks.without_size(boxes)
    outside = people.persons & placed & ~missing & ~flat & masks.off_image(boxes, sizes)
    return [
        Check("box missing", MEND, missing, "a labelled person has no box of finite numbers".format),
        Check("box without size", MEND, flat, lambda row: f"{_box(boxes[row])} has no size"),
        Check(
            "box outside the image",
            MEND,
            outside,
            lambda row: f"{_box(boxes[row])} is not in the image of {_size(sizes[row])}",
        ),
    ]


def _uncounted(people: People, network: Skeleton) -> list[Check]:
    """Where the file's own count is believed, 0 means that there is nobody."""
    believed = people.skeleton.keypoints == network.keypoints
    rows = people.persons & (people.annotations.num_keypoints == 0) & believed
    return [
        Check(
            "num_keypoints is 0",
            MEND,
            rows,
            lambda row: f"{np.count_nonzero(people.labelled[row])} keypoints are labelled; the person is left out",
        )
    ]


def _spoilt_keypoints(people: People) -> list[Check]:
    annotations, labelled = people.annotations, people.labelled
    absurd = np.zeros_like(people.persons)
    absurd[annotations.unusable] = True
    anywhere = masks.keypoints_off_box(annotations.keypoints, labelled, annotations.boxes)
    origin = anywhere & masks.keypoints_at_origin(annotations.keypoints, labelled)
    told = masks.most_visible(annotations.visibility)  # hidden keypoints may lie outside a box of what is seen
    off_box = anywhere & told
    kept = people.persons & ~people.lost
    elsewhere = kept & (2 * off_box.sum(axis=1) > told.sum(axis=1))
    return [
        Check("keypoints are no numbers", MEND, absurd, "NaN or absurd; they count as not labelled".format),
        Check(
            "keypoint at 0, 0",
            MEND,
            masks.any_of(origin) & ~annotations.crowd,
            lambda row: f"{_names(people, origin[row])} at 0, 0, outside {_box(annotations.boxes[row])}",
        ),
        Check(
            "keypoints not in their box",
            MEND,
            elsewhere,
            lambda row: f"{off_box[row].sum()} of {told[row].sum()} lie outside {_box(annotations.boxes[row])}",
        ),
        Check(
            "keypoint outside its box",
            LOOK,
            kept & ~elsewhere & masks.any_of(off_box & ~origin),
            lambda row: f"{_names(people, off_box[row])} outside {_box(annotations.boxes[row])}",
        ),
    ]


def _odd_boxes(people: People) -> list[Check]:
    boxes, areas = people.annotations.boxes, people.annotations.areas
    usable, bad = people.persons & ~people.lost, masks.not_finite(boxes) | masks.without_size(boxes)
    leaving = usable & masks.overhanging(boxes, people.sizes)
    return [
        Check(
            "box unusable, nobody labelled",
            LOOK,
            ~people.persons & bad,
            lambda row: f"{_box(boxes[row])} is no box",
        ),
        Check(
            "box leaves the image",
            _unless_custom(leaving, people),
            leaving,
            lambda row: f"{_box(boxes[row])} in an image of {_size(people.sizes[row])}; it is cut to the image",
        ),
        Check(
            "area not positive",
            MEND,
            usable & (areas <= 0),
            lambda row: f"area {areas[row]:g}; evaluation divides by it",
        ),
        Check(
            "area larger than the box",
            LOOK,
            usable & masks.larger_than_box(areas, boxes),
            lambda row: f"area {areas[row]:g}, {_box(boxes[row])}",
        ),
    ]


def _odd_keypoints(people: People) -> list[Check]:
    annotations = people.annotations
    outside = masks.keypoints_off_image(annotations.keypoints, people.labelled, people.sizes)
    outside &= (people.persons & ~people.lost)[:, None]
    stated = annotations.num_keypoints
    otherwise = (
        people.persons & ~(people.lost & (stated == 0)) & masks.counted_otherwise(stated, people.labelled, _BODY)
    )
    return [
        Check(
            "keypoint outside the image",
            _unless_custom(masks.any_of(outside), people),
            masks.any_of(outside),
            lambda row: f"{_names(people, outside[row])} outside the image of {_size(people.sizes[row])}",
        ),
        Check(
            "num_keypoints counts otherwise",
            _unless_custom(otherwise, people),
            otherwise,
            lambda row: f"num_keypoints is {stated[row]}, labelled are {people.labelled[row].sum()}",
        ),
    ]


def _repetitions(people: People) -> list[Check]:
    annotations = people.annotations
    again = masks.same_person(annotations.image_indices, annotations.boxes, annotations.keypoints, people.labelled)
    return [
        Check(
            "person annotated twice",
            LOOK,
            again & people.persons & ~people.lost,
            "another annotation of this image has the same box and keypoints".format,
        )
    ]


def _sides(people: People) -> list[Check]:
    annotations = people.annotations
    tests = find_exchanged_sides(annotations.keypoints, annotations.visibility, people.skeleton)
    judged, suspected = np.zeros_like(people.persons), np.zeros_like(people.persons)
    for test in tests:
        judged |= test.judged
        suspected |= test.suspected
    return [
        Check(
            "left and right exchanged?",
            LOOK,
            suspected & people.persons,
            lambda row: "; ".join(test.reason for test in tests if test.suspected[row]),
        ),
        Check("person with too few keypoints to tell left from right", NOTE, people.persons & ~judged),
    ]


def _ordinary(people: People) -> list[Check]:
    crowd, anybody = people.annotations.crowd, masks.any_of(people.labelled)
    return [
        Check("crowd", NOTE, crowd),
        Check("crowd with keypoints, not trained on", NOTE, crowd & anybody),
        Check("person without keypoints", NOTE, ~crowd & ~anybody),
    ]


def _unless_custom(rows: Mask, people: People) -> Severity:
    """What many people of a set have is its custom, and not worth an entry each."""
    number, least, part = np.count_nonzero(rows), *_CUSTOM
    return NOTE if number > max(least, part * np.count_nonzero(people.persons)) else LOOK


def _names(people: People, points: Mask) -> str:
    names = [people.skeleton.keypoints[point] for point in np.flatnonzero(points)]
    if len(names) == 1:
        return f"{names[0]} is"
    return f"{', '.join(names[:_NAMED])}{', …' if len(names) > _NAMED else ''} are"


def _box(box: npt.NDArray[np.float64]) -> str:
    return "the box " + ", ".join(f"{number:.6g}" for number in box)


def _size(size: npt.NDArray[np.int32]) -> str:
    return f"{size[0]} x {size[1]}"
