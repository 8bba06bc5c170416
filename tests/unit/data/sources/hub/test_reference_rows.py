"""The layout of jxu124: what goes in comes out, and what is wrong is named."""

import json
from pathlib import Path
from typing import Any

import pytest

from cris.data.sources.hub import convert_hub
from tests.fixtures.family import make_family
from tests.fixtures.layouts import (
    JXU,
    check_meant,
    images_of,
    jxu_rows,
    stored,
    write,
    write_jxu,
)

FAMILY = make_family(36, seed=3)


def test_rows_of_references_come_back(tmp_path: Path) -> None:
    images = images_of(FAMILY, tmp_path / "source")
    conversion = convert_hub(write_jxu(tmp_path / "refcoco", jxu_rows(FAMILY)), images=images)
    check_meant(stored(conversion, tmp_path / "out"), FAMILY, FAMILY.refs)
    assert str(conversion.sizes[0]).endswith("against the published 42,404")


def test_images_apart_must_be_named(tmp_path: Path) -> None:
    folder = write_jxu(tmp_path, jxu_rows(FAMILY))
    with pytest.raises(ValueError, match=r"jxu124/refcoco come without images: pass --images"):
        convert_hub(folder)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"split": "tset"}, "split must be one of train"),
        ({"raw_anns": "{"}, "raw_anns must be JSON"),
        ({"raw_anns": "[]"}, "raw_anns must be fields with names"),
        ({"raw_anns": '{"id": 1}'}, "row 0: raw_anns: category_id is missing"),
        ({"ann_id": 9}, r"ann_id must be that of raw_anns, \d+, got 9"),
        ({"image_id": 9}, r"image_id must be that of raw_image_info, \d+, got 9"),
        ({"ref_id": 91}, "ref_id 91 is that of .* too"),
        ({"ref_id": None}, "ref_id must be a whole number, got None"),
    ],
)
def test_bad_rows_of_references_are_named(tmp_path: Path, fields: dict[str, Any], message: str) -> None:
    rows = jxu_rows(FAMILY)
    rows[0] |= fields
    folder = tmp_path / "refcoco"
    write(folder / "train-0.parquet", rows, JXU)
    with pytest.raises(ValueError, match=message) as error:
        convert_hub(folder, images=images_of(FAMILY, tmp_path / "source"))
    assert "train-0.parquet: row " in str(error.value)


def test_a_box_of_nan_inside_json_is_named(tmp_path: Path) -> None:
    rows = jxu_rows(FAMILY)
    annotation = {**FAMILY.annotation(rows[2]["ann_id"]), "bbox": [float("nan"), 1, 2, 3]}
    rows[2]["raw_anns"] = json.dumps(annotation)
    folder = write(tmp_path / "refcoco" / "train-0.parquet", rows, JXU)
    with pytest.raises(ValueError, match="row 2: raw_anns: bbox must be a list of finite numbers"):
        convert_hub(folder, images=images_of(FAMILY, tmp_path / "source"))
