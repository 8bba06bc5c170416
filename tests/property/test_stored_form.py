"""Whatever records hold comes back as it was."""

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from cris.data.records import ImageRecord, ObjectRecord, ReferringEntry
from cris.data.store.manifest import SourceInfo
from cris.data.store.reading import StoredDataset
from cris.data.store.writing import write_dataset
from cris.masks import decode_rle, encode_rle

INT64 = st.integers(-(2**63), 2**63 - 1)
TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1).filter(str.strip)
NUMBERS = st.floats(allow_nan=False, allow_infinity=False)


def _mask(content: bytes, height: int, width: int) -> np.ndarray:
    bits = np.unpackbits(np.frombuffer(content, np.uint8), count=height * width)
    return bits.reshape(height, width).astype(bool)


def images(draw: Callable[[st.SearchStrategy[Any]], Any]) -> list[ImageRecord]:
    """No strategy of its own, as checked shapes look at lists at random, and strategies must not."""
    picture_ids = draw(st.lists(INT64, min_size=1, max_size=6, unique=True))
    object_ids = iter(draw(st.lists(INT64, min_size=24, max_size=24, unique=True)))
    ref_ids = iter(draw(st.lists(INT64, min_size=24, max_size=24, unique=True)))
    records = []
    for picture_id in picture_ids:
        height, width = draw(st.tuples(st.integers(1, 9), st.integers(1, 9)))
        ids = [next(object_ids) for _ in range(draw(st.integers(0, 4)))]
        objects = tuple(
            ObjectRecord(
                id=number,
                category=draw(st.text(st.characters(exclude_categories=["Cs"]))),
                box=draw(st.tuples(NUMBERS, NUMBERS, NUMBERS, NUMBERS)),
                rle=encode_rle(_mask(draw(st.binary(min_size=11, max_size=11)), height, width)),
                area=draw(NUMBERS),
                is_crowd=draw(st.booleans()),
            )
            for number in ids
        )
        entries = tuple(
            ReferringEntry(
                ref_id=next(ref_ids),
                object_ids=tuple(draw(st.lists(st.sampled_from(ids), unique=True)) if ids else []),
                sentences=tuple(draw(st.lists(TEXT, min_size=1, max_size=3))),
                split=draw(st.sampled_from(["train", "val", "testA"])),
            )
            for _ in range(draw(st.integers(0, 4)))
        )
        records.append(
            ImageRecord(
                picture_id=picture_id,
                file_name=draw(st.text(st.characters(exclude_categories=["Cs"]))),
                height=height,
                width=width,
                image=draw(st.binary()),
                objects=objects,
                entries=entries,
                annotated=draw(st.none() | st.lists(TEXT, max_size=2).map(tuple)),
            )
        )
    return records


@settings(max_examples=60)
@given(st.data())
def test_records_come_back_as_they_were_and_samples_are_theirs(data: st.DataObject) -> None:
    records = images(data.draw)
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "data"
        write_dataset(out, lambda start: records[start:], SourceInfo(kind="test"), command="test")
        dataset = StoredDataset(out)
        read = list(dataset)
        assert read == records
        for before, after in zip(records, read, strict=True):
            for one, other in zip(before.objects, after.objects, strict=True):
                np.testing.assert_array_equal(decode_rle(one.rle), decode_rle(other.rle))
        for split in [None, *dataset.manifest.splits]:
            sentences = [
                records[image].entries[entry].sentences[sentence]
                for image, entry, sentence in dataset.samples(split)
            ]
            assert sentences == [
                sentence
                for record in records
                for entry in record.entries
                if split in (None, entry.split)
                for sentence in entry.sentences
            ]
