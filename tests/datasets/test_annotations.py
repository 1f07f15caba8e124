import gc
import json
import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from elifpose.datasets.annotations import Annotations, load_annotations
from elifpose.datasets.coco import parse_coco
from elifpose.structures import Skeleton
from elifpose.structures.skeletons import COCO17
from elifpose.utils.errors import ElifPoseError

MakeSet = Callable[..., Path]
Person = Callable[..., dict[str, Any]]


class CountingParser:
    """Parses, and remembers how often."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, content: bytes, source: Path, skeleton: Skeleton) -> Annotations:
        self.calls += 1
        return parse_coco(content, source, skeleton)


def same(one: Annotations, other: Annotations) -> bool:
    """Whether all arrays are equal."""
    columns = other.columns()
    return all(
        np.array_equal(array, columns[name], equal_nan=array.dtype.kind == "f")
        for name, array in one.columns().items()
    )


@pytest.fixture
def source(make_set: MakeSet, person: Person) -> Path:
    return make_set("a", [person(1, 1), person(2, 2, bbox=None)]) / "a.json"


def test_second_start_maps_the_cache(source: Path, cache_folder: Path) -> None:
    parse = CountingParser()
    first, second = (load_annotations(source, COCO17, parse) for _ in range(2))
    assert parse.calls == 1
    assert same(parse_coco(source.read_bytes(), source, COCO17), second)
    assert same(first, second)
    assert second.cache is not None
    assert Path(second.cache).parent == cache_folder
    assert not second.keypoints.flags.owndata
    assert second.file_names() == ["a-1.png", "a-2.png"]
    assert second.file_name(1) == "a-2.png"


def test_names_that_are_no_text_come_back_whole(tmp_path: Path) -> None:
    names = ["é", "\udce9.jpg", "日本/1.png", "\udcc3", "a\nb"]  # the halves of a letter stay apart
    images = [{"id": i, "file_name": name, "width": 1, "height": 1} for i, name in enumerate(names)]
    (tmp_path / "a.json").write_text(json.dumps({"images": images}))
    annotations = load_annotations(tmp_path / "a.json", COCO17, parse_coco)
    assert annotations.file_names() == [annotations.file_name(i) for i in range(5)] == names


def test_changed_content_is_parsed_again(source: Path) -> None:
    parse = CountingParser()
    load_annotations(source, COCO17, parse)
    before = source.stat()
    source.write_bytes(source.read_bytes().replace(b'"id": 2', b'"id": 7'))  # same size
    os.utime(source, ns=(before.st_atime_ns, before.st_mtime_ns))  # and same time: an unpacked archive
    assert 7 in load_annotations(source, COCO17, parse).ids
    assert parse.calls == 2


def test_touched_or_restored_content_is_not_parsed_again(source: Path) -> None:
    parse = CountingParser()
    load_annotations(source, COCO17, parse)
    os.utime(source, (1, 1))
    touched, again = (load_annotations(source, COCO17, parse) for _ in range(2))
    assert parse.calls == 1
    assert same(touched, again)


def test_a_broken_cache_is_made_anew(source: Path, cache_folder: Path) -> None:
    parse = CountingParser()
    load_annotations(source, COCO17, parse)
    (cache,) = cache_folder.iterdir()
    cache.write_bytes(cache.read_bytes()[:-64])
    assert len(load_annotations(source, COCO17, parse).ids) == 2
    assert parse.calls == 2


def test_cache_lies_beside_the_file_unless_that_folder_is_read_only(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ELIFPOSE_CACHE")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    beside = load_annotations(source, COCO17, parse_coco).cache
    assert beside is not None
    assert Path(beside).parent == source.parent
    Path(beside).unlink()
    folder = source.parent.stat().st_mode
    (tmp_path / "home").mkdir()
    source.parent.chmod(0o555)
    try:
        at_home = load_annotations(source, COCO17, parse_coco).cache
    finally:
        source.parent.chmod(folder)
    assert at_home is not None
    assert Path(at_home).is_relative_to(tmp_path / "home" / ".cache" / "elifpose")


def test_without_any_place_to_write_they_stay_in_memory(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ELIFPOSE_CACHE", str(source))  # a file
    annotations = load_annotations(source, COCO17, parse_coco)
    assert annotations.cache is None
    assert same(annotations, pickle.loads(pickle.dumps(annotations)))  # noqa: S301


def test_they_travel_to_another_process_by_name(source: Path) -> None:
    annotations = load_annotations(source, COCO17, parse_coco)
    message = pickle.dumps(annotations)
    assert len(message) < 500
    assert same(annotations, pickle.loads(message))  # noqa: S301


@pytest.mark.parametrize("kind", ["missing", "folder", "circle", "dangling"])
def test_what_is_no_file_is_named(tmp_path: Path, kind: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "circle").symlink_to("circle")
    (tmp_path / "dangling").symlink_to("missing")
    with pytest.raises(ElifPoseError, match=f"annotation file .*{kind}"):
        load_annotations(tmp_path / kind, COCO17, parse_coco)


def test_parsing_leaves_the_search_for_cycles_as_it_was(source: Path) -> None:
    load_annotations(source, COCO17, parse_coco)
    assert gc.isenabled()
    gc.disable()
    try:
        source.write_text("{")
        with pytest.raises(ElifPoseError, match="not valid JSON"):
            load_annotations(source, COCO17, parse_coco)
        assert not gc.isenabled()
    finally:
        gc.enable()
