"""What commands share that run other commands: options passed on to `cris train`, and folders that go on."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import tyro

from cris.cli.errors import UsageError
from cris.cli.parsing import parse_options
from cris.errors import InputError

Experiment = TypeVar("Experiment", bound=Any)
_OURS = ("--data", "--out", "--resume", "--print-config", "--dry-run")
"""Options of `cris train` that an experiment gives itself."""


def split_options(command: type[Experiment], prog: str, arguments: Sequence[str]) -> Experiment:
    """The command from what stands before --; what follows becomes its `options`, for `cris train`.

    Raises:
        UsageError: an option is given there that the experiment decides.
    """
    words = list(arguments)
    end = words.index("--") if "--" in words else len(words)
    passed = tuple(words[end + 1 :])
    for word in passed:
        if word.split("=")[0] in _OURS:
            raise UsageError(
                f"{word} stands after --, but is not for cris train to decide here: put it before"
            )
    experiment: Experiment = parse_options(command, prog, words[:end], config=(tyro.conf.OmitArgPrefixes,))
    return replace(experiment, options=passed)


def check_out(out: Path, *, is_resumed: bool) -> None:
    """Raises InputError where a new experiment would go into a folder that holds something."""
    if out.exists() and not out.is_dir():
        raise InputError(f"--out must name a folder, {out} is a file")
    if not is_resumed and out.is_dir() and any(out.iterdir()):
        raise InputError(f"{out} is not empty: pass --resume to go on with its experiment, or choose another")
