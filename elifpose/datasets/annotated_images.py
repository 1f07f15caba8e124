"""The pictures of an annotated set, as its annotations mean them."""

import warnings
from pathlib import Path
from typing import final

from elifpose.datasets.annotations import Annotations
from elifpose.utils.image import ImageArray, read_image
from elifpose.utils.image_buffer import ImageBuffer


@final
class AnnotatedImages:
    """Decodes the images that annotations list.

    Args:
        folder: Where the images lie.
        annotations: Their names and sizes.

    Attributes:
        folder: Where the images lie.
    """

    def __init__(self, folder: Path, annotations: Annotations) -> None:
        self.folder = folder
        self._annotations = annotations
        self._buffer = ImageBuffer()

    def read(self, image_index: int) -> ImageArray:
        """Decode an image ``(H, W, 3)``, RGB, by its position in the annotations.

        Pixels are taken as stored. Where only the EXIF orientation gives the annotated size, it is applied; where
        neither does, the image is used as it is, with a warning.
        """
        path = self._path(image_index)
        width, height = self._annotations.image_sizes[image_index].tolist()
        image = read_image(path)
        if image.shape[:2] == (height, width):
            return image
        if image.shape[:2] == (width, height):
            turned = read_image(path, apply_orientation=True)
            if turned.shape[:2] == (height, width):
                return turned
        found = f"{image.shape[1]} x {image.shape[0]}"
        warnings.warn(f"{path} is {found} pixels, annotated as {width} x {height}: keypoints are off", stacklevel=2)
        return image

    def read_into_buffer(self, image_index: int) -> ImageArray:
        """The same with a fourth channel, which is faster to warp; valid until the next one is read so."""
        image = self._buffer.read(self._path(image_index))
        as_annotated = [*image.shape[1::-1]] == self._annotations.image_sizes[image_index].tolist()
        return image if as_annotated else self._buffer.hold(self.read(image_index))

    def _path(self, image_index: int) -> Path:
        return self.folder / self._annotations.file_name(image_index)
