"""`cris data push`: a data set, put on the Hugging Face hub."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from cris.jobs import to_json


@dataclass(frozen=True, kw_only=True)
class Command:
    """Put a data set into a repository of the Hugging Face hub, as Parquet, in one commit.

    datasets.load_dataset opens it as OWNER/NAME then, and cris as hf://datasets/OWNER/NAME@REVISION. It takes
    a token: `hf auth login`, or HF_TOKEN.
    """

    data: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="DIR")]
    """Data set to push."""
    repository: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="OWNER/NAME")]
    """Repository, which is made if need be; Parquet files of an earlier push go away."""
    private: bool = False
    """Make a new repository private, and refuse one that is public."""
    revision: Annotated[str | None, tyro.conf.arg(metavar="BRANCH")] = None
    """Branch, made if need be; main by default."""
    card: Annotated[Path | None, tyro.conf.arg(metavar="FILE")] = None
    """Markdown for its page, with the licence in the front matter; what datasets needs is added."""
    message: Annotated[str | None, tyro.conf.arg(metavar="TEXT")] = None
    """First line of the commit's message."""
    as_json: Annotated[bool, tyro.conf.arg(name="json")] = False
    """Print repository and commit as JSON, and nothing else."""

    def run(self) -> int:
        """Push, and print the commit's address and how to open it."""
        from cris.cli.console import show
        from cris.data.push import push_dataset

        commit = push_dataset(
            self.data,
            self.repository,
            private=self.private or None,
            revision=self.revision,
            card=self.card,
            commit_message=self.message,
        )
        if self.as_json:
            sys.stdout.write(to_json({"repository": self.repository, "commit": commit}))
        else:
            address = f"hf://datasets/{self.repository}@{commit.rpartition('/')[2]}"
            show(f"{commit}\n  cris train and cris eval take it as {address}")
        return 0
