"""Data sets put on the Hugging Face hub."""

import tempfile
from pathlib import Path

from cris.card import CARD
from cris.data.store.dataset_card import dataset_card
from cris.data.store.export import export
from cris.data.store.reading import StoredDataset
from cris.errors import InputError
from cris.progress import track
from cris.push import check_repository, push


def push_dataset(
    data: str | Path,
    repository: str,
    *,
    private: bool | None = None,
    revision: str | None = None,
    card: Path | None = None,
    commit_message: str | None = None,
    token: str | None = None,
) -> str:
    """Put a data set into a repository of the hub, as Parquet with a card; return the commit's address.

    All is in one commit, in which the Parquet files of an earlier push go away. `open_dataset` reads it
    again, with the same samples in the same order; images that no sentence is about stay behind.

    Args:
        data: folder of the data set.
        repository: OWNER/NAME, made if need be.
        private: whether a repository that is made is private; None for what the owner has set on the hub.
        revision: branch, made if need be; None for main.
        card: Markdown for its page in place of the usual text; `dataset_info` and `configs` are added.
        commit_message: first line of the commit's message.
        token: token of the hub; None for HF_TOKEN or the one stored by `hf auth login`.

    Raises:
        InputError: it is no data set, the card cannot be used, or the hub refuses it.
        ConnectionError: the hub cannot be reached, or the connection broke; the repository has nothing of it.
    """
    check_repository(repository, token)  # here, as writing the files may take hours
    dataset = StoredDataset(data)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        for _ in track(export(dataset, folder, "datasets"), total=len(dataset), what="images"):
            pass
        text = dataset_card(folder, dataset.manifest, repository, _own(card))
        (folder / CARD).write_text(text, encoding="utf-8", newline="\n")
        return push(
            repository,
            {path.name: path for path in [*sorted(folder.glob("*.parquet")), folder / CARD]},
            kind="dataset",
            replaced=(".parquet",),
            private=private,
            revision=revision,
            commit_message=commit_message or "Upload a data set of cris",
            token=token,
        )


def _own(card: Path | None) -> str:
    if card is None:
        return ""
    try:
        return card.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise InputError(f"{card} must be text in UTF-8: {error}") from error
