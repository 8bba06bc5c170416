import re
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cris.evaluation.row_files import SCHEMA, read_rows, write_rows
from tests.fixtures.rows import a_row

ROWS = [
    a_row(2, failure="wrong object", category=None, ambiguity=0.25, visible=0.5, sentence="der große Hund"),
    a_row(0, 0, 0, true_area=0, predicted_area=0),
    a_row(1),
]


def test_rows_come_back_as_they_were_in_the_order_of_the_split(tmp_path: Path) -> None:
    write_rows(tmp_path / "rows.parquet", ROWS)
    assert read_rows(tmp_path / "rows.parquet") == read_rows(tmp_path) == [ROWS[1], ROWS[2], ROWS[0]]


def test_any_parquet_reader_reads_them(tmp_path: Path) -> None:
    write_rows(tmp_path / "rows.parquet", ROWS)
    assert pq.read_table(tmp_path / "rows.parquet").column("iou").to_pylist()[1] == pytest.approx(0.75)


@pytest.mark.parametrize(
    ("content", "told"),
    [(None, "is missing"), (b"PAR1 not really", "is damaged or no Parquet file"), (b"", "is damaged")],
)
def test_what_is_no_file_of_rows_is_one_error(content: bytes | None, told: str, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / "rows.parquet").write_bytes(content)
    with pytest.raises(ValueError, match=told):
        read_rows(tmp_path)


def test_rows_of_another_version_or_shape_are_refused(tmp_path: Path) -> None:
    table = pa.Table.from_pylist([], SCHEMA)
    newer = table.replace_schema_metadata({"cris_rows_version": "7"})
    pq.write_table(newer, tmp_path / "rows.parquet")
    with pytest.raises(
        ValueError, match=re.escape("must hold rows of version 1 for this cris, got version 7")
    ):
        read_rows(tmp_path)
    pq.write_table(table.drop_columns(["iou"]), tmp_path / "rows.parquet")
    with pytest.raises(ValueError, match="must have the columns"):
        read_rows(tmp_path)
