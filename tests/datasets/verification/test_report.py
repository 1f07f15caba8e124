import json
from pathlib import Path

from rich.console import Console

from elifpose.datasets.pose_set import PoseSet
from elifpose.datasets.verification.problems import Findings, Severity, Source
from elifpose.datasets.verification.report import findings_table, report_json


def example() -> Findings:
    findings = Findings(Source("coco", ("val", "test"), PoseSet("a.json", "a"), Path("root")))
    findings.add("box [odd]", Severity.LOOK, "root/a/1.jpg", "first", 5)
    findings.add("image missing", Severity.MEND, "root/a/2.jpg", "gone")
    findings.add("box [odd]", Severity.LOOK, "root/a/3.jpg", "second", 6)
    findings.add("crowd", Severity.NOTE, "root/a/4.jpg", "")
    findings.notes["nothing"] += 0
    findings.looked_at.update({"images": 3, "annotations": 9})
    return findings


def printed(findings: Findings) -> str:
    console = Console(width=100)
    with console.capture() as capture:
        console.print(findings_table(findings))
    return capture.get()


def test_the_table_has_a_row_for_each_kind_the_worst_first() -> None:
    text = printed(example())
    assert "coco (val, test): 1 to mend, 2 to look at" in text
    assert text.index("image missing") < text.index("box [odd]") < text.index("crowd")
    assert "1.jpg, annotation 5: first" in text
    assert "second" not in text
    assert "nothing" not in text
    assert "looked at: 3 images, 9 annotations" in text


def test_a_set_without_problems_has_no_table() -> None:
    text = printed(Findings(example().source))
    assert "0 to mend, 0 to look at" in text
    assert "example" not in text


def test_the_report_has_an_entry_for_each_problem() -> None:
    document = json.loads(report_json([example()], quick=False))
    assert (document["mend"], document["look"], document["images_read"]) == (1, 2, "decoded")
    first, second, third = document["problems"]
    assert first == {
        "set": "coco",
        "splits": ["val", "test"],
        "kind": "image missing",
        "severity": "mend",
        "file": "root/a/2.jpg",
        "annotation": None,
        "reason": "gone",
    }
    assert [second["annotation"], third["annotation"]] == [5, 6]
    (of_set,) = document["sets"]
    assert of_set["looked_at"] == {"images": 3, "annotations": 9}
    assert of_set["notes"] == {"crowd": 1}
    assert of_set["annotations"] == str(Path("root/a.json"))
