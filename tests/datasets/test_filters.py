import cv2
import numpy as np
import pytest
import torch
from torch import Tensor

from elifpose.datasets.filters import box_blur, median_blur


def noise(number: int, height: int = 32, width: int = 24) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (number, 3, height, width), dtype=torch.uint8, generator=generator)


@pytest.mark.parametrize("size", [3, 5, 7])
def test_box_blur_equals_opencv_s(size: int) -> None:
    images = noise(3)
    blurred = box_blur(images, torch.tensor([1, size, 1]))
    expected = cv2.blur(np.ascontiguousarray(images[1].permute(1, 2, 0).numpy()), (size, size))
    np.testing.assert_array_equal(blurred[1].permute(1, 2, 0).numpy(), expected)
    assert torch.equal(blurred[::2], images[::2])
    assert torch.equal(images, noise(3))


@pytest.mark.parametrize("size", [3, 5, 7])
def test_median_blur_is_the_median_of_columns_then_of_rows(size: int) -> None:
    images = noise(2, height=17, width=19)
    filtered = median_blur(images, torch.tensor([size, 1]))
    expected = images[0].numpy()
    for axis in (1, 2):
        reach = [(0, 0) if other != axis else (size // 2, size // 2) for other in range(3)]
        windows = np.lib.stride_tricks.sliding_window_view(np.pad(expected, reach, mode="reflect"), size, axis=axis)
        expected = np.median(windows, axis=-1).astype(np.uint8)
    np.testing.assert_array_equal(filtered[0].numpy(), expected)
    assert torch.equal(filtered[1], images[1])


def test_median_blur_removes_specks_and_keeps_edges() -> None:
    image = torch.zeros(1, 3, 20, 20, dtype=torch.uint8)
    image[..., 10:] = 200
    speckled = image.clone()
    speckled[0, :, 5, 4] = speckled[0, :, 12, 7] = 255
    for size in (3, 5, 7):
        assert torch.equal(median_blur(speckled, torch.tensor([size])), image)
