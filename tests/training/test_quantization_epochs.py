import pytest

from elifpose.training.quantization_epochs import QuantizationEpochs, require_moments
from elifpose.utils.errors import ElifPoseError


@pytest.mark.parametrize(
    ("moments", "max_epochs", "expected"),
    [
        ((0.8, 0.9, 0.95), 420, (336, 378, 399)),
        ((0.29, 0.58, 1), 100, (29, 58, 1)),
        ((0, 2, 3), 4, (0, 2, 3)),
        ((0, 2, 3), 1, (0, 2, 3)),
        ((0.8, 0.9, 0.95), 1, (0, 0, 0)),
        ((3, 5, 7), -1, (3, 5, 7)),
        ((0, 5, 7), None, (0, 5, 7)),
    ],
)
def test_moments_become_epochs(
    moments: tuple[float, float, float], max_epochs: int | None, expected: tuple[int, int, int]
) -> None:
    if expected[2] < expected[0]:
        with pytest.raises(ElifPoseError, match="neither may come before"):
            QuantizationEpochs.in_fit(*moments, max_epochs)
    else:
        assert QuantizationEpochs.in_fit(*moments, max_epochs) == expected


@pytest.mark.parametrize("max_epochs", [None, -1])
def test_a_share_of_a_fit_without_end_is_refused(max_epochs: int | None) -> None:
    with pytest.raises(ElifPoseError, match=r"no last epoch.*--trainer\.max_epochs"):
        QuantizationEpochs.in_fit(0, 0.5, 3, max_epochs)


def test_nothing_starts_after_the_end() -> None:
    with pytest.raises(ElifPoseError, match="start is epoch 12, and the fit's last is 11"):
        QuantizationEpochs.in_fit(12, 12, 12, 12)


@pytest.mark.parametrize("moment", [-1, 1.5, float("nan"), float("inf")])
def test_a_moment_is_a_share_or_an_epoch(moment: float) -> None:
    with pytest.raises(ElifPoseError, match=f"stop_observing is {moment}"):
        require_moments({"start": 0.5, "stop_observing": moment})
