"""Data sets put on a hub of our own, and read again."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from huggingface_hub import DatasetCard

from cris.data.open import fingerprints_of, hub_names_of, is_dataset, manifest_of, open_dataset, splits_of
from cris.data.push import push_dataset
from cris.data.sources.hub.published import fetch_dataset, published_files, store_published
from cris.data.store.reading import StoredDataset
from cris.data.stored import StoredSplit
from cris.errors import InputError
from tests.fixtures.hub import Hub, card_problems, hub_here, kill_at
from tests.fixtures.stored import record, records, write

NAME = "me/streets"


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    # not the test's own monkeypatch: undone after the hub's variables, it would put the hub's token back
    with pytest.MonkeyPatch.context() as patch, hub_here(tmp_path) as hub:
        patch.chdir(tmp_path)
        patch.setattr("cris.data.store.layouts.SHARD_ROWS", 3)
        yield hub


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data set with images of two splits, in no order of these, and scores."""
    one, two, three = record(4).entries
    entries = (replace(one, split="val"), two, replace(three, split="testA"))
    mixed = replace(record(4), entries=entries, scores=(0.1, 0.2, 0.3))
    images = [*records(4), mixed, *records(9)[5:]]
    write(tmp_path / "data", images)
    return tmp_path / "data"


def pushed(hub: Hub, data: Path, **how: object) -> str:
    """The address of what was pushed."""
    commit = push_dataset(data, NAME, **how)  # type: ignore[arg-type]
    return f"hf://datasets/{NAME}@{commit.rpartition('/')[2]}"


def test_a_data_set_comes_back_byte_for_byte(hub: Hub, data: Path) -> None:
    address = pushed(hub, data)
    folder = fetch_dataset(address)
    before, after = StoredDataset(data), StoredDataset(folder)
    assert list(after) == list(before)
    assert after.manifest.files == before.manifest.files
    assert after.manifest.splits == before.manifest.splits
    for shard in before.manifest.files:
        assert (folder / shard.name).read_bytes() == (data / shard.name).read_bytes()
    assert folder.name == "streets"


def test_it_opens_by_its_address_wherever_a_data_set_does(hub: Hub, data: Path) -> None:
    address = pushed(hub, data)
    assert is_dataset(address)
    assert splits_of(address) == {"train", "val", "testA"}
    assert manifest_of(address).source.kind == "hub"
    assert fingerprints_of(address)
    assert hub_names_of([address, data]) == (NAME,)
    for split in splits_of(address):
        theirs, mine = open_dataset(address, split), StoredSplit(data, split)
        assert theirs.identity == mine.identity
        assert len(theirs) == len(mine)
    hub.requests.clear()
    open_dataset([address, data], "val")
    assert hub.requests == []


def test_the_card_says_what_datasets_reads(hub: Hub, data: Path) -> None:
    pushed(hub, data)
    files = hub.files(NAME, kind="dataset")
    text = files["README.md"].decode()
    assert card_problems(text, "dataset") == []
    card = DatasetCard(text)
    assert DatasetCard(str(card)).data.to_dict() == card.data.to_dict()
    fields = card.data.to_dict()
    (config,) = fields["configs"]
    told = {each["split"]: each["path"] for each in config["data_files"]}
    assert set(told) == {"train", "val", "testA"}
    assert {name for names in told.values() for name in names} == {*files} - {"README.md"}
    info = fields["dataset_info"]
    for split in info["splits"]:
        tables = [pq.read_table(_saved(files[name], name)) for name in told[split["name"]]]
        assert split["num_examples"] == sum(map(len, tables))
        assert split["num_bytes"] > sum(map(len, tables)) * 1000
    assert info["download_size"] == sum(len(files[name]) for names in told.values() for name in names)
    kinds = {each.pop("name"): each for each in info["features"]}
    assert kinds["image"] == {"dtype": "image"}
    assert kinds["height"] == {"dtype": "int32"}
    assert kinds["annotated"] == {"sequence": "string"}
    objects = {each.pop("name"): each for each in kinds["objects"]["list"]}
    assert objects["box"] == {"sequence": "float64", "length": 4}
    assert objects["rle"]["struct"][1] == {"name": "counts", "dtype": "string"}
    assert f'load_dataset("{NAME}")' in text
    assert str(data) not in text


def _saved(content: bytes, name: str) -> Path:
    Path(name).write_bytes(content)
    return Path(name)


