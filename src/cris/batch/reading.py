"""Reading of encoded images, many at a time where a store answers slowly."""

from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from cris.batch.pictures import IMAGE, PictureRef
from cris.batch.storage import explained, is_local, open_url
from cris.errors import InputError

_AT_ONCE = 16
"""Number of files and tar members that are read concurrently."""


def read_pictures(pictures: Sequence[PictureRef]) -> Iterator[bytes | str]:
    """Yield each image's encoded bytes or, where the image itself cannot be read, the reason as text.

    Raises:
        InputError: their store cannot be reached, or a Parquet shard is damaged.
    """
    for is_row, run in groupby(pictures, key=lambda picture: picture.row is not None):
        group = list(run)
        if is_row:
            for url, rows in groupby(group, key=lambda picture: picture.url):
                yield from _rows(url, [picture.row for picture in rows if picture.row is not None])
        else:
            for start in range(0, len(group), _AT_ONCE):
                yield from _ranges(group[start : start + _AT_ONCE])


def _ranges(pictures: Sequence[PictureRef]) -> Iterator[bytes | str]:
    with explained(pictures[0].url):
        filesystem, _ = open_url(pictures[0].url)  # a job's pictures are all in one
        spans = [picture.span or (None, None) for picture in pictures]
        paths = [open_url(picture.url)[1] for picture in pictures]
        starts, ends = map(list, zip(*spans, strict=True))
        answers = filesystem.cat_ranges(paths, starts, ends, on_error="return")
        for answer in answers:
            if not isinstance(answer, Exception):
                yield bytes(answer)
            elif isinstance(answer, FileNotFoundError):
                yield "the file is gone"
            elif isinstance(answer, PermissionError) and is_local(filesystem):
                yield "the file may not be read: permission denied"
            else:  # a store that fails, or whose key ran out, says nothing of this picture
                raise answer


def _rows(url: str, rows: Sequence[int]) -> Iterator[bytes | str]:
    """Yield the images of a Parquet shard, row group by row group."""
    with explained(url):
        filesystem, path = open_url(url)
        with filesystem.open(path) as file:
            try:
                shard = pq.ParquetFile(file)
                first = 0
                for number in range(shard.num_row_groups):
                    count = shard.metadata.row_group(number).num_rows
                    wanted = [row - first for row in rows if first <= row < first + count]
                    if wanted:
                        column = shard.read_row_group(number, columns=[IMAGE])[IMAGE]
                        for row in wanted:
                            yield _encoded(column[row].as_py())
                    first += count
            except (pa.ArrowException, OSError) as error:
                raise InputError(f"{url} is a damaged Parquet file ({error})") from error


def _encoded(value: object) -> bytes | str:
    content = value.get("bytes") if isinstance(value, dict) else value
    return content if isinstance(content, bytes) else "the row holds no picture's bytes"


def is_within_reach(pictures: Sequence[PictureRef]) -> bool:
    """Check that this machine can reach any of the images: a local folder may be another machine's."""
    opened = [open_url(picture.url) for picture in pictures]
    return not opened or any(not is_local(filesystem) or Path(path).exists() for filesystem, path in opened)
