import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection

from elifpose.datasets.datamodule import PoseDataModule
from elifpose.datasets.show.choosing import Shown
from elifpose.datasets.show.sheet import check_fits, contact_sheet, count_outside, is_mirrored
from elifpose.datasets.transforms import GeometricTransform
from elifpose.structures import PoseSample, get_skeleton
from elifpose.utils.drawing import LEFT, RIGHT, pixels
from elifpose.utils.errors import ElifPoseError
from elifpose.utils.geometry import invert_affine

SKELETON = get_skeleton("halpe26")
LEFT_KNEE, RIGHT_KNEE, NOSE = (SKELETON.index(name) for name in ("left_knee", "right_knee", "nose"))


def grey(weights: dict[int, float], points: dict[int, tuple[float, float]]) -> Shown:
    """A grey crop of 48 × 64 with some keypoints."""
    all_weights, all_points = np.zeros(26, np.float32), np.zeros((26, 2), np.float32)
    for index, weight in weights.items():
        all_weights[index], all_points[index] = weight, points[index]
    image, matrix, box = np.full((64, 48, 3), 128, np.uint8), np.eye(2, 3, dtype=np.float32), np.zeros(4, np.float32)
    return Shown("coco", PoseSample(image, all_points, all_weights, matrix, box, 1.0, 0.0, 785, 12, 0))


def dots(axis: Axes) -> PathCollection:
    (found,) = (of for of in axis.collections if isinstance(of, PathCollection))
    return found


def test_each_keypoint_has_the_colour_of_its_side_where_it_lies() -> None:
    places = {LEFT_KNEE: (10.0, 20.0), RIGHT_KNEE: (37.0, 40.0)}
    figure = contact_sheet([grey(dict.fromkeys(places, 1.0), places)], SKELETON, "one", 1)
    shown = pixels(figure)
    (axis,) = figure.axes
    for index, color in ((LEFT_KNEE, LEFT), (RIGHT_KNEE, RIGHT)):
        x, y = axis.transData.transform(places[index])
        assert shown[len(shown) - 1 - round(y), round(x)] / 255 == pytest.approx(color, abs=0.02)


def test_a_weight_is_an_area_and_none_is_no_dot() -> None:
    places = {LEFT_KNEE: (10.0, 20.0), RIGHT_KNEE: (37.0, 40.0), NOSE: (20.0, 5.0)}
    figure = contact_sheet([grey({LEFT_KNEE: 1.0, RIGHT_KNEE: 2.0, NOSE: 0.0}, places)], SKELETON, "one", 1)
    drawn = dots(figure.axes[0])
    assert np.asarray(drawn.get_offsets()).tolist() == [[10, 20], [37, 40]]
    first, second = np.asarray(drawn.get_sizes())
    assert second == pytest.approx(2 * first)
    assert "area is its weight" in figure.texts[0].get_text()
    plain = contact_sheet([grey({LEFT_KNEE: 1.0}, places)], SKELETON, "one", 1)
    assert plain.texts[0].get_text() == "one"


def test_a_link_needs_both_ends() -> None:
    places = {LEFT_KNEE: (10.0, 20.0), SKELETON.index("left_ankle"): (12.0, 40.0), NOSE: (20.0, 5.0)}
    (axis,) = contact_sheet([grey(dict.fromkeys(places, 1.0), places)], SKELETON, "one", 1).axes
    segments = [segment for of in axis.collections for segment in getattr(of, "get_segments", list)()]
    assert sorted(map(tuple, segments[0].tolist())) == [(10.0, 20.0), (12.0, 40.0)]
    assert len(segments) == 1


def test_the_title_names_the_sample_and_what_lies_outside() -> None:
    places = {LEFT_KNEE: (10.0, 20.0), RIGHT_KNEE: (48.0, 40.0), NOSE: (20.0, -0.4)}
    shown = grey(dict.fromkeys(places, 1.0), places)
    assert count_outside(shown.sample) == 1
    (axis,) = contact_sheet([shown], SKELETON, "one", 1).axes
    assert axis.get_title() == "coco, person 12\nimage 785\n3 keypoints, 1 outside"


def test_nobody_need_have_keypoints() -> None:
    assert pixels(contact_sheet([grey({}, {})] * 3, SKELETON, "three", 6)).size


def test_a_crop_tells_whether_it_is_mirrored(data: PoseDataModule) -> None:
    rng, sample = np.random.default_rng(0), data.train_sets["people"][0]
    labelled, points = np.ones(26, np.bool_), rng.uniform(0, 100, (26, 2))
    found = set()
    for _ in range(50):
        box = np.array([3.0, 5.0, 40.0, 60.0])
        plan = GeometricTransform().draw(points, labelled, box, SKELETON, (48, 64), rng)
        to_image = invert_affine(plan.matrix).astype(np.float32)
        assert is_mirrored(sample._replace(input_to_image=to_image)) == plan.flip
        found.add(plan.flip)
    assert found == {True, False}


@pytest.mark.parametrize(("count", "columns", "rows"), [(1, 1, 1), (7, 3, 3), (2, 1, 2)])
def test_crops_stand_in_columns(count: int, columns: int, rows: int) -> None:
    axes = contact_sheet([grey({}, {})] * count, SKELETON, "some", columns).axes
    assert len({round(axis.get_position().x0, 6) for axis in axes}) == min(columns, count)
    assert len({round(axis.get_position().y0, 6) for axis in axes}) == rows


def test_more_than_a_picture_holds_is_said() -> None:
    with pytest.raises(ElifPoseError, match="--count"):
        check_fits(200, 1, (48, 64))
    check_fits(200, 6, (48, 64))