def test_datasets_itself_opens_what_was_pushed(hub: Hub, data: Path, tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    pushed(hub, data)
    folder = tmp_path / "repository"
    folder.mkdir()
    for name, content in hub.files(NAME, kind="dataset").items():
        (folder / name).write_bytes(content)
    opened = datasets.load_dataset(str(folder), cache_dir=str(tmp_path / "datasets"))
    assert {split: len(rows) for split, rows in opened.items()} == {"testA": 1, "train": 7, "val": 3}
    assert opened["train"][0]["image"].size == (64, 48)
    assert opened["train"][0]["objects"][0]["rle"]["size"] == [48, 64]


def test_a_card_of_one_s_own_keeps_its_words_and_licence(hub: Hub, data: Path, tmp_path: Path) -> None:
    card = tmp_path / "card.md"
    card.write_text("---\nlicense: cc-by-4.0\n---\n# Streets\nMine.\n")
    pushed(hub, data, card=card)
    text = hub.files(NAME, kind="dataset")["README.md"].decode()
    assert text.startswith("---\nlicense: cc-by-4.0\n")
    assert text.endswith("---\n# Streets\nMine.\n")
    assert "dataset_info" in yaml.safe_load(text.split("---\n")[1])
    card.write_text("---\ndataset_info:\n  splits: []\n---\n")
    with pytest.raises(InputError, match="the card must leave dataset_info to cris: remove"):
        pushed(hub, data, card=card)
    card.write_bytes(b"\xff")
    with pytest.raises(InputError, match=r"card\.md must be text in UTF-8"):
        pushed(hub, data, card=card)


def test_a_later_push_replaces_the_files_and_the_earlier_commit_stays(
    hub: Hub, data: Path, tmp_path: Path
) -> None:
    hub.put(NAME, {"teaser.png": b"image"}, kind="dataset")
    first = pushed(hub, data)
    write(tmp_path / "less", records(2))
    second = pushed(hub, tmp_path / "less")
    assert set(hub.files(NAME, kind="dataset")) == {"README.md", "teaser.png", "train-00000-of-00001.parquet"}
    assert list(StoredDataset(fetch_dataset(second))) == records(2)
    assert list(StoredDataset(fetch_dataset(first))) == list(StoredDataset(data))


def test_files_that_others_wrote_again_still_give_every_split_s_samples(
    hub: Hub, data: Path, tmp_path: Path
) -> None:
    push_dataset(data, NAME)
    folder = tmp_path / "parquet"
    folder.mkdir()
    for name, content in hub.files(NAME, kind="dataset").items():
        if name.endswith(".parquet"):
            table = pq.read_table(_saved(content, name))
            pq.write_table(table.slice(0).combine_chunks(), folder / name, row_group_size=2)
    files = published_files(folder)
    manifest = store_published(files, tmp_path / "again", command="test")
    before, after = StoredDataset(data), StoredDataset(tmp_path / "again")
    assert manifest.splits == before.manifest.splits
    known = {each.picture_id: each for each in before}
    for each in after:
        assert replace(each, entries=(), scores=None) == replace(
            known[each.picture_id], entries=(), scores=None
        )
        scored = dict(zip(known[each.picture_id].entries, known[each.picture_id].scores or (), strict=False))
        assert set(each.entries) == set(known[each.picture_id].entries)
        assert each.scores is None or [scored[entry] for entry in each.entries] == list(each.scores)


def test_no_file_is_written_for_a_name_or_a_token_that_cannot_do(
    hub: Hub, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cris.data.push.export", None)
    with pytest.raises(InputError, match="a repository of the hub must be OWNER/NAME, got 'streets'"):
        push_dataset(data, "streets")
    monkeypatch.delenv("HF_TOKEN")
    with pytest.raises(InputError, match="needs a token of the hub that is valid: log in with"):
        push_dataset(data, NAME)


def test_what_is_not_ours_says_which_command_reads_it(hub: Hub) -> None:
    pq.write_table(pa.table({"a": [1]}), "other.parquet")
    commit = hub.put(NAME, {"train-0.parquet": Path("other.parquet").read_bytes()}, kind="dataset")
    with pytest.raises(InputError, match="is none that cris data push wrote: cris data hub converts others"):
        open_dataset(f"hf://datasets/{NAME}@{commit}")
    with pytest.raises(InputError, match="must be hf://datasets/OWNER/NAME@REVISION, a revision that never"):
        open_dataset(f"hf://datasets/{NAME}@main")


def test_a_private_data_set_says_to_log_in(hub: Hub, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    address = pushed(hub, data, private=True)
    monkeypatch.delenv("HF_TOKEN")
    with pytest.raises(InputError, match="if it is private, log in with `hf auth login` or set HF_TOKEN"):
        open_dataset(address)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(ConnectionError, match=r"cannot download hf://datasets/me/streets@"):
        open_dataset(address)


def test_a_push_or_a_pull_that_is_killed_is_done_again(hub: Hub, data: Path, tmp_path: Path) -> None:
    before = {"README.md": b"mine"}
    hub.put(NAME, before, kind="dataset")
    kill_at(
        hub, "PUT /lfs", tmp_path, f"from cris.data.push import push_dataset; push_dataset('data', {NAME!r})"
    )
    assert hub.files(NAME, kind="dataset") == before
    address = pushed(hub, data)
    kill_at(hub, "GET /cdn/", tmp_path, f"from cris import open_dataset; open_dataset({address!r}, 'val')")
    assert list(StoredDataset(fetch_dataset(address))) == list(StoredDataset(data))


def test_a_download_with_another_hash_is_thrown_away(hub: Hub, data: Path) -> None:
    address = pushed(hub, data)
    size = len(hub.files(NAME, kind="dataset")["testA-00000-of-00001.parquet"])
    hub.fail("GET /cdn/", body=bytes(size), times=1)
    with pytest.raises(InputError, match="parquet must have sha256"):
        fetch_dataset(address)
    assert list(StoredDataset(fetch_dataset(address))) == list(StoredDataset(data))
