"""What holds of every layout: columns are checked first, and an interrupted conversion goes on."""

from collections.abc import Iterator
from functools import partial
from itertools import islice
from pathlib import Path

import pyarrow as pa
import pytest

from cris.data.records import ImageRecord
from cris.data.sources.hub import convert_hub
from cris.data.sources.hub.parquet import ColumnError
from cris.data.store.manifest import SourceInfo
from cris.data.store.writing import write_dataset
from tests.fixtures.family import make_family
from tests.fixtures.layouts import LMMS, images_of, jxu_rows, lmms_rows, write_jxu, write_lmms

FAMILY = make_family(36, seed=3)


def test_columns_that_differ_are_shown_side_by_side(tmp_path: Path) -> None:
    rows = [
        {**row, "box": row["bbox"], "segmentation": str(row["segmentation"])} for row in lmms_rows(FAMILY)
    ]
    fields = {field.name: field.type for field in LMMS if field.name != "bbox"}
    schema = pa.schema(fields | {"segmentation": pa.string(), "box": pa.list_(pa.float32())})
    with pytest.raises(ColumnError) as error:
        convert_hub(write_lmms(tmp_path, rows, schema))
    assert str(error.value).endswith(
        "columns are nearest to those of lmms-lab/RefCOCO, but segmentation must be list of numbers, found "
        "string; bbox must be list of numbers, found nothing"
    )
    wrong = {check.name: (check.expected, check.found) for check in error.value.checks if not check.is_right}
    assert wrong == {
        "segmentation": ("list of numbers", "string"),
        "bbox": ("list of numbers", "nothing"),
    }
    assert len(error.value.checks) == 7


@pytest.mark.parametrize("is_there", [True, False])
def test_a_folder_of_nothing_known_is_refused(tmp_path: Path, is_there: bool) -> None:
    folder = tmp_path / "a"
    if is_there:
        folder.mkdir()
    with pytest.raises(
        ValueError, match="neither Parquet files nor" if is_there else "there is no file or folder"
    ):
        convert_hub(folder)


@pytest.mark.parametrize("layout", ["objects", "images apart"])
def test_an_interrupted_conversion_goes_on_to_the_same_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, layout: str
) -> None:
    monkeypatch.setattr("cris.data.store.writing.SHARD_IMAGES", 5)
    if layout == "objects":
        convert = partial(convert_hub, write_lmms(tmp_path / "RefCOCO", lmms_rows(FAMILY)))
    else:
        folder = write_jxu(tmp_path / "refcoco", jxu_rows(FAMILY))
        convert = partial(convert_hub, folder, images=images_of(FAMILY, tmp_path / "source"))
    source = SourceInfo(kind="hub", options={"order": convert().order})

    def breaking(start: int) -> Iterator[ImageRecord]:
        yield from islice(convert().images(start), 7)
        raise OSError("the cable was pulled")

    whole = write_dataset(tmp_path / "whole", convert().images, source, command="test")
    for is_resuming in (False, True):
        with pytest.raises(OSError, match="cable"):
            write_dataset(tmp_path / "out", breaking, source, command="test", is_resuming=is_resuming)
    assert not (tmp_path / "out").exists()
    resumed = write_dataset(tmp_path / "out", convert().images, source, command="test", is_resuming=True)
    assert len(whole.files) > 3
    assert resumed == whole
