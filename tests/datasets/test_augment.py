"""Colour, blur and holes: distributions by the recipe's ranges, arithmetic by OpenCV, NumPy and closed forms."""

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch import Tensor

from elifpose.datasets.augment import (
    Colours,
    PhotometricAugment,
    apply_colours,
    colour_matrix,
    cut_holes,
    draw_colours,
    draw_holes,
    draw_kernel_sizes,
)
from elifpose.utils.errors import ElifPoseError

DRAWS = 40_000


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def noise(number: int, height: int = 32, width: int = 24, seed: int = 0) -> Tensor:
    """Random images in channels-last memory, as the data set delivers them."""
    images = torch.randint(0, 256, (number, height, width, 3), dtype=torch.uint8, generator=generator(seed))
    return images.permute(0, 3, 1, 2)


def change(image: Tensor, **changes: float) -> Tensor:
    """Change the colours of one image ``(3, H, W)``."""
    neutral = {"brightness": 0.0, "contrast": 1.0, "saturation": 1.0, "hue": 0.0}
    colours = Colours(**{name: torch.tensor([value]) for name, value in (neutral | changes).items()})
    return apply_colours(image[None].contiguous(), *colour_matrix(colours))[0]


def to_image(array: npt.NDArray[np.uint8]) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(array.transpose(2, 0, 1)))


def to_array(image: Tensor) -> npt.NDArray[np.uint8]:
    array: npt.NDArray[np.uint8] = image.permute(1, 2, 0).contiguous().numpy()
    return array


def assert_uniform(values: Tensor, low: float, high: float) -> None:
    """Kolmogorov's distance to the uniform distribution, at a level of 1e-6."""
    ordered = ((values.double().sort().values - low) / (high - low)).numpy()
    assert ordered[0] >= 0
    assert ordered[-1] <= 1
    steps = np.arange(len(ordered) + 1) / len(ordered)
    distance = max(np.abs(ordered - steps[1:]).max(), np.abs(ordered - steps[:-1]).max())
    assert distance < np.sqrt(-np.log(1e-6 / 2) / 2 / len(ordered))


def assert_frequency(chosen: Tensor, prob: float) -> None:
    """Within 4.5 standard errors."""
    assert abs(chosen.double().mean().item() - prob) <= 4.5 * np.sqrt(prob * (1 - prob) / len(chosen))


def test_colours_are_drawn_from_the_recipe_s_ranges() -> None:
    colours = draw_colours(DRAWS, 32.0, (0.5, 1.5), (0.5, 1.5), 18.0, 0.5, generator())
    ranges = ((-32.0, 32.0, 0.0), (0.5, 1.5, 1.0), (0.5, 1.5, 1.0), (-18.0, 18.0, 0.0))
    chosen = []
    for values, (low, high, neutral) in zip(colours, ranges, strict=True):
        changed = values != neutral
        assert_frequency(changed, 0.5)
        assert_uniform(values[changed], low, high)
        chosen.append(changed.float())
    correlation = torch.corrcoef(torch.stack((*chosen, *colours))) - torch.eye(8)
    between = correlation - torch.diag(correlation.diagonal(4), 4) - torch.diag(correlation.diagonal(-4), -4)
    assert between.abs().max() < 4.5 / np.sqrt(DRAWS)


def test_kernel_sizes_are_equally_frequent() -> None:
    sizes = draw_kernel_sizes(DRAWS, (3, 5, 7), 0.1, generator())
    assert set(sizes.tolist()) == {1, 3, 5, 7}
    for size in (3, 5, 7):
        assert_frequency(sizes == size, 0.1 / 3)


@pytest.mark.parametrize("prob", [1.0, 0.5])
def test_holes_are_distributed_as_in_the_recipe(reference: Path, prob: float) -> None:
    stored: dict[str, Any] = json.loads((reference / "aug_distributions.json").read_text())["coarse_dropout_256x192"]
    holes = draw_holes(DRAWS, (256, 192), (0.2, 0.4), prob, generator())
    present = holes[:, 2] > 0
    assert_frequency(present, prob)
    assert torch.equal(present, holes[:, 3] > 0)
    top, left, height, width = holes[present].T
    assert [height.min(), height.max()] == stored["h_minmax"]
    assert [width.min(), width.max()] == stored["w_minmax"]
    assert top.min() == stored["y1_minmax"][0]
    assert left.min() == stored["x1_minmax"][0]
    assert abs(int(top.max()) - stored["y1_minmax"][1]) <= 1  # the highest place is taken once in 10,000 draws
    assert abs(int(left.max()) - stored["x1_minmax"][1]) <= 1
    assert (top + height).max() <= 256
    assert (left + width).max() <= 192
    # Standard deviation of the area, 0.025, over the root of the number of draws; the stored mean is as uncertain.
    assert (height * width / (256 * 192)).mean().item() == pytest.approx(stored["area_frac_mean"], abs=6e-4)
    # Places are uniform in what the size leaves.
    assert_uniform((top + torch.rand(len(top), generator=generator(1))) / (256 - height + 1), 0.0, 1.0)
    assert_uniform((left + torch.rand(len(left), generator=generator(2))) / (192 - width + 1), 0.0, 1.0)


