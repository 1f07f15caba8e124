import pickle

import numpy as np
import numpy.typing as npt
import torch

from elifpose.structures.batch import PoseBatch, PoseSample, collate, to_image_frame
from elifpose.utils.geometry import apply_affine, image_to_input_matrix, invert_affine


def make_sample(index: int) -> PoseSample:
    random = np.random.default_rng(index)
    matrix = image_to_input_matrix(random.uniform(50, 90, 2), np.array([60.0, 80.0]), (24, 32), rotation=10.0 * index)
    return PoseSample(
        image=random.integers(0, 256, (32, 24, 3), dtype=np.uint8),
        keypoints_input=random.uniform(0, 24, (26, 2)).astype(np.float32),
        weights=random.integers(0, 2, 26).astype(np.float32),
        input_to_image=invert_affine(matrix).astype(np.float32),
        box_image=random.uniform(0, 100, 4).astype(np.float32),
        box_score=0.5 + 0.1 * index,
        area=1234.5 + index,
        image_id=2**40 + index,
        sample_index=index,
        dataset_index=index % 2,
    )


def test_collate_stacks_every_field() -> None:
    samples = [make_sample(index) for index in range(3)]
    batch = collate(samples)
    for index, sample in enumerate(samples):
        np.testing.assert_array_equal(batch.images[index].numpy(), sample.image.transpose(2, 0, 1))
        np.testing.assert_array_equal(batch.keypoints_input[index].numpy(), sample.keypoints_input)
        np.testing.assert_array_equal(batch.weights[index].numpy(), sample.weights)
        np.testing.assert_array_equal(batch.input_to_image[index].numpy(), sample.input_to_image)
        np.testing.assert_array_equal(batch.boxes_image[index].numpy(), sample.box_image)
        assert batch.box_scores[index].item() == np.float32(sample.box_score)
        assert batch.areas[index].item() == np.float32(sample.area)
    assert batch.image_ids.tolist() == [2**40, 2**40 + 1, 2**40 + 2]
    assert batch.sample_indices.tolist() == [0, 1, 2]
    assert batch.dataset_indices.tolist() == [0, 1, 0]


def test_collate_gives_the_documented_types_and_memory_order() -> None:
    batch = collate([make_sample(index) for index in range(2)])
    types = [torch.uint8, *[torch.float32] * 6, *[torch.int64] * 3]
    assert [tensor.dtype for tensor in batch] == types
    assert batch.images.shape == (2, 3, 32, 24)
    assert batch.images.is_contiguous(memory_format=torch.channels_last)


def test_batches_travel_between_processes() -> None:
    batch = collate([make_sample(0)])
    received = pickle.loads(pickle.dumps(batch))  # noqa: S301 (our own bytes)
    assert type(received) is PoseBatch
    assert all(torch.equal(*pair) for pair in zip(received, batch, strict=True))


def test_keypoints_return_to_the_image() -> None:
    samples = [make_sample(index) for index in range(3)]
    batch = collate(samples)
    found = to_image_frame(batch.keypoints_input, batch.input_to_image).numpy()
    for index, sample in enumerate(samples):
        expected: npt.NDArray[np.float64] = apply_affine(
            sample.input_to_image.astype(np.float64), sample.keypoints_input.astype(np.float64)
        )
        np.testing.assert_allclose(found[index], expected, rtol=1e-5)
