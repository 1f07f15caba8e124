import pytest

from elifpose.training.option_errors import option_error

OF_A_CLASS = """Parser key "trainer.callbacks":

  - Expected a path but Monitr either not accessible or invalid
  - Does not validate against any of the Union subtypes
  Subtypes: [<class 'Callback'>, <class 'NoneType'>]
  Errors:
    - Expected a dot import path string: Monitr
    - Expected a dot import path string: Monitr
    - Expected a <class 'NoneType'>
  Given value type: <class 'str'>
  Given value: Monitr"""


@pytest.mark.parametrize(
    ("message", "sentence"),
    [
        ("unrecognized arguments: --lr=3", "unrecognized arguments: --lr=3; `elifpose fit --help` lists the options"),
        (
            "Parser key \"weights\":\n  Expected a typing.Literal['averaged', 'trained']. Got value: mean",
            "--weights: Expected one of ['averaged', 'trained']. Got value: mean; `elifpose fit --help` lists the"
            " options",
        ),
        (
            OF_A_CLASS,
            "--trainer.callbacks: Expected a dot import path string: Monitr, Given value: Monitr;"
            " `elifpose fit --help` lists the options",
        ),
        (
            "Problems parsing config: while parsing\n  line 2, column 13",
            "--config a.yaml, b.yaml: Problems parsing config: while parsing, line 2, column 13; correct the file",
        ),
        ("Parser key \"config\": Path is not a file: 'c'", "--config: Path is not a file: 'c'; correct the path"),
    ],
)
def test_a_report_becomes_a_sentence(message: str, sentence: str) -> None:
    assert option_error(message, ["fit", "--config", "a.yaml", "--config=b.yaml"]) == sentence


def test_a_missing_configuration_is_asked_for() -> None:
    assert option_error("any: other report", ["fit"]).endswith("there is no configuration: give --config FILE")
