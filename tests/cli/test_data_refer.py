"""`cris data refer` and `cris data hub`: a data set, or one line of error and nothing written."""

import hashlib
import json
import os
import pickle
import threading
import zipfile
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cris.data.sources import downloads
from cris.data.store.manifest import read_manifest
from cris.data.store.reading import StoredDataset
from tests.cli.conftest import Cris
from tests.fixtures.family import make_family

FAMILY = make_family(12, seed=5)


def options(folder: Path) -> list[str | Path]:
    refs, instances, images = FAMILY.write(folder / "refcoco")
    return ["--refs", refs, "--instances", instances, "--images", images]


def leftovers(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.name != "refcoco")


def test_a_data_set_is_made_and_told_of(cris: Cris, tmp_path: Path) -> None:
    outcome = cris("data", "refer", *options(tmp_path), "--out", "out")
    assert outcome.code == 0, outcome.err
    train = sum(ref["split"] == "train" for ref in FAMILY.refs)
    assert f"train: {train} references, {train - 42404:,} against the published 42,404" in outcome.out
    dataset = StoredDataset(tmp_path / "out")
    assert len(dataset) == 12
    source = dataset.manifest.source
    assert source.kind == "refer"
    path = tmp_path / "refcoco" / "refs(unc).p"
    assert source.files[str(path)] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert leftovers(tmp_path) == ["out"]


def test_remarks_of_the_conversion_are_what_check_begins_with(cris: Cris, tmp_path: Path) -> None:
    arguments = options(tmp_path)
    rows = [ref | {"category_id": 99} for ref in FAMILY.refs]
    Path(arguments[1]).write_bytes(pickle.dumps(rows, 2))
    told = f"{len(rows):,} references name another category than their object's: "
    assert told in cris("data", "refer", *arguments, "--out", "out").out
    assert f"remark: {told}" in cris("data", "check", "out").out
    remarks = json.loads(cris("data", "check", "out", "--json").out)["remarks"]
    assert sum(remark.startswith(told) for remark in remarks) == 1


def test_an_existing_folder_is_refused_unless_resumed_or_overwritten(cris: Cris, tmp_path: Path) -> None:
    arguments = ["data", "refer", *options(tmp_path), "--out", "out"]
    assert cris(*arguments).code == 0
    before = read_manifest(tmp_path / "out")
    outcome = cris(*arguments)
    assert outcome.is_short_error()
    assert "holds a data set" in outcome.err
    assert cris(*arguments, "--resume").code == 0
    assert read_manifest(tmp_path / "out") == before
    assert cris(*arguments, "--overwrite").code == 0
    assert [shard.sha256 for shard in read_manifest(tmp_path / "out").files] == [
        shard.sha256 for shard in before.files
    ]


class Touch:
    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return os.system, ("touch ran",)


@pytest.mark.parametrize("bad", ["pickle", "picture", "missing", "absent", "split", "link"])
def test_bad_input_is_one_line_and_leaves_nothing(cris: Cris, tmp_path: Path, bad: str) -> None:
    arguments = ["data", "refer", *options(tmp_path), "--out", "out"]
    refs, images = tmp_path / "refcoco" / "refs(unc).p", tmp_path / "refcoco" / "images"
    name = max(FAMILY.images)
    if bad == "pickle":
        refs.write_bytes(pickle.dumps([Touch()], 2))
        expected = "posix.system"
    elif bad == "picture":
        (images / name).write_bytes(FAMILY.images[name][:100])
        expected = name
    elif bad == "missing":
        (images / name).unlink()
        expected = f"1 of 12 images are missing: {name}"
    elif bad == "absent":
        refs.unlink()
        expected = "no such file"
    elif bad == "split":
        refs.write_bytes(pickle.dumps([{**FAMILY.refs[0], "split": "x"}], 2))
        expected = "row 0: split must be one of"
    else:
        (images / name).unlink()
        (images / name).symlink_to("/etc/hostname")
        expected = "symbolic link out of"
    outcome = cris(*arguments)
    assert outcome.is_short_error(), outcome.err
    assert expected in outcome.err
    assert leftovers(tmp_path) == []


def test_missing_images_may_be_skipped(cris: Cris, tmp_path: Path) -> None:
    arguments = ["data", "refer", *options(tmp_path), "--out", "out", "--skip-missing"]
    (tmp_path / "refcoco" / "images" / max(FAMILY.images)).unlink()
    outcome = cris(*arguments)
    assert outcome.code == 0, outcome.err
    assert "1 of 12 images are missing" in outcome.out
    assert len(StoredDataset(tmp_path / "out")) == 11


def test_a_list_drops_and_another_list_is_another_source(cris: Cris, tmp_path: Path) -> None:
    arguments = ["data", "refer", *options(tmp_path), "--out", "out"]
    (tmp_path / "refcoco" / "drop.txt").write_text(str(FAMILY.refs[0]["ref_id"]))
    assert cris(*arguments).code == 0
    outcome = cris(*arguments, "--drop", "refcoco/drop.txt", "--resume")
    assert outcome.is_short_error()
    assert cris(*arguments, "--drop", "refcoco/drop.txt", "--overwrite").code == 0
    entries = [entry for record in StoredDataset(tmp_path / "out") for entry in record.entries]
    assert len(entries) == len(FAMILY.refs) - 1


@pytest.mark.parametrize("given", [[], ["--refs", "a"], ["--download", "refcoco", "--refs", "a"]])
def test_wrong_use_is_told(cris: Cris, given: list[str]) -> None:
    assert cris("data", "refer", *given, "--out", "out").is_short_error(code=2)


