"""`cris doctor`: whether the installation is whole, and what to do where it is not."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass

from cris.cli.errors import UsageError


@dataclass(frozen=True, kw_only=True)
class Command:
    """Look at versions, engines, devices, extras, folders, shared memory and threads; say what to do.

    Each engine and the default model are tried. The exit code is 0 if a model can be asked here, else 1.
    """

    json: bool = False
    """Print one JSON object."""

    def run(self) -> int:
        """Print what is found."""
        from cris.doctor import diagnose
        from cris.jobs import to_json

        found = diagnose()
        sys.stdout.write(to_json(found.to_dict()) if self.json else f"{found}\n")
        return 0 if found.predicts else 1


def parse(prog: str, arguments: Sequence[str]) -> Command:
    """Return the command; without tyro too, which may be what is missing."""
    try:
        from cris.cli.parsing import parse_options
    except ModuleNotFoundError:
        if set(arguments) <= {"--json"}:
            return Command(json="--json" in arguments)
        raise UsageError(f"{prog} takes --json alone, got {' '.join(arguments)}") from None
    command: Command = parse_options(Command, prog, arguments)
    return command
