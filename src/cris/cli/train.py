"""`cris train`: train a model by a recipe."""

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Annotated

import tyro

from cris.cli.errors import UsageError
from cris.cli.parsing import parse_options
from cris.config_file import CONFIG, read_config
from cris.config_file import to_json as config_to_json
from cris.errors import InputError
from cris.jobs import to_json
from cris.registry import DEFAULT_MODEL, SCENES_MODEL, resolve
from cris.training.config import TrainConfig, read_config_file
from cris.training.limits import check_limits
from cris.training.recipe_choice import all_names, data_of, named_recipe
from cris.training.recipes import FINETUNE, RECIPES, finetune, learns_scenes


@dataclass(frozen=True, kw_only=True)
class Command:
    """Train a model by a recipe; what is left out is as the recipe has it.

    The run's folder gets config.json, metrics.jsonl and checkpoints/: last, best and the newest step-N. Every
    command takes the folder as a model, the best checkpoint, and each of these as another. SIGTERM and SIGINT
    (Ctrl-C) save before they end the run.
    """

    recipe: tyro.conf.Positional[str]
    """Recipe, first of all: data-backbone-family, cris-scenes or finetune; `cris train` alone lists them."""
    data: Annotated[
        tuple[str, ...],
        tyro.conf.arg(metavar="DIR|scenes", help_behavior_hint="(default: scenes for recipes of scenes)"),
    ] = ()
    """Data to train on: a data set (see cris data) with splits train and val, several for their union, or
    scenes, made on the fly. All recipes but those of scenes need it."""
    out: Annotated[Path | None, tyro.conf.arg(metavar="DIR")] = None
    """Folder of the run."""
    resume: bool = False
    """Go on with the run in DIR, or begin it if there is none."""
    overwrite: bool = False
    """Remove the run in DIR, and begin anew."""
    as_json: Annotated[bool, tyro.conf.arg(name="json")] = False
    """Print the outcome as one JSON object, and nothing else."""
    config_file: Annotated[Path | None, tyro.conf.arg(name="config", metavar="FILE")] = None
    """Take every option's value from FILE, in place of a recipe's: what --print-config printed, or a run's
    config.json; options beside it change single ones."""
    print_config: bool = False
    """Print all that the run would be made of, as JSON for --config, and stop."""
    dry_run: bool = False
    """Measure few images, tell what time and memory the run needs, and stop; 1 where it does not fit."""
    config: Annotated[TrainConfig, tyro.conf.arg(name="")]

    def run(self) -> int:
        """Train, and report progress."""
        if self.print_config:
            sys.stdout.write(json.dumps(config_to_json(self.config), indent=2) + "\n")
            return 0
        if self.dry_run:
            return self._dry_run()
        if self.out is None:
            raise UsageError("a run needs a folder: pass --out DIR")
        from cris.training.train import train

        outcome = train(
            self.config, data=self.data, out=self.out, resume=self.resume, overwrite=self.overwrite
        )
        if not outcome.is_first:
            return 0
        sys.stdout.write(to_json(outcome.to_dict()) if self.as_json else f"{outcome}\n")
        return 128 + outcome.stopped_by if outcome.stopped_by else 0

    def _dry_run(self) -> int:
        """Report what the run needs; initial weights are not needed, and data only where it is named."""
        from cris.training.dry_run import dry_run

        if learns_scenes(self.config.recipe):
            data = data_of(self.data, self.config.recipe)
        else:
            data = self.data
        estimate = dry_run(self.config, data)
        if estimate.is_first:
            sys.stdout.write(f"{estimate}\n")
            sys.stdout.flush()
        estimate.check(self.config)
        return 0


def parse(prog: str, arguments: Sequence[str]) -> Command:
    """Return the command with the recipe's own values as defaults.

    Raises:
        UsageError: there is no such recipe, or it needs a model to begin with, or a number makes no sense.
    """
    words = _resuming(arguments)
    is_help = bool({"-h", "--help"} & set(words))
    named = words[0] if words and not words[0].startswith("-") else ""
    file = _value_of("--config", words)
    if file:
        config = read_config_file(Path(file))
        if named not in ("", config.recipe):
            raise UsageError(f"{file} is of the recipe {config.recipe}, not {named}: leave the recipe out")
        words = words if named else [config.recipe, *words]
    elif named:
        config = _recipe(named, _value_of("--from", words), is_help=is_help)
    elif is_help:
        config = RECIPES["cris-scenes"]()
    else:
        raise UsageError(f"a run needs a recipe, first of all: {all_names()}")
    default = Command(recipe=named or config.recipe, config=config)
    command: Command = parse_options(
        Command, prog, words, default=default, config=(tyro.conf.AvoidSubcommands,)
    )
    check_limits(command.config)
    return command


def _resuming(words: Sequence[str]) -> list[str]:
    """Return the arguments with --resume for --resume auto, which scripts may still have."""
    joined = ["--resume" if word == "--resume=auto" else word for word in words]
    return [word for before, word in pairwise(["", *joined]) if (before, word) != ("--resume", "auto")]


def _value_of(option: str, words: Sequence[str]) -> str:
    """Return the value that an option is given; empty when it is not there."""
    for place, word in enumerate(words):
        if word.startswith(f"{option}="):
            return word.partition("=")[2]
        if word == option and place + 1 < len(words):
            return words[place + 1]
    return ""


def _recipe(name: str, start: str, *, is_help: bool) -> TrainConfig:
    """Return the recipe; for the help of finetune, of the default model where there is none."""
    try:
        return named_recipe(name, start)
    except (InputError, OSError):
        if name != FINETUNE or not is_help:
            raise
        shown = (resolve(each) / CONFIG for each in (DEFAULT_MODEL, SCENES_MODEL))
        return finetune(read_config(next(file for file in shown if file.is_file())))