def test_holes_reach_every_edge() -> None:
    top, left, height, width = draw_holes(1000, (4, 6), (0.5, 0.5), 1.0, generator()).T
    assert set(height.tolist()) == {2}
    assert set(width.tolist()) == {3}
    assert set(top.tolist()) == {0, 1, 2}
    assert set(left.tolist()) == {0, 1, 2, 3}


def test_no_change_is_no_change() -> None:
    image = torch.arange(256, dtype=torch.uint8).view(1, 16, 16).repeat(3, 1, 1)
    assert torch.equal(change(image), image)


@pytest.mark.parametrize("value", [20.5, -25.25, 31.9])
def test_brightness_is_added_and_cut(value: float) -> None:
    image = noise(1)[0]
    expected = np.clip(np.floor(image.numpy() + value + 0.5), 0, 255)
    np.testing.assert_array_equal(change(image, brightness=value).numpy(), expected)


def test_brightness_and_contrast_equal_the_stored_pictures(reference: Path) -> None:
    """The stored contrast was applied twice, rounding down each time: 1.4² here, less 1 + 1.4 at most."""
    stored = np.load(reference / "synth_photometric_cv5.npz")
    for name, changes, bound in (("pmd0", {"brightness": 20.5}, 1), ("pmd2", {"contrast": 1.4**2}, 2)):
        difference = to_array(change(to_image(stored["src"]), **changes)).astype(int) - stored[name]
        assert np.abs(difference).max() <= bound


def test_contrast_follows_brightness() -> None:
    image = noise(1)[0]
    expected = np.clip(1.4 * (image.numpy().astype(float) - 12.0), 0, 255)
    assert np.abs(change(image, brightness=-12.0, contrast=1.4).numpy() - expected).max() <= 0.5 + 1e-3


def test_no_saturation_is_grey_and_keeps_the_mean() -> None:
    image = noise(1)[0]
    grey = change(image, saturation=0.0)
    assert torch.equal(grey[0], grey[1])
    assert torch.equal(grey[0], grey[2])
    assert (grey[0] - image.float().mean(dim=0)).abs().max() <= 0.5 + 1e-3


def test_a_third_of_a_turn_exchanges_the_channels() -> None:
    """As in HSV: red becomes green, green blue, blue red."""
    image = noise(1)[0]
    assert torch.equal(change(image, hue=60.0), image.roll(1, dims=0))
    assert torch.equal(change(image, hue=-60.0), image.roll(-1, dims=0))


@pytest.mark.parametrize("hue", [-18.0, 7.0, 18.0])
def test_hue_turns_as_opencv_s_does(hue: float) -> None:
    """Pale colours, which neither way cuts: the angle in HSV changes by the drawn one, within a few degrees."""
    angles = np.arange(0, 180, 5)
    pale = np.stack((angles, np.full(36, 60), np.full(36, 180)), axis=-1).astype(np.uint8)[None]
    turned = to_array(change(to_image(np.asarray(cv2.cvtColor(pale, cv2.COLOR_HSV2RGB), dtype=np.uint8)), hue=hue))
    difference = cv2.cvtColor(turned, cv2.COLOR_RGB2HSV)[0, :, 0].astype(float) - angles - hue
    difference = (difference + 90) % 180 - 90
    assert np.abs(difference).max() < 4
    assert abs(difference.mean()) < 0.5


def test_grey_has_no_colour_to_change() -> None:
    image = torch.arange(256, dtype=torch.uint8).view(1, 16, 16).repeat(3, 1, 1)
    assert (change(image, saturation=1.5, hue=13.0).int() - image.int()).abs().max() <= 1