@pytest.fixture
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """A server of its own, with what the Internet Archive and COCO have."""
    folder = tmp_path_factory.mktemp("server")
    refs, instances, _ = FAMILY.write(folder / "files")
    with zipfile.ZipFile(folder / "refcoco.zip", "w") as archive:
        archive.write(refs, "refcoco/refs(unc).p")
        archive.write(instances, "refcoco/instances.json")
        archive.writestr("../../evil.txt", "x")  # is not looked at
    with zipfile.ZipFile(folder / "train2014.zip", "w") as archive:
        for name, content in FAMILY.images.items():
            archive.writestr(f"train2014/{name}", content)

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *arguments: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder))) as http:
        threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        yield f"http://127.0.0.1:{http.server_address[1]}", folder
        http.shutdown()


def source_of(url: str, path: Path) -> downloads.Download:
    content = path.read_bytes()
    sha256 = hashlib.sha256(content).hexdigest()
    return downloads.Download(url=f"{url}/{path.name}", sha256=sha256, size=len(content))


@pytest.fixture
def moved(server: tuple[str, Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The downloads' addresses, moved to that server; the cache."""
    url, folder = server
    known = downloads.DATA_SETS["refcoco"]
    moved = downloads.DataSet(
        archive=source_of(url, folder / "refcoco.zip"), refs=known.refs, instances=known.instances
    )
    monkeypatch.setitem(downloads.DATA_SETS, "refcoco", moved)
    monkeypatch.setattr(downloads, "TRAIN_2014", source_of(url, folder / "train2014.zip"))
    cache = tmp_path / "refcoco" / "cache"
    monkeypatch.setenv("CRIS_CACHE", str(cache))
    return cache


def test_what_is_to_be_had_is_downloaded(cris: Cris, tmp_path: Path, moved: Path) -> None:
    outcome = cris("data", "refer", "--download", "refcoco", "--out", "out")
    assert outcome.code == 0, outcome.err
    assert len(StoredDataset(tmp_path / "out")) == 12
    assert (moved / "data" / "refcoco" / "refs(unc).p").is_file()
    assert not (tmp_path / "evil.txt").exists()
    again = cris("data", "refer", "--download", "refcoco", "--out", "out", "--resume")
    assert again.code == 0, again.err


def test_an_interrupted_download_goes_on(
    cris: Cris, tmp_path: Path, moved: Path, server: tuple[str, Path]
) -> None:
    (moved / "data").mkdir(parents=True)
    content = (server[1] / "refcoco.zip").read_bytes()
    (moved / "data" / "refcoco.zip.part").write_bytes(content)
    assert cris("data", "refer", "--download", "refcoco", "--out", "out").code == 0


def test_another_file_than_expected_is_refused(
    cris: Cris, tmp_path: Path, moved: Path, server: tuple[str, Path]
) -> None:
    path = server[1] / "refcoco.zip"
    path.write_bytes(path.read_bytes()[::-1])
    outcome = cris("data", "refer", "--download", "refcoco", "--out", "out")
    assert outcome.is_short_error()
    assert "must have sha256" in outcome.err


def test_the_downloads_are_well_formed() -> None:
    sources = {data_set.archive for data_set in downloads.DATA_SETS.values()} | {downloads.TRAIN_2014}
    assert len(sources) == 4
    for source in sources:
        assert len(bytes.fromhex(source.sha256)) == 32
        assert source.url.endswith(".zip")
    for name, data_set in downloads.DATA_SETS.items():
        folder = data_set.refs.partition("/")[0]
        assert name.startswith(folder)
        assert data_set.archive.url.endswith(f"/{folder}.zip")


def test_a_re_release_is_converted(cris: Cris, tmp_path: Path) -> None:
    _, _, images = FAMILY.write(tmp_path / "refcoco")
    rows = []
    for ref in FAMILY.refs:
        info = next(each for each in FAMILY.instances["images"] if each["id"] == ref["image_id"])
        texts = {"raw_anns": FAMILY.annotation(ref["ann_id"]), "raw_image_info": info}
        rows.append({**ref, **{name: json.dumps(value) for name, value in texts.items()}})
    folder = tmp_path / "refcoco" / "files"
    folder.mkdir()
    pq.write_table(pa.Table.from_pylist(rows), folder / "train-00000-of-00001.parquet")
    outcome = cris("data", "hub", folder, "--images", images, "--out", "out")
    assert outcome.code == 0, outcome.err
    assert len(StoredDataset(tmp_path / "out")) == 12
    assert cris("data", "hub", folder, "--images", images, "--out", "out", "--resume").code == 0


def test_other_columns_are_shown_beside_the_expected_ones(cris: Cris, tmp_path: Path) -> None:
    (tmp_path / "refcoco").mkdir()
    table = pa.table({"question_id": ["1"], "file_name": [3], "answer": [["x"]]})
    pq.write_table(table, tmp_path / "refcoco" / "val-0.parquet")
    outcome = cris("data", "hub", "refcoco", "--out", "out")
    assert outcome.is_short_error()
    assert "file_name must be text, found int64" in outcome.err
    assert [line.split() for line in outcome.out.splitlines() if "int64" in line]
    assert leftovers(tmp_path) == []


@pytest.mark.parametrize(
    "source", ["hf://a/b", "hf://a/b@main", "hf://a@abc", "hf://a/b@c/../d", "hf:a", "nowhere", "refcoco"]
)
def test_a_source_that_is_none_is_refused(cris: Cris, tmp_path: Path, source: str) -> None:
    (tmp_path / "refcoco").mkdir()
    assert cris("data", "hub", source, "--out", "out").is_short_error()
    assert leftovers(tmp_path) == []
