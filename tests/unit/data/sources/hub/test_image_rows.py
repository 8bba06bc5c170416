"""The layout of refcoco-m: what goes in comes out, and what is wrong is named."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from cris.data.annotations.invalid import InvalidRows
from cris.data.sources.hub import convert_hub
from cris.masks import decode_rle
from tests.fixtures.family import make_family
from tests.fixtures.layouts import MOONDREAM, moondream_rows, stored, write

FAMILY = make_family(36, seed=3)


@pytest.mark.parametrize("has_ids", [True, False])
def test_rows_of_images_come_back(tmp_path: Path, has_ids: bool) -> None:
    names = ["image", "samples"] if not has_ids else MOONDREAM.names
    schema = pa.schema([MOONDREAM.field(name) for name in names])
    rows = [{name: row[name] for name in names} for row in moondream_rows(FAMILY)]
    path = write(tmp_path / "refcoco-m" / "data" / "validation-00000-of-00001.parquet", rows, schema)
    records = stored(convert_hub(path.parents[1]), tmp_path / "out")
    assert len(records) == len(rows) == len(FAMILY.images)
    masks = FAMILY.masks()
    for record, row in zip(records, moondream_rows(FAMILY), strict=True):
        assert record.image == row["image"]["bytes"]
        assert (record.picture_id == row["image_id"]) == has_ids
        assert [each.id for each in record.objects] == sorted(each["id"] for each in row["samples"])
        by_id = {each.id: each for each in record.objects}
        for sample, entry in zip(row["samples"], record.entries, strict=True):
            assert np.array_equal(decode_rle(by_id[sample["id"]].rle), masks[sample["id"]])
            assert by_id[sample["id"]].category == sample["category"]
            assert (entry.object_ids, entry.split) == ((sample["id"],), "val")
            assert list(entry.sentences) == sample["sentences"]


def test_a_mask_of_another_size_is_named(tmp_path: Path) -> None:
    rows = moondream_rows(FAMILY)
    rows[4]["samples"][0]["mask"]["size"] = [3, 4]
    path = write(tmp_path / "validation-0.parquet", rows, MOONDREAM)
    with pytest.raises(ValueError, match=r"row 4: samples row 0: segmentation must have the image's size"):
        convert_hub(path)


@pytest.mark.parametrize(
    "content", [None, {"bytes": None, "path": "a.jpg"}, {"bytes": b"x", "path": "a.jpg"}]
)
def test_a_image_that_is_not_there_is_named(tmp_path: Path, content: Any) -> None:
    rows = moondream_rows(FAMILY)
    rows[2]["image"] = content
    path = write(tmp_path / "validation-0.parquet", rows, MOONDREAM)
    with pytest.raises(ValueError, match=r"validation-0.parquet: row 2: image"):
        convert_hub(path)


def test_a_file_that_is_cut_short_is_named(tmp_path: Path) -> None:
    path = write(tmp_path / "val-0.parquet", moondream_rows(FAMILY), MOONDREAM)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ValueError, match=r"val-0\.parquet is not a whole Parquet file"):
        convert_hub(path)


def test_skipped_rows_and_samples_leave_the_others(tmp_path: Path) -> None:
    whole = stored(
        convert_hub(write(tmp_path / "a/val-0.parquet", moondream_rows(FAMILY), MOONDREAM)), tmp_path / "b"
    )
    rows = moondream_rows(FAMILY)
    rows[2]["image"] = None
    samples = rows[4]["samples"]
    samples[0]["bbox"] = [1.0]
    invalid = InvalidRows(is_skipping=True)
    conversion = convert_hub(write(tmp_path / "c/val-0.parquet", rows, MOONDREAM), invalid=invalid)
    records = {record.picture_id: record for record in stored(conversion, tmp_path / "d")}
    assert {kind: len(errors) for kind, errors in invalid.left_out.items()} == {"rows": 1, "samples": 1}
    assert records.pop(rows[4]["image_id"], None) is None or len(samples) > 1
    others = {rows[2]["image_id"], rows[4]["image_id"]}
    assert list(records.values()) == [record for record in whole if record.picture_id not in others]
