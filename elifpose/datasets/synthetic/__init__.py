"""Rendered people with exact keypoints, written as an ordinary COCO-style data set."""

from elifpose.datasets.synthetic.dataset import write_dataset
from elifpose.datasets.synthetic.scene import Person, Scene, render_scene

__all__ = ["Person", "Scene", "render_scene", "write_dataset"]
