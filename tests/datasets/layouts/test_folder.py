import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from elifpose.datasets.coco import parse_coco
from elifpose.datasets.layouts.folder import join_annotations
from elifpose.structures.skeletons import COCO17


def test_the_joined_are_as_one_file(person: Callable[..., dict[str, Any]]) -> None:
    images = [{"id": i, "file_name": f"é{i}.jpg", "width": 60 + i, "height": 50} for i in range(5)]
    absurd = person(3, 3, keypoints=[1e9, 0, 2] * 17)
    people = [person(1, 0), person(2, 99), absurd, person(4, 4, iscrowd=1)]
    ball = {"id": 9, "category_id": 7, "image_id": 0}
    categories = [{"id": 1, "name": "person"}, {"id": 7, "name": "ball"}]

    def parse(images: list[Any], annotations: list[Any]) -> Any:
        document = {"images": images, "annotations": annotations, "categories": categories}
        return parse_coco(json.dumps(document).encode(), Path("a.json"), COCO17)

    whole = parse(images, [*people, ball, ball])
    parts = parse(images[:2], [people[0], people[1], ball]), parse([], []), parse(images[2:], [*people[2:], ball])
    joined = join_annotations(parts)
    assert joined.file_names() == [f"é{i}.jpg" for i in range(5)]
    assert joined.cache is None
    for name, column in whole.columns().items():
        np.testing.assert_array_equal(getattr(joined, name), column, err_msg=name)
        assert getattr(joined, name).dtype == column.dtype
