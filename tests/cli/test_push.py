"""`cris push` and `cris data push`, against a hub of our own."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from cris.data.store.reading import StoredDataset
from cris.registry import CHECKPOINT_FILES
from tests.cli.conftest import Cris
from tests.fixtures.hub import Hub, hub_here
from tests.fixtures.stored import records, write

NAME = "me/finder"


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    with hub_here(tmp_path) as hub:
        yield hub


@pytest.fixture
def data(tmp_path: Path) -> Path:
    write(tmp_path / "data", records(8))
    return tmp_path / "data"


def test_a_model_is_pushed_and_used_by_its_name(
    hub: Hub, checkpoint: Path, cris: Cris, tmp_path: Path
) -> None:
    done = cris("push", checkpoint, NAME, "--private", "--revision", "v1", "--message", "First", "--json")
    told = json.loads(done.out)
    repository = hub.repositories["model", NAME]
    assert told == {"repository": NAME, "commit": f"{hub.url}/{NAME}/commit/{repository.branches['v1']}"}
    assert (repository.is_private, repository.messages[-1], done.err) == (True, "First", "")
    assert hub.files(NAME) == {}
    assert set(hub.files(NAME, "v1")) == set(CHECKPOINT_FILES)
    assert cris("push", checkpoint, NAME).out == f"{hub.url}/{NAME}/commit/{repository.branches['main']}\n"
    done = cris("eval", NAME, "scenes", "--limit", "2", "--out", tmp_path / "results", "--json")
    assert (done.code, json.loads(done.out)["count"]) == (0, 2)


def test_what_goes_wrong_is_one_line(hub: Hub, checkpoint: Path, cris: Cris) -> None:
    assert cris("push", checkpoint, "other/finder").is_short_error()
    assert cris("push", "me/nothing", NAME).is_short_error()
    assert cris("push", "nowhere", NAME).is_short_error()
    hub.put(NAME, {"README.md": b"public"})
    assert cris("push", checkpoint, NAME, "--private").is_short_error()


def test_commands_push_and_take_a_data_set(hub: Hub, data: Path, tmp_path: Path, cris: Cris) -> None:
    done = cris("data", "push", data, NAME, "--json")
    told = json.loads(done.out)
    assert told["repository"] == NAME
    address = f"hf://datasets/{NAME}@{told['commit'].rpartition('/')[2]}"
    assert cris("data", "push", data, NAME).out.splitlines()[0] == told["commit"]
    assert cris("data", "hub", address, "--out", tmp_path / "taken").code == 0
    assert list(StoredDataset(tmp_path / "taken")) == list(StoredDataset(data))
    refused = cris("data", "hub", address, "--out", tmp_path / "other", "--skip-missing")
    assert (refused.code, refused.err.count("\n")) == (1, 1)
    assert "is a data set of cris, which is taken whole" in refused.err
    exported = tmp_path / "exported"
    assert cris("data", "export", data, "--format", "datasets", "--out", exported).code == 0
    assert cris("data", "hub", exported, "--out", tmp_path / "again").code == 0
    assert list(StoredDataset(tmp_path / "again")) == list(StoredDataset(data))
