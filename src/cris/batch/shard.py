"""Segmentation of one shard; the result depends on the shard and the model alone."""

import io
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from jaxtyping import UInt8

from cris.batch.job import SCHEMA_VERSION, AnswerOptions, Shard, Task
from cris.batch.reading import read_images
from cris.conversions import to_png
from cris.engines.engine import BATCH_SIZE
from cris.errors import InputError
from cris.image import read_image
from cris.prediction import Prediction
from cris.segmenter import Segmenter

SCHEMA = pa.schema(
    [
        ("picture", pa.string()),
        ("name", pa.string()),
        ("sentence", pa.string()),
        ("score", pa.float64()),
        ("present", pa.float64()),
        ("box", pa.list_(pa.int32(), 4)),
        ("rle", pa.struct([("size", pa.list_(pa.int32(), 2)), ("counts", pa.string())])),
        ("error", pa.string()),
    ],
    metadata={"cris_schema_version": str(SCHEMA_VERSION)},
)
SAVED: dict[str, pa.DataType] = {
    **dict.fromkeys(("mask", "overlay", "cutout"), pa.binary()),
    "polygons": pa.list_(pa.list_(pa.int32())),
}
"""Columns that `AnswerOptions.save` can name → their types."""
_HELD_PIXELS = 2**28
"""Number of mask pixels held at a time, a byte each."""

Pixels = UInt8[np.ndarray, "height width 3"]
Row = dict[str, Any]


def segment_shard(segmenter: Segmenter, shard: Shard) -> bytes:
    """Return a Parquet file with a row for each image and sentence, in the shard's order.

    An image that cannot be read has rows that give the reason in `error`.

    Raises:
        InputError: a store cannot be reached, or the model's answers are not finite numbers.
        MemoryError: with advice.
    """
    rows = {task.image.id: [_row(task, sentence) for sentence in task.sentences] for task in shard.tasks}
    for group in _groups(_decoded(shard.tasks, rows)):
        for task, predictions in _answers(segmenter, group):
            for row, prediction in zip(rows[task.image.id], predictions, strict=True):
                row.update(_found(prediction, shard.options))
    schema = SCHEMA
    for name in shard.options.save:
        schema = schema.append(pa.field(name, SAVED[name]))
    table = pa.Table.from_pylist([row for task in shard.tasks for row in rows[task.image.id]], schema)
    buffer = io.BytesIO()
    pq.write_table(table, buffer, compression="zstd")
    return buffer.getvalue()


def _decoded(tasks: Sequence[Task], rows: dict[str, list[Row]]) -> Iterator[tuple[Task, Pixels]]:
    """Yield the images that can be read; the rows of the others get their error."""
    readable = [task for task in tasks if task.error is None]
    for task in tasks:
        _refuse(rows[task.image.id], task.error)
    contents = read_images([task.image for task in readable])
    for task, content in zip(readable, contents, strict=True):
        if isinstance(content, str):
            _refuse(rows[task.image.id], content)
            continue
        try:
            pixels = read_image(content)
        except InputError as error:
            _refuse(rows[task.image.id], str(error))
            continue
        yield task, pixels


def _groups(images: Iterator[tuple[Task, Pixels]]) -> Iterator[list[tuple[Task, Pixels]]]:
    """Yield images that go through the model together: fewer where they are large or have many sentences."""
    group: list[tuple[Task, Pixels]] = []
    held = 0
    for task, pixels in images:
        size = pixels.shape[0] * pixels.shape[1] * (3 + len(task.sentences))
        if group and (len(group) == BATCH_SIZE or held + size > _HELD_PIXELS):
            yield group
            group, held = [], 0
        group.append((task, pixels))
        held += size
    if group:
        yield group


def _answers(
    segmenter: Segmenter, group: list[tuple[Task, Pixels]]
) -> Iterator[tuple[Task, Iterator[Prediction]]]:
    if len(group) == 1:
        ((task, pixels),) = group
        yield task, _few_at_a_time(segmenter, pixels, task.sentences)
        return
    tasks, images = zip(*group, strict=True)
    answers = segmenter.predict_batch(images, [list(task.sentences) for task in tasks])
    for task, predictions in zip(tasks, answers, strict=True):
        yield task, iter(predictions)


def _few_at_a_time(segmenter: Segmenter, pixels: Pixels, sentences: Sequence[str]) -> Iterator[Prediction]:
    encoded = segmenter.encode(pixels)
    step = max(1, _HELD_PIXELS // (pixels.shape[0] * pixels.shape[1]))
    for start in range(0, len(sentences), step):
        yield from encoded.predict(list(sentences[start : start + step]))


def _row(task: Task, sentence: str) -> Row:
    empty = dict.fromkeys(("score", "present", "box", "rle", "error"))
    return {"picture": task.image.id, "name": task.image.name, "sentence": sentence, **empty}


def _found(prediction: Prediction, options: AnswerOptions) -> Row:
    if options.threshold is not None:
        prediction = prediction.at_threshold(options.threshold)
    prediction = prediction.at_least(options.min_score)
    found = prediction.to_dict()
    row = {name: found.get(name) for name in ("score", "present", "box", "rle")}
    for name in options.save:
        if name == "polygons":
            row[name] = [outline.ravel().tolist() for outline in prediction.polygons()]
        else:
            row[name] = to_png(prediction.render(name))  # type: ignore[arg-type]
    return row


def _refuse(rows: list[Row], error: str | None) -> None:
    for row in rows:
        row["error"] = error
