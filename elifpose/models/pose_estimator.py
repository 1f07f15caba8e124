"""The whole network: an image of one person in, SimCC logits of the keypoints out."""

from collections.abc import Mapping, Sequence
from typing import Any, final

import torch
from torch import Tensor, nn

from elifpose.models.backbones.cspnext import CSPNeXt
from elifpose.models.heads.rtmcc import RTMCCHead
from elifpose.models.necks.cspnext_pafpn import CSPNeXtPAFPN
from elifpose.models.necks.neck import Neck
from elifpose.utils.errors import ElifPoseError


@final
class PoseEstimator(nn.Module):
    """Normalisation, backbone, optional neck, head. It knows nothing of losses, decoding or the trainer.

    Args:
        backbone: Gives feature maps of the normalised image.
        head: Gives SimCC logits of the last feature map.
        neck: Mixes the backbone's maps before the head: :class:`CSPNeXtPAFPN` or a module of your own that maps a
            tuple of maps to a tuple of maps.
        mean: Subtracted from red, green and blue, 0 to 255.
        std: Divides red, green and blue after that.

    Raises:
        ElifPoseError: The parts do not fit each other, or ``std`` is not positive.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        backbone: CSPNeXt,
        head: RTMCCHead,
        neck: Neck | None = None,
        mean: tuple[float, float, float] = (123.675, 116.28, 103.53),
        std: tuple[float, float, float] = (58.395, 57.12, 57.375),
    ) -> None:
        super().__init__()
        if len(mean) != 3 or len(std) != 3 or min(std) <= 0:
            raise ElifPoseError(f"PoseEstimator: mean is {mean} and std {std}; give three numbers each, std above 0")
        _check_fit(backbone, neck, head)
        self.backbone = backbone
        self.neck = neck
        self.head = head
        self._mean_std = (list(mean), list(std))  # as given: the buffers are float32
        self.register_buffer("mean", torch.tensor(mean).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(std).view(1, 3, 1, 1), persistent=False)

    def features(self, images: Tensor) -> tuple[Tensor, ...]:
        """Feature maps as the head sees them.

        Args:
            images: As for :meth:`forward`.

        Returns:
            The maps of the neck, or of the backbone without one, ``(N, C, h, w)`` float; the last feeds the head.
        """
        normalised = (images - self.mean) / self.std
        maps: tuple[Tensor, ...] = self.backbone(normalised)
        return maps if self.neck is None else self.neck(maps)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """SimCC logits.

        Args:
            images: ``(N, 3, H, W)`` uint8 or float, RGB from 0 to 255; height and width are the head's input size.

        Returns:
            Logits along x ``(N, K, x_bins)`` and along y ``(N, K, y_bins)``, float.
        """
        simcc: tuple[Tensor, Tensor] = self.head(self.features(images))
        return simcc

    def forward_flip_test(self, images: Tensor, flip_indices: Sequence[int] | Tensor) -> tuple[Tensor, Tensor]:
        """Mean of the logits of the images and of those of their mirror images, mapped back.

        Args:
            images: As for :meth:`forward`.
            flip_indices: For each keypoint the index of its partner on the other side of the body.

        Returns:
            As :meth:`forward`.
        """
        simcc_x, simcc_y = self(images)
        mirrored_x, mirrored_y = self(images.flip(-1))
        # The mirror image's keypoints to the image's: left and right change places, x runs backwards.
        partners = torch.as_tensor(flip_indices, device=simcc_x.device)
        last_bin = round(self.head.split_ratio * (self.head.input_size[0] - 1))
        return (
            average_mirrored(simcc_x, mirrored_x[:, partners], last_bin),
            (simcc_y + mirrored_y[:, partners]) * 0.5,
        )

    def arguments(self) -> dict[str, object]:
        """The constructor's arguments, nested, as what JSON can hold; :meth:`from_arguments` takes them."""
        mean, std = self._mean_std
        return {
            "backbone": self.backbone.arguments(),
            "neck": None if self.neck is None else _neck_arguments(self.neck),
            "head": self.head.arguments(),
            "mean": mean,
            "std": std,
        }

    @classmethod
    def from_arguments(cls, arguments: Mapping[str, Any]) -> "PoseEstimator":
        """Build a network, with fresh weights, of what :meth:`arguments` gave.

        Raises:
            ElifPoseError: The neck is not one of this package.
        """
        neck = arguments["neck"]
        if neck is not None and neck["class"] != CSPNeXtPAFPN.__name__:
            raise ElifPoseError(
                f"the network has a neck of its own class {neck['class']!r}, which is not rebuilt by name; "
                "build the network in Python and fill it with load_checkpoint"
            )
        return cls(
            backbone=CSPNeXt(**arguments["backbone"]),
            head=RTMCCHead(**arguments["head"]),
            neck=None if neck is None else CSPNeXtPAFPN(**neck["arguments"]),
            mean=tuple(arguments["mean"]),
            std=tuple(arguments["std"]),
        )


def average_mirrored(simcc_x: Tensor, mirrored_x: Tensor, last_bin: int) -> Tensor:
    """Mean of logits along x and of the mirror image's, bin ``b`` of which is bin ``last_bin − b`` of the image.

    Mirroring maps pixel x to W − 1 − x, so bin b to split·(W − 1) − b, to the nearest bin. The bins behind the last
    pixel's have no counterpart and keep the image's own logits.

    Args:
        simcc_x: ``(N, K, bins)``, logits of the image.
        mirrored_x: ``(N, K, bins)``, logits of the mirror image, left and right keypoints already swapped.
        last_bin: Bin of the last pixel's centre, split·(W − 1).

    Returns:
        ``(N, K, bins)``.
    """
    shared = last_bin + 1
    mean = (simcc_x[..., :shared] + mirrored_x[..., :shared].flip(-1)) * 0.5
    return torch.cat((mean, simcc_x[..., shared:]), dim=-1)


def _neck_arguments(neck: Neck) -> dict[str, object]:
    """The neck's class and, for those that are rebuilt by name, its arguments."""
    if isinstance(neck, CSPNeXtPAFPN):
        return {"class": CSPNeXtPAFPN.__name__, "arguments": neck.arguments()}
    return {"class": f"{type(neck).__module__}.{type(neck).__qualname__}"}


def _check_fit(backbone: CSPNeXt, neck: Neck | None, head: RTMCCHead) -> None:
    """Raise :class:`ElifPoseError` where channels or strides do not fit; necks of other classes are trusted."""
    if neck is not None and not isinstance(neck, CSPNeXtPAFPN):
        return
    giver, channels, stride = "backbone", backbone.out_channels[-1], backbone.out_strides[-1]
    if neck is not None:
        stages = backbone.out_stages
        if neck.in_channels != backbone.out_channels or stages != tuple(range(stages[0], stages[-1] + 1)):
            raise ElifPoseError(
                f"the neck takes consecutive stages of {list(neck.in_channels)} channels, and the backbone's stages "
                f"{list(stages)} give {list(backbone.out_channels)}; set the neck's in_channels or the backbone's "
                "out_stages"
            )
        giver, channels = "neck", neck.map_channels[-1]
        stride = backbone.out_strides[neck.out_indices[-1]]
    if (channels, stride) != (head.in_channels, head.stride):
        raise ElifPoseError(
            f"the {giver}'s last map has {channels} channels at stride {stride}, and the head is set for "
            f"{head.in_channels} channels at stride {head.stride}; set the head's in_channels and stride to those"
        )
