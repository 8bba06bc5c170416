"""Options that commands which run other commands pass on to `cris train`."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, TypeVar

import tyro

from cris.cli.errors import UsageError
from cris.cli.parsing import parse_options

Experiment = TypeVar("Experiment", bound=Any)
_OURS = ("--data", "--out", "--resume", "--overwrite", "--json", "--print-config", "--dry-run")
"""Options of `cris train` that an experiment gives itself."""


def split_options(command: type[Experiment], prog: str, arguments: Sequence[str]) -> Experiment:
    """Return the command from what stands before --; what follows becomes its `options`, for `cris train`.

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
