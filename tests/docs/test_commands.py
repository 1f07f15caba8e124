"""Every command in the documentation runs as it stands there, on data and networks as small as they can be."""

import hashlib
import re
import runpy
import shlex
import shutil
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from elifpose.cli import main

REPOSITORY = Path(__file__).parents[2]
PAGES = {
    path.relative_to(REPOSITORY).as_posix(): path.read_text()
    for path in (REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").glob("*.md")))
}

# Packages without which a command that names such a file is left out.
NEEDS = {".onnx": ("onnx", "onnxscript", "onnxruntime"), ".mlpackage": ("coremltools",)}

# How commands begin that are not run here, and why.
EXEMPT = {
    "make ": "sets up an environment, or works for minutes; .ci/run has its share",
    "pip ": "fetches packages",
    ". ": "changes the shell that it is typed in",
    "tensorboard ": "serves its pages until it is stopped",
    "sha256sum ": "no part of ElifPose",
    "python benchmarks/": "measures for minutes",
}

ANALYSED = "--model pose.onnx --detector rtmdet.onnx --body_height 1.75 --out results"
BODY8, HALPE = "configs/elifpose-t_body8-halpe26_256x192.yaml", "configs/elifpose-t_halpe26_256x192.yaml"
QUICKSTART = "configs/quickstart.yaml"

# On pages with this in their name, in commands with this in them, these words stand for those.
STANDS_FOR = (
    ("data.md", "allow_missing", "--config …", f"--config {BODY8}"),
    ("data.md", "", "--config …", f"--config {HALPE}"),
    ("", "", "--config …", f"--config {QUICKSTART}"),
    ("", "", "--config FILE", f"--config {QUICKSTART}"),
    ("", "analyze", " … ", f" {ANALYSED} "),
    ("", "fit", " … ", f" --config {QUICKSTART} "),
    ("", "", " … ", f" --config {QUICKSTART} --ckpt_path last "),
    ("", "", "--ckpt_path FILE", "--ckpt_path best.ckpt"),
    ("", "", "--model.init_from=FILE", "--model.init_from=best.ckpt"),
    ("", "mine:", "--data.root DIR", "--data.root data"),
    ("", "coco17", "--data.root DIR", "--data.root coco"),
    ("", "halpe26", "--data.root DIR", "--data.root halpe"),
    ("", "", "--data.root DIR", "--data.root data/synthetic"),
    ("", "paddler.yaml", "annotations: ", "annotations: paddler/"),
    ("", "paddler.yaml", "images: ", "images: paddler/"),
    ("", "", "=/data/", "="),  # relative to the data's root
    ("", "", "/mnt/weights", "mnt/weights"),
)

# What commands with this in them have at their end, so that they are short.
APPENDED = (
    ("body8", "--data.allow_missing=true"),  # two of its eight sets are here
    ("data synthesize ", "--val 2"),
    ("data synthesize-motion", "--seconds 0.5 --size 160 120"),
    ("data verify", "--workers 0"),
    ("max_epochs=20", "--trainer.max_epochs=2"),
    ("elifpose export", "--people 2"),
    ("analyze walk.mp4 --model NAME.pth", "--force"),  # no body
)

_START = re.compile(rf"(?:elifpose |python |{'|'.join(map(re.escape, EXEMPT))})\S")


def written(page: str) -> list[str]:
    """Command lines of a page's blocks, without comments, and those in backquotes in its prose."""
    found, prose, fenced = [], [], False
    for line in re.sub(r"\s*\\\n\s*", " ", page).splitlines():
        if line.startswith("```"):
            fenced = not fenced
        elif fenced or line.startswith("    "):
            found.append(line.strip())
        else:
            prose.append(line)
    found += re.findall(r"`([^`]+)`", "\n".join(prose))
    return [re.sub(r" +[#>] .*", "", " ".join(line.split())) for line in found if _START.match(line)]


def meant(page: str, command: str) -> str:
    """A command with what its placeholders stand for; one that prose only names is asked for its help."""
    if re.fullmatch(r"elifpose( [a-z][a-z-]*)+", command):
        return f"{command} --help"
    for part_of_page, part_of_command, placeholder, words in STANDS_FOR:
        if part_of_page in page and part_of_command in command:
            command = command.replace(placeholder, words)
    return command


def collected() -> dict[str, list[str]]:
    """What is to be run, each command once, and the pages that it is on."""
    commands: dict[str, list[str]] = {}
    for page, text in PAGES.items():
        for command in written(text):
            if not command.startswith(tuple(EXEMPT)):
                commands.setdefault(meant(page, command), []).append(page)
    return commands


def shortened(command: str) -> str:
    """The same command, with little to do."""
    command = re.sub(r"(.*--config \S+)", r"\1 --config small.yaml", command)
    return " ".join((command, *(words for part, words in APPENDED if part in command)))


def run(command: str, monkeypatch: pytest.MonkeyPatch) -> object:
    """The exit status of a command."""
    program, *words = shlex.split(command)
    if program == "python":
        monkeypatch.setattr(sys, "argv", words)
        runpy.run_path(str(REPOSITORY / words[0]), run_name="__main__")
        return 0
    try:
        return main(words)
    except SystemExit as stopped:
        return stopped.code or 0


@pytest.mark.filterwarnings("ignore:.*validation images are also trained on")  # what overfit.yaml is for
@pytest.mark.filterwarnings("ignore:sets that are not there are left out")  # where a command allows it
@pytest.mark.parametrize(
    "command", [pytest.param(command, id=f"{', '.join(pages)}: {command}") for command, pages in collected().items()]
)
def test_a_command_runs(command: str, sandbox: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for ending, packages in NEEDS.items():
        if ending in command and not all(map(find_spec, packages)):
            pytest.skip(f"needs {packages}")
    if "--precision int8" in command:
        shutil.copy("qat.ckpt", sandbox / "lightning_logs/version_0/checkpoints/last.ckpt")
    written_to = [sandbox / out for out in re.findall(r"--out (\S+)", command)]
    for path in written_to:
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    digest = hashlib.sha256((sandbox / "NAME.pth").read_bytes()).hexdigest()
    assert run(shortened(command.replace("HASH", digest)), monkeypatch) == 0
    assert all(path.exists() for path in written_to)


@pytest.mark.parametrize("page", PAGES)
def test_no_command_is_passed_over(page: str) -> None:
    """A search in the whole page finds the same, wherever it stands."""
    search = r"\b(?:elifpose (?:fit|validate|test|predict|export|analyze|data)\b|python (?:docs|benchmarks)/)"
    found = [start for command in written(PAGES[page]) for start in re.findall(f"^{search}", command)]
    assert sorted(found) == sorted(re.findall(search, " ".join(PAGES[page].split())))


@pytest.mark.parametrize("start", EXEMPT)
def test_an_exemption_is_still_needed(start: str) -> None:
    assert any(command.startswith(start) for page in PAGES.values() for command in written(page))
