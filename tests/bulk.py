"""Bulk jobs in tests: a model on disk, scenes to ask, and what came out."""

import io
import json
import tarfile
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from cris.checkpoint import save_checkpoint
from cris.data.scenes import Scenes, vocabulary
from cris.model.config import InferenceConfig
from cris.model.tokenizer import Tokenizer
from tests.small import SMALL, small_cris


def make_checkpoint(folder: Path, *, seed: int = 0) -> Path:
    """A tiny model at random weights that knows the words of scenes."""
    tokenizer = Tokenizer().reduced(sorted(vocabulary()))
    text = replace(SMALL.text, vocabulary=tokenizer.vocab_size)
    inference = InferenceConfig(input_size=64, sentence_length=24, threshold=0.5)
    save_checkpoint(
        folder, small_cris(replace(SMALL, text=text), seed=seed), tokenizer, inference, "# tiny\n"
    )
    return folder


def scene_pngs(count: int) -> list[tuple[str, bytes, str]]:
    """Name, PNG and sentence of the first scenes."""
    scenes = Scenes(split="train")
    made = []
    for index in range(count):
        sample = scenes[index]
        buffer = io.BytesIO()
        Image.fromarray(sample.image).save(buffer, "PNG", compress_level=1)
        made.append((f"{index:05d}.png", buffer.getvalue(), sample.sentence))
    return made


def write_parquet(path: Path, images: Iterable[tuple[str, bytes, str]]) -> None:
    """A shard as `cris data export` writes it, of the columns that matter here."""
    names, contents, _ = zip(*images, strict=True)
    pq.write_table(pa.table({"file_name": names, "image": contents}), path, row_group_size=7)


def write_tar(path: Path, images: Iterable[tuple[str, bytes, str]]) -> None:
    """A WebDataset shard: each image, and a JSON of the same name."""
    with tarfile.open(path, "w") as tar:
        for name, content, sentence in images:
            for member, data in (
                (name, content),
                (name.replace(".png", ".json"), json.dumps(sentence).encode()),
            ):
                info = tarfile.TarInfo(member)
                info.size = len(data)
                tar.addfile(info, io.BytesIO(data))


def write_sentences(path: Path, images: Iterable[tuple[str, bytes, str]]) -> None:
    """JSONL: each scene and its own sentence."""
    rows = ({"picture": name, "sentence": sentence} for name, _, sentence in images)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def shard_files(out: Path) -> dict[str, bytes]:
    """Name → content of the shards that are there."""
    return {path.name: path.read_bytes() for path in sorted(out.glob("rows-*.parquet"))}


def rows_of(out: Path) -> list[dict[str, Any]]:
    """All rows, in the order of the shards."""
    return [row for path in sorted(out.glob("rows-*.parquet")) for row in pq.read_table(path).to_pylist()]
