"""A bulk job from and to an object store: a local stand-in for S3."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from moto.server import ThreadedMotoServer

from cris.cli import main
from tests.fixtures.bulk import (
    make_checkpoint,
    rows_of,
    scene_pngs,
    shard_files,
    write_parquet,
    write_sentences,
    write_tar,
)

SCENES = 12


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[object]:
    """The file system of a store with an empty bucket, found through the environment alone."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    for name, value in {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_DEFAULT_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    import s3fs

    s3fs.S3FileSystem.clear_instance_cache()
    filesystem = s3fs.S3FileSystem()
    filesystem.mkdir("bucket")
    yield filesystem
    s3fs.S3FileSystem.clear_instance_cache()
    server.stop()


def test_rows_are_the_same_from_and_to_a_store(bucket, tmp_path: Path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    scenes = scene_pngs(SCENES)
    source = tmp_path / "in"
    source.mkdir()
    write_parquet(source / "a.parquet", scenes[:4])
    write_tar(source / "b.tar", scenes[4:8])
    for name, content, _ in scenes[8:]:
        (source / name).write_bytes(content)
    (source / scenes[9][0]).write_bytes(b"no image")
    write_sentences(tmp_path / "asked.jsonl", scenes)
    make_checkpoint(tmp_path / "tiny")
    bucket.put(str(source), "bucket/in", recursive=True)
    bucket.put(str(tmp_path / "asked.jsonl"), "bucket/asked.jsonl")

    def batch(source: str, out: str, sentences: str, *options: str) -> int:
        options = ("--model", "tiny", "--processes", "1", "--device", "cpu", "--shard-rows", "5", *options)
        return main(["batch", source, out, "--sentences", sentences, *options])

    assert batch("in", "local", "asked.jsonl") == 0
    assert batch("s3://bucket/in", "s3://bucket/out", "s3://bucket/asked.jsonl") == 0
    fetched = tmp_path / "fetched"
    bucket.get("bucket/out", str(fetched), recursive=True)
    assert shard_files(fetched) == shard_files(tmp_path / "local")
    rows = rows_of(fetched)
    assert [row["picture"] for row in rows] == [
        *(name for name, _, _ in scenes[8:]),
        *(f"a.parquet#{row}" for row in range(4)),
        *(f"b.tar#{name}" for name, _, _ in scenes[4:8]),
    ]
    assert [row["picture"] for row in rows if row["error"]] == [scenes[9][0]]

    bucket.rm("bucket/out/rows-00001-of-00003.parquet")
    capsys.readouterr()
    assert batch("s3://bucket/in", "s3://bucket/out", "asked.jsonl", "--resume") == 0
    assert "1 of them new" in capsys.readouterr().out
    again = tmp_path / "again"
    bucket.get("bucket/out", str(again), recursive=True)
    assert shard_files(again) == shard_files(fetched)
    assert json.loads((again / "_manifest.json").read_text())["is_complete"]

    for wrong in ("s3://nowhere/in", "s3://bucket/nothing/*.jpg"):
        assert batch(wrong, "other", "asked.jsonl") == 1
        told = capsys.readouterr().err
        assert told.startswith("cris: error: ")
        assert told.count("\n") == 1
    assert batch("in", "s3://nowhere/out", "asked.jsonl") == 1
    assert capsys.readouterr().err.count("\n") == 1
