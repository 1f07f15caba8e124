"""What the network answers with: logits over the bins of each axis."""

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from elifpose.codecs.simcc import SimCC
from elifpose.structures.batch import PoseBatch
from elifpose.structures.skeleton import Skeleton
from elifpose.utils.drawing import WIDTH, ImageArray, new_figure

_PREDICTED, _TRUE = "tab:red", "deepskyblue"
_MARGIN, _CURVE, _GAP, _TOP = 0.45, 0.55, 0.04, 0.6  # inches: before a crop, of a curve, between both, above all


def simcc_figure(
    batch: PoseBatch, logits: tuple[Tensor, Tensor], codec: SimCC, skeleton: Skeleton, count: int = 4
) -> Figure:
    """The first person's crop, once for each of some keypoints, with the logits of x above it and of y beside it.

    All axes are in bins, so that each curve's top lies over the predicted keypoint. Where the keypoint is labelled,
    its true bins are dashed lines.

    Args:
        batch: One person or more.
        logits: Of x ``(N, K, x bins)`` and of y ``(N, K, y bins)``.
        codec: Decodes them.
        skeleton: Names the keypoints.
        count: How many keypoints, chosen evenly among the labelled ones.
    """
    simcc_x, simcc_y = (of_axis[:1].float().cpu() for of_axis in logits)
    predicted = codec.decode(simcc_x, simcc_y)[0][0] * codec.split_ratio
    true = batch.keypoints_input[0].float().cpu() * codec.split_ratio
    labelled = batch.weights[0].cpu() > 0
    image = batch.images[0].permute(1, 2, 0).cpu().numpy()
    chosen = evenly(labelled, count)
    block = WIDTH / count
    width = block - _MARGIN - _CURVE - 2 * _GAP
    height = width * image.shape[0] / image.shape[1]
    figure = new_figure(block * len(chosen), _MARGIN + height + _CURVE + _TOP, arranged=False)
    figure.suptitle("Logits over the bins of x and y (red: predicted, dashed blue: annotated)", fontsize=10)
    for number, keypoint in enumerate(chosen):
        axes = _joint_axes(figure, number * block + _MARGIN, (width, height))
        _draw_joint(axes, image, simcc_x[0, keypoint], simcc_y[0, keypoint], codec)
        axes[1].set_title(skeleton.keypoints[keypoint], fontsize=9)
        _mark(axes, predicted[keypoint], _PREDICTED, "-")
        if labelled[keypoint]:
            _mark(axes, true[keypoint], _TRUE, "--")
    return figure


def evenly(labelled: Tensor, count: int) -> list[int]:
    """Positions of up to ``count`` keypoints, spread over the labelled ones of ``(K,)``, or over all if none is."""
    positions = labelled.nonzero().flatten() if labelled.any() else torch.arange(len(labelled))
    chosen = torch.linspace(0, len(positions) - 1, min(count, len(positions))).round().long()
    return [int(position) for position in positions[chosen]]


def _joint_axes(figure: Figure, left: float, size: tuple[float, float]) -> tuple[Axes, Axes, Axes]:
    """Axes of a crop of ``size`` inches, of a curve above and of one beside it, that share their coordinates."""
    width, height = figure.get_size_inches()

    def place(x: float, y: float, w: float, h: float) -> tuple[float, float, float, float]:
        return x / width, y / height, w / width, h / height

    crop = figure.add_axes(place(left, _MARGIN, *size))
    above = figure.add_axes(place(left, _MARGIN + size[1] + _GAP, size[0], _CURVE), sharex=crop)
    beside = figure.add_axes(place(left + size[0] + _GAP, _MARGIN, _CURVE, size[1]), sharey=crop)
    return crop, above, beside


def _draw_joint(axes: tuple[Axes, Axes, Axes], image: ImageArray, x: Tensor, y: Tensor, codec: SimCC) -> None:
    """The crop, and the logits ``(bins,)`` of x and y along its sides."""
    crop, above, beside = axes
    height, width = image.shape[:2]
    right, bottom = ((side - 0.5) * codec.split_ratio for side in (width, height))
    edge = -0.5 * codec.split_ratio
    crop.imshow(image, extent=(edge, right, bottom, edge), aspect="auto")
    above.plot(x.tolist(), color="black", linewidth=0.8)
    beside.plot(y.tolist(), range(len(y)), color="black", linewidth=0.8)
    crop.set_xlim(edge, right)
    crop.set_ylim(bottom, edge)
    for axis in axes:
        axis.tick_params(labelsize=7, length=2)
        axis.spines[["top", "right"]].set_visible(axis is crop)
    above.tick_params(labelbottom=False)
    above.locator_params(axis="y", nbins=3)
    beside.tick_params(labelleft=False)
    beside.locator_params(axis="x", nbins=2)


def _mark(axes: tuple[Axes, Axes, Axes], bins: Tensor, color: str, style: str) -> None:
    """Lines through crop and curves at a position ``(2,)``, and a ring around it."""
    x, y = bins.tolist()
    crop, above, beside = axes
    crop.scatter(x, y, s=50, facecolors="none", edgecolors=color, linewidths=1.2)
    above.axvline(x, color=color, linestyle=style, linewidth=1)
    beside.axhline(y, color=color, linestyle=style, linewidth=1)
