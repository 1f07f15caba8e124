"""What some publishers' files do not say of their images."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from pathlib import Path
from typing import Any

from lightning.pytorch.utilities import rank_zero_info

from elifpose.datasets.checks import missing_images
from elifpose.datasets.records import Record
from elifpose.utils.errors import ElifPoseError
from elifpose.utils.image import read_image, stored_size

_EXAMPLES = 5
_BATCH = 256


def labelled_frames(document: Any) -> Any:
    """Leave out a video's frames that say they were not annotated (``is_labeled`` false), where others were.

    In PoseTrack18 some frames between the annotated ones are not: to find somebody there would count as a mistake.
    """
    images = document.get("images") if isinstance(document, dict) else None
    if not isinstance(images, list):
        return document
    labelled = [image for image in images if not (isinstance(image, dict) and image.get("is_labeled") is False)]
    return {**document, "images": labelled or images}


def with_sizes(document: Any, folder: Path, source: Path) -> Any:
    """A COCO-style document whose images have ``width`` and ``height``, where need be from the images' headers.

    Args:
        document: Left as it is where it says the sizes, or is not COCO-style.
        folder: Where the images are.
        source: The annotation file, for errors.

    Raises:
        ElifPoseError: If an image without a size is not there or cannot be read.
    """
    images = document.get("images") if isinstance(document, dict) else None
    if not isinstance(images, list) or not images or not all(map(_lacks_size, images)):
        return document
    names = [image["file_name"] for image in images]
    return {
        **document,
        "images": [
            {**image, "width": width, "height": height}
            for image, (width, height) in zip(images, read_sizes(folder, names, source), strict=True)
        ],
    }


def _lacks_size(image: Record) -> bool:
    return (
        isinstance(image, dict) and isinstance(image.get("file_name"), str) and not {"width", "height"} & image.keys()
    )


def read_sizes(folder: Path, names: Sequence[str], source: Path) -> list[tuple[int, int]]:
    """Width and height of each image as stored, in pixels.

    Raises:
        ElifPoseError: If some are not there, naming the first few, or if one is not an image.
    """
    if missing := missing_images(folder, names):
        examples = ", ".join(missing[:_EXAMPLES]) + (", …" if len(missing) > _EXAMPLES else "")
        raise ElifPoseError(
            f"{source} does not say how large its images are, and {len(missing)} of {len(names)} are not in {folder}"
            f" ({examples}); fetch them, or correct 'images'"
        )
    rank_zero_info(f"reading the sizes of {len(names)} images in {folder}, once: {source} does not have them")
    batches = [names[start : start + _BATCH] for start in range(0, len(names), _BATCH)]
    with ThreadPoolExecutor() as pool:  # a network disk answers many at once
        return list(chain.from_iterable(pool.map(lambda batch: [_size(folder / name) for name in batch], batches)))


def _size(path: Path) -> tuple[int, int]:
    size = stored_size(path)
    if size is None:
        height, width = read_image(path).shape[:2]
        size = width, height
    return size
