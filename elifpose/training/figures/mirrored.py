"""A sample beside its mirrored self: whether left and right change places as they should."""

import numpy as np
import torch
from matplotlib.figure import Figure

from elifpose.structures.batch import PoseBatch
from elifpose.structures.skeleton import Skeleton
from elifpose.utils.drawing import draw_links, new_figure, show_crop, side_color


def mirrored_figure(batch: PoseBatch, skeleton: Skeleton) -> Figure:
    """The person with most labelled keypoints, as given and mirrored, coloured by side.

    Mirroring maps x to W − 1 − x and renames each keypoint by the skeleton's flip pairs. So each point of the body
    has the other side's colour in the mirrored crop; where one has not, or a line goes astray, a pair is wrong.

    Args:
        batch: One person or more.
        skeleton: Of the keypoints.
    """
    labelled = batch.weights > 0
    person = int(labelled.sum(dim=1).argmax())
    image = batch.images[person].permute(1, 2, 0)
    keypoints = batch.keypoints_input[person].float().masked_fill(~labelled[person, :, None], torch.nan)
    flip = list(skeleton.flip_indices)
    width = image.shape[1]
    mirrored = torch.stack((width - 1 - keypoints[flip, 0], keypoints[flip, 1]), dim=1)
    link_colors = [link.color for link in skeleton.links]
    figure = new_figure(8.4, 4.2 * image.shape[0] / width + 0.55)
    figure.suptitle(
        "Green: the person's left. Orange: the right. Mirrored, each point has the other colour.", fontsize=10
    )
    sides = (("as trained", image, keypoints), ("mirrored", image.flip(1), mirrored))
    for axis, (title, of_image, points) in zip(figure.subplots(1, 2), sides, strict=True):
        show_crop(axis, of_image.cpu().numpy())
        draw_links(axis, points.cpu().numpy(), skeleton.link_indices, link_colors, width=1.8)
        colors = np.array([side_color(name) for name in skeleton.keypoints])
        axis.scatter(*points.cpu().numpy().T, s=36, c=colors, edgecolors="white", linewidths=0.8, zorder=3)
        axis.set_title(title)
    return figure
