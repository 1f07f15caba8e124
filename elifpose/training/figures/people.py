"""People in their crops: what the network said of them, and what is true."""

from collections.abc import Sequence

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor

from elifpose.evaluation.oks import person_oks
from elifpose.structures.batch import PoseBatch, to_image_frame
from elifpose.structures.skeleton import Skeleton
from elifpose.utils.drawing import WIDTH, crop_grid, draw_links, show_crop

_WIDEST = 1.9  # inches of a crop


def people_figure(
    batch: PoseBatch, keypoints_input: Tensor, skeleton: Skeleton, titles: Sequence[str] = (), columns: int = 8
) -> Figure:
    """Crops with the predicted skeleton as lines and the annotated keypoints as white rings.

    Args:
        batch: One person or more; all are drawn.
        keypoints_input: ``(N, K, 2)``, predicted, input pixels.
        skeleton: Gives the links and their colours: green for the person's left, orange for the right.
        titles: One above each crop; none by default.
        columns: Crops side by side.
    """
    height, width = batch.images.shape[2:]
    title_lines = max((title.count("\n") + 1 for title in titles), default=0)
    columns = min(columns, len(batch.images))
    figure, axes = crop_grid(
        len(batch.images), columns, min(WIDTH / columns, _WIDEST), height / width, title_lines=title_lines
    )
    link_colors = [link.color for link in skeleton.links]
    images = batch.images.permute(0, 2, 3, 1).cpu().numpy()
    predicted = keypoints_input.float().cpu().numpy()
    truth = batch.keypoints_input.float().cpu().numpy()
    labelled = (batch.weights > 0).cpu().numpy()
    for index, axis in enumerate(axes):
        show_crop(axis, images[index])
        draw_links(axis, predicted[index], skeleton.link_indices, link_colors)
        for color, line in (("black", 1.6), ("white", 0.8)):  # a dark rim: rings show on white too
            x, y = truth[index, labelled[index]].T
            axis.scatter(x, y, s=9, facecolors="none", edgecolors=color, linewidths=line, zorder=3)
        if titles:
            axis.set_title(titles[index], fontsize=8, pad=2, linespacing=1.1)
    return figure


def similarity_titles(batch: PoseBatch, keypoints_input: Tensor, skeleton: Skeleton) -> list[str]:
    """``OKS 0.87`` for each of ``N`` people, empty where nothing is labelled.

    Args:
        batch: The people, with what is true of them.
        keypoints_input: ``(N, K, 2)``, predicted, input pixels.
        skeleton: Gives the sigmas.
    """
    to_image = batch.input_to_image.cpu().double()
    predicted, true = (
        to_image_frame(keypoints.cpu().double(), to_image).numpy()
        for keypoints in (keypoints_input, batch.keypoints_input)
    )
    labelled, areas = (batch.weights > 0).cpu().numpy(), batch.areas.cpu().double().numpy()
    similarities = person_oks(predicted, true, labelled, areas, np.asarray(skeleton.sigmas))
    return ["" if np.isnan(value) else f"OKS {value:.2f}" for value in similarities]


def to_input_frame(keypoints_image: Tensor, input_to_image: Tensor) -> Tensor:
    """Keypoints ``(N, K, 2)`` from image pixels to input pixels, against ``(N, 2, 3)`` matrices."""
    offsets = (keypoints_image - input_to_image[:, None, :, 2]).transpose(1, 2)
    solved: Tensor = torch.linalg.solve(input_to_image[:, :, :2], offsets)
    return solved.transpose(1, 2)