def test_holes_are_black_and_nothing_else_changes() -> None:
    images = noise(3).clamp(min=1)
    cut = cut_holes(images, torch.tensor([[2, 3, 7, 5], [0, 0, 0, 0], [25, 20, 7, 4]]))
    black = (cut == 0).all(dim=1)
    expected = torch.zeros(3, 32, 24, dtype=torch.bool)
    expected[0, 2:9, 3:8] = True
    expected[2, 25:, 20:] = True
    assert torch.equal(black, expected)
    assert torch.equal(cut.where(~expected[:, None], images), images)


def test_stage_2_changes_no_colour_and_cuts_half_as_often() -> None:
    images = noise(400).clamp(min=1)
    augment = PhotometricAugment(blur_prob=0.0, median_prob=0.0)
    augmented = augment(images, generator(), stage=2)
    kept = augmented.where(augmented > 0, images)
    assert torch.equal(kept, images)
    assert_frequency((augmented == 0).flatten(1).any(dim=1), 0.5)

    first = augment(images, generator(), stage=1)
    assert (first == 0).all(dim=1).flatten(1).any(dim=1).all()
    assert_frequency(((first != images) & (first != 0)).flatten(1).any(dim=1), 1 - 0.5**4)


@pytest.mark.parametrize("stage", [1, 2])
@pytest.mark.parametrize("memory_format", [torch.channels_last, torch.contiguous_format])
def test_shape_type_and_memory_format_stay(stage: int, memory_format: torch.memory_format) -> None:
    images = noise(8).contiguous(memory_format=memory_format)
    before = images.clone()
    augment = PhotometricAugment(blur_prob=1.0, median_prob=1.0)
    augmented = augment(images, generator(), stage)
    assert augmented.shape == images.shape
    assert augmented.dtype == torch.uint8
    assert augmented.is_contiguous(memory_format=memory_format)
    assert torch.equal(images, before)
    other = images.contiguous(memory_format=torch.contiguous_format)
    assert torch.equal(augment(other, generator(), stage), augmented)


def test_all_off_changes_nothing() -> None:
    images = noise(8)
    augment = PhotometricAugment(colour_prob=0.0, blur_prob=0.0, median_prob=0.0, hole_prob=0.0)
    assert torch.equal(augment(images, generator()), images)


def test_the_generator_s_seed_decides() -> None:
    images, augment = noise(8), PhotometricAugment()
    torch.manual_seed(1)
    first = augment(images, generator(3))
    torch.manual_seed(2)
    assert torch.equal(augment(images, generator(3)), first)
    assert not torch.equal(augment(images, generator(4)), first)


def test_bright_and_dark_images_are_cut_not_wrapped() -> None:
    augment = PhotometricAugment(colour_prob=1.0, blur_prob=0.0, median_prob=0.0, hole_prob=0.0, contrast=(1.5, 1.5))
    white = torch.full((64, 3, 8, 8), 250, dtype=torch.uint8)
    assert augment(white, generator()).min() == 255  # at least 1.5 · (250 − 32), above 255
    black = torch.zeros((64, 3, 8, 8), dtype=torch.uint8)
    assert augment(black, generator()).max() <= 48  # at most 1.5 · 32


def test_mixed_precision_does_not_coarsen_the_colours() -> None:
    images, augment = noise(4), PhotometricAugment()
    expected = augment(images, generator())
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(augment(images, generator()), expected)


def test_an_empty_batch_stays_empty() -> None:
    assert PhotometricAugment()(noise(0), generator()).shape == (0, 3, 32, 24)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"colour_prob": 1.1}, "colour_prob is 1.1"),
        ({"blur_prob": -0.1}, "blur_prob is -0.1"),
        ({"brightness": -1.0}, "brightness is -1.0"),
        ({"hue": 91.0}, "hue is 91.0.*from 0 to 90"),
        ({"contrast": (1.5, 0.5)}, r"contrast is \(1.5, 0.5\).*smaller value first"),
        ({"saturation": (0.5, float("inf"))}, "saturation is"),
        ({"hole_side": (0.2, 1.4)}, "hole_side is .*from 0 to 1"),
        ({"kernel_sizes": (3, 4)}, "kernel_sizes is .*odd"),
        ({"kernel_sizes": ()}, "kernel_sizes is .*odd"),
    ],
)
def test_settings_out_of_range_are_named(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ElifPoseError, match=message):
        PhotometricAugment(**arguments)
