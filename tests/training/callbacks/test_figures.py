import io

import numpy as np
import pytest
import torch

from elifpose.structures import PoseBatch, get_skeleton
from elifpose.training.callbacks.figures import PredictionFigures, prediction_figure
from elifpose.training.module import PosePrediction
from elifpose.utils.errors import ElifPoseError

SKELETON = get_skeleton("coco17")


def grey_batch(people: int) -> tuple[PoseBatch, PosePrediction]:
    """Grey crops of 48 × 64 with all keypoints predicted on a vertical line at x = 30, annotated at x = 10."""
    keypoints = torch.stack((torch.full((people, 17), 10.0), torch.linspace(4, 60, 17).expand(people, 17)), dim=-1)
    batch = PoseBatch(
        images=torch.full((people, 3, 64, 48), 128, dtype=torch.uint8),
        keypoints_input=keypoints,
        weights=torch.ones(people, 17),
        input_to_image=torch.eye(2, 3).expand(people, 2, 3),
        boxes_image=torch.tensor([[0.0, 0.0, 48.0, 64.0]]).expand(people, 4),
        box_scores=torch.ones(people),
        image_ids=torch.arange(people),
        sample_indices=torch.arange(people),
        dataset_indices=torch.zeros(people, dtype=torch.int64),
    )
    return batch, PosePrediction(keypoints + torch.tensor([20.0, 0.0]), torch.ones(people, 17))


@pytest.mark.parametrize(("people", "wanted", "drawn"), [(1, 16, 1), (5, 3, 3), (20, 16, 16)])
def test_each_wanted_person_has_a_crop(people: int, wanted: int, drawn: int) -> None:
    figure = prediction_figure(*grey_batch(people), SKELETON, wanted)
    assert sum(bool(axis.images) for axis in figure.axes) == drawn


def test_predictions_are_coloured_lines_and_annotations_white_rings() -> None:
    figure = prediction_figure(*grey_batch(1), SKELETON)
    file = io.BytesIO()
    figure.savefig(file, format="rgba", dpi=figure.dpi)
    width, height = figure.canvas.get_width_height()
    pixels = np.frombuffer(file.getvalue(), np.uint8).reshape(height, width, 4)[..., :3].astype(int)
    (axis,) = figure.axes
    column = {x: round(float(axis.transData.transform((x, 32))[0])) for x in (10, 30)}
    colourful = np.ptp(pixels, axis=-1).max(axis=0) > 100
    assert colourful[column[30] - 1 : column[30] + 2].any()
    assert not colourful[column[10] - 5 : column[10] + 6].any()
    inside = pixels[:, column[10] - 5 : column[10] + 6]
    assert (inside.min(axis=-1) > 200).any(), "the rings"


def test_unlabelled_keypoints_have_no_ring() -> None:
    batch, prediction = grey_batch(1)
    batch = batch._replace(weights=torch.zeros(1, 17))
    (axis,) = prediction_figure(batch, prediction, SKELETON).axes
    (rings,) = axis.collections
    assert len(np.asarray(rings.get_offsets())) == 0


@pytest.mark.parametrize("arguments", [{"people": -1}, {"every_n_validations": 0}])
def test_impossible_settings_are_refused(arguments: dict[str, int]) -> None:
    with pytest.raises(ElifPoseError, match="figures"):
        PredictionFigures(**arguments)
