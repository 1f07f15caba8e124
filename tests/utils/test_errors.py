import pytest

from elifpose.utils.errors import ElifPoseError, user_message


def test_the_sentence_is_found_under_what_libraries_wrap_around_it() -> None:
    with pytest.raises(ValueError, match="does not fit") as caught:  # noqa: PT012
        try:
            raise ElifPoseError("no file x")
        except ElifPoseError as error:
            raise ValueError("does not fit any type") from error
    assert user_message(caught.value) == "no file x"


def test_a_workers_report_is_cut_to_its_sentence() -> None:
    report = "Caught ElifPoseError in worker 0.\nTraceback …\nelifpose.utils.errors.ElifPoseError: no file x\n"
    assert user_message(ElifPoseError(report)) == "no file x"


def test_other_errors_have_none() -> None:
    assert user_message(ValueError("wrong")) is None
