import hashlib
import http.server
import io
import sys
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from elifpose.utils.errors import ElifPoseError
from elifpose.utils.mirrors import fetch

CONTENT = bytes(range(256)) * 9000  # more than one block
DIGEST = hashlib.sha256(CONTENT).hexdigest()
NAME = "net work.pth"


class Handler(http.server.SimpleHTTPRequestHandler):
    """Serves a folder in silence, cut short under ``/cut/``."""

    def do_GET(self) -> None:
        if not self.path.startswith("/cut/"):
            return super().do_GET()
        self.send_response(200)
        self.send_header("Content-Length", str(len(CONTENT)))
        self.end_headers()
        self.wfile.write(CONTENT[:-100])
        return None

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def mirror(tmp_path: Path) -> Path:
    """A folder that has the file."""
    folder = tmp_path / "mirror"
    folder.mkdir()
    (folder / NAME).write_bytes(CONTENT)
    return folder


@pytest.fixture
def server(mirror: Path) -> Iterator[str]:
    """Address of a web server that has the folder."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(mirror))) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("kind", ["folder", "file", "http", "http/"])
def test_a_file_is_brought_from_the_mirror(kind: str, mirror: Path, server: str, tmp_path: Path) -> None:
    address = {"folder": str(mirror), "file": mirror.as_uri(), "http": server, "http/": f"{server}/"}[kind]
    folder = tmp_path / "new/weights"
    path = fetch(NAME, [address], DIGEST.upper(), folder)
    assert path == folder / NAME
    assert path.read_bytes() == CONTENT
    assert [each.name for each in folder.iterdir()] == [NAME]
    plain = tmp_path / "plain"
    plain.touch()
    assert path.stat().st_mode == plain.stat().st_mode  # others may read it


def test_the_folder_comes_first(mirror: Path, tmp_path: Path) -> None:
    assert fetch(NAME, ["https://nowhere.invalid"], DIGEST, mirror) == mirror / NAME
    (mirror / NAME).write_bytes(b"the user's own")
    with pytest.raises(ElifPoseError, match=f"has the SHA-256 .*, not {DIGEST}; move it away"):
        fetch(NAME, [str(tmp_path)], DIGEST, mirror)
    assert (mirror / NAME).read_bytes() == b"the user's own"


def test_mirrors_are_asked_in_order(mirror: Path, server: str, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong"
    wrong.mkdir()
    (wrong / NAME).write_bytes(CONTENT[:-1])
    mirrors = [
        str(tmp_path),
        f"{server}/missing",
        str(wrong),
        f"{server}/cut",
        "ftp://127.0.0.1",
        "http://127.0.0.1:1",
    ]
    weights = tmp_path / "weights"
    with pytest.raises(ElifPoseError) as caught:
        fetch(NAME, mirrors, DIGEST, weights)
    message = str(caught.value)
    assert [message.index(f"{each}: ") for each in mirrors] == sorted(message.index(f"{each}: ") for each in mirrors)
    said = ("No such file", "404", hashlib.sha256(CONTENT[:-1]).hexdigest(), "", "does not begin with", "refused")
    for each, of_mirror in zip(message.split("; "), said, strict=False):
        assert of_mirror in each
    assert not any(weights.iterdir())
    assert fetch(NAME, [*mirrors, server], DIGEST, weights).read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("name", "sha256", "message"),
    [
        (NAME, "abc", "64 digits"),
        (NAME, "x" * 64, "64 digits"),
        ("../net.pth", DIGEST, "without a folder"),
        ("a/net.pth", DIGEST, "without a folder"),
        ("/net.pth", DIGEST, "without a folder"),
        ("..", DIGEST, "without a folder"),
        ("", DIGEST, "without a folder"),
        ("other.pth", DIGEST, "on no mirror .none was given."),
    ],
)
def test_what_cannot_be_fetched_is_said(name: str, sha256: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(ElifPoseError, match=message):
        fetch(name, [], sha256, tmp_path)


def test_a_folder_that_cannot_be_made_is_named(mirror: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ElifPoseError, match="file/weights: the folder cannot be made"):
        fetch(NAME, [str(mirror)], DIGEST, tmp_path / "file/weights")


class Terminal(io.StringIO):
    """Somebody is looking."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("stream", [io.StringIO(), Terminal()])
def test_progress_is_for_terminals(
    stream: io.StringIO, server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setenv("TERM", "xterm")
    fetch(NAME, [server], DIGEST, tmp_path / "weights")
    assert (NAME in stream.getvalue()) == stream.isatty()
