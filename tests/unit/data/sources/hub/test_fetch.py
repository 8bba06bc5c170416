"""Data sets by hub id, from a hub of our own."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from cris.data.sources.hub.fetch import locate
from cris.errors import InputError
from tests.fixtures.hub import Hub, hub_here

NAME = "lmms-lab/RefCOCO"
FILES = {
    "README.md": b"# RefCOCO",
    "data/val-00000-of-00001.parquet": b"val",
    "finetune_refcoco+_val.json": b"{}",
    "../up.parquet": b"up",
}


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    with hub_here(tmp_path) as hub:
        yield hub


@pytest.mark.parametrize("form", ["hf://datasets/", "hf://"])
def test_a_pinned_data_set_is_fetched_into_a_folder_of_our_own(hub: Hub, tmp_path: Path, form: str) -> None:
    commit = hub.put(NAME, FILES, kind="dataset")
    folder = tmp_path / "cache" / "hub-data" / f"lmms-lab--RefCOCO@{commit}"
    assert locate(f"{form}{NAME}@{commit}") == folder
    assert (folder / "data" / "val-00000-of-00001.parquet").read_bytes() == b"val"
    assert (folder / "finetune_refcoco+_val.json").is_file()
    assert not (folder / "README.md").exists()
    assert not (tmp_path / "cache" / "hub-data" / "up.parquet").exists()
    assert "README.md" in json.loads((folder / "files.json").read_text())
    hub.requests.clear()
    assert locate(f"{form}{NAME}@{commit}") == folder
    assert hub.requests == []


def test_what_the_hub_does_not_give_is_told_in_one_line(hub: Hub) -> None:
    address = f"hf://{NAME}@{'0' * 40}"
    with pytest.raises(
        InputError, match=f"the hub has no hf://datasets/{NAME}@0+: check repository, revision"
    ):
        locate(address)
    hub.fail("GET /api/datasets", status=503)
    with pytest.raises(ConnectionError, match="get its files elsewhere and name their folder instead"):
        locate(address)
    hub.faults.clear()
    commit = hub.put(NAME, {"README.md": b"nothing"}, kind="dataset")
    with pytest.raises(InputError, match="has neither Parquet files nor MDETR's"):
        locate(f"hf://{NAME}@{commit}")


def test_paths_are_taken_as_they_are() -> None:
    assert locate("some/folder") == Path("some/folder")


@pytest.mark.parametrize("source", ["hf://a/b", "hf://a/b@main", "hf://a/b@HEAD", "hf://a/b@..", "hf:b@c"])
def test_a_revision_must_be_pinned(source: str) -> None:
    with pytest.raises(
        ValueError, match="must be hf://datasets/OWNER/NAME@REVISION, a revision that never moves"
    ):
        locate(source)
