"""`cris push`: a model, put on the Hugging Face hub."""

import sys
from dataclasses import dataclass
from typing import Annotated

import tyro

from cris.jobs import to_json


@dataclass(frozen=True, kw_only=True)
class Command:
    """Put a model into a repository of the Hugging Face hub, in one commit.

    Whoever has cris opens it as OWNER/NAME then. It takes a token: `hf auth login`, or HF_TOKEN.
    """

    model: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="MODEL")]
    """Checkpoint folder, folder of a training run (its best checkpoint), or a name from `cris models`."""
    repository: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="OWNER/NAME")]
    """Repository, which is made if need be."""
    private: bool = False
    """Make a new repository private, and refuse one that is public."""
    revision: Annotated[str | None, tyro.conf.arg(metavar="BRANCH")] = None
    """Branch, made if need be; main by default."""
    message: Annotated[str | None, tyro.conf.arg(metavar="TEXT")] = None
    """First line of the commit's message."""
    as_json: Annotated[bool, tyro.conf.arg(name="json")] = False
    """Print repository and commit as JSON, and nothing else."""

    def run(self) -> int:
        """Push, and print the commit's address."""
        from cris.cli.console import show
        from cris.push import push_model

        commit = push_model(
            self.model,
            self.repository,
            private=self.private or None,
            revision=self.revision,
            commit_message=self.message,
        )
        if self.as_json:
            sys.stdout.write(to_json({"repository": self.repository, "commit": commit}))
        else:
            show(commit)
        return 0
