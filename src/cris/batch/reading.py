"""Reading of encoded images, many at a time where a store answers slowly."""

from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from cris.batch.images import IMAGE, ImageRef
from cris.batch.storage import explained, is_local, open_url
from cris.errors import InputError

_AT_ONCE = 16
"""Number of files and tar members that are read concurrently."""


def read_images(images: Sequence[ImageRef]) -> Iterator[bytes | str]:
    """Yield each image's encoded bytes or, where the image itself cannot be read, the reason as text.

    Raises:
        InputError: their store cannot be reached, or a Parquet shard is damaged.
    """
    for is_row, run in groupby(images, key=lambda image: image.row is not None):
        group = list(run)
        if is_row:
            for url, rows in groupby(group, key=lambda image: image.url):
                yield from _rows(url, [image.row for image in rows if image.row is not None])
        else:
            for start in range(0, len(group), _AT_ONCE):
                yield from _ranges(group[start : start + _AT_ONCE])


def _ranges(images: Sequence[ImageRef]) -> Iterator[bytes | str]:
    with explained(images[0].url):
        filesystem, _ = open_url(images[0].url)  # a job's images are all in one
        spans = [image.span or (None, None) for image in images]
        paths = [open_url(image.url)[1] for image in images]
        starts, ends = map(list, zip(*spans, strict=True))
        answers = filesystem.cat_ranges(paths, starts, ends, on_error="return")
        for answer in answers:
            if not isinstance(answer, Exception):
                yield bytes(answer)
            elif isinstance(answer, FileNotFoundError):
                yield "the file is gone"
            elif isinstance(answer, PermissionError) and is_local(filesystem):
                yield "the file may not be read: permission denied"
            else:  # a store that fails, or whose key ran out, says nothing of this image
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
    return content if isinstance(content, bytes) else "the row holds no image's bytes"


def is_within_reach(images: Sequence[ImageRef]) -> bool:
    """Check that this machine can reach any of the images: a local folder may be another machine's."""
    opened = [open_url(image.url) for image in images]
    return not opened or any(not is_local(filesystem) or Path(path).exists() for filesystem, path in opened)
