"""All sets of a configuration, checked from the first file to the last picture."""

from dataclasses import replace

from rich.progress import Progress

from elifpose.datasets.datamodule import PoseDataModule
from elifpose.datasets.pose_set import PoseSet, with_boxes
from elifpose.datasets.verification.comparison import compare_with_annotations, compare_with_each_other
from elifpose.datasets.verification.opening import open_set
from elifpose.datasets.verification.pictures import read_pictures
from elifpose.datasets.verification.problems import Findings, Source


def verify(data: PoseDataModule, quick: bool, workers: int, progress: Progress) -> list[Findings]:
    """Check every file and every annotation; what several sets share is read once.

    Args:
        data: Names the sets; need not be set up.
        quick: Whether images are judged by their headers and ends.
        workers: Processes that read images; 0 reads in this one.
        progress: Shows how far it is.

    Returns:
        For each set, training first.

    Raises:
        ElifPoseError: If ``data.boxes`` is one file for several sets, or a process was killed.
    """
    sources = progress.track(sources_of(data), description="annotations")
    sets = [open_set(source, data.skeleton) for source in sources]
    paths = list(dict.fromkeys(path for opened in sets for path in opened.paths))
    found = read_pictures(paths, quick, workers)
    pictures = dict(zip(paths, progress.track(found, len(paths), description="images"), strict=True))
    for opened in sets:
        compare_with_annotations(opened, pictures)
    compare_with_each_other(sets, pictures)
    return [opened.findings for opened in sets]


def sources_of(data: PoseDataModule) -> list[Source]:
    """The sets that a configuration names: each once, with the splits that use it.

    Raises:
        ElifPoseError: If ``data.boxes`` is one file for several sets.
    """
    sources: list[Source] = []
    for split, named in data.sources.items():
        training = split == "train"
        for name, pose_set in with_boxes(named, None if training else data.boxes, split, split).items():
            files = replace(pose_set, detections=None) if training else pose_set
            same = [at for at, of in enumerate(sources) if of.name == name and _alike(of.pose_set, files)]
            if same:
                sources[same[0]] = sources[same[0]]._replace(splits=(*sources[same[0]].splits, split))
            else:
                sources.append(Source(name, (split,), files, data.root, data.allow_missing))
    return sources


def _alike(one: PoseSet, other: PoseSet) -> bool:
    """Whether two sets are of the same files; weights do not matter."""
    keys = ("annotations", "images", "skeleton", "detections")
    return all(getattr(one, key) == getattr(other, key) for key in keys)
