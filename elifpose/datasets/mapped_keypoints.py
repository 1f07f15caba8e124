"""The keypoints of an annotated set, under the names of another skeleton."""

from functools import cached_property
from typing import final

import numpy as np
import numpy.typing as npt

from elifpose.datasets.annotations import Annotations
from elifpose.structures import Skeleton, keypoint_mapping


@final
class MappedKeypoints:
    """Gives the keypoints of annotated people as those of the skeleton that a network answers with.

    Args:
        annotations: ``A`` people with the keypoints of ``source``.
        source: The set's own skeleton.
        target: The skeleton wanted, of ``K`` keypoints; those that the set does not annotate are never labelled.

    Attributes:
        skeleton: The one wanted.
        sources: ``(M,)``, positions in the set's skeleton of the keypoints that both have.
        targets: ``(M,)``, where in the other they go.
    """

    def __init__(self, annotations: Annotations, source: Skeleton, target: Skeleton) -> None:
        self.skeleton = target
        mapping = keypoint_mapping(source, target)
        self.sources, self.targets = (np.array(side, np.intp) for side in zip(*mapping, strict=True))
        self._annotations = annotations
        self._identical = source.keypoints == target.keypoints

    @property
    def labelled(self) -> npt.NDArray[np.bool_]:
        """``(A, M)``: which of the keypoints that both skeletons have are labelled."""
        return self._annotations.visibility[:, self.sources] > 0

    @cached_property
    def num_keypoints(self) -> npt.NDArray[np.int64]:
        """``(A,)``: the file's count where the skeleton is its own, else that of labelled keypoints."""
        counted = np.count_nonzero(self._annotations.visibility[:, self.sources], axis=1)
        stated = self._annotations.num_keypoints.astype(np.int64)
        return np.where((stated >= 0) & self._identical, stated, counted)

    def of_people(self, rows: npt.NDArray[np.int64]) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]:
        """Keypoints of some people.

        Args:
            rows: ``(N,)``, positions in the annotations.

        Returns:
            ``(N, K, 2)``, image pixels, 0 where not annotated, and ``(N, K)``, which of them are labelled.
        """
        keypoints = np.zeros((len(rows), self.skeleton.num_keypoints, 2))
        keypoints[:, self.targets] = self._annotations.keypoints[rows[:, None], self.sources]
        return keypoints, self.visibility(rows) > 0

    def visibility(self, rows: npt.NDArray[np.int64]) -> npt.NDArray[np.uint8]:
        """``(N, K)`` of people ``(N,)``: 0 not labelled, 1 labelled but hidden, 2 visible."""
        visibility = np.zeros((len(rows), self.skeleton.num_keypoints), np.uint8)
        visibility[:, self.targets] = self._annotations.visibility[rows[:, None], self.sources]
        return visibility
