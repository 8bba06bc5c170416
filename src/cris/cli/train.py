"""`cris train`: train a model by a recipe."""

import difflib
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Literal

import tyro

from cris.cli.errors import UsageError
from cris.cli.parsing import parse_options
from cris.config_file import CONFIG, StoredConfig, read_config, to_json
from cris.errors import InputError
from cris.registry import DEFAULT_MODEL, SCENES_MODEL, names_clip, resolve
from cris.training.config import TrainConfig, read_config_file
from cris.training.limits import check_limits
from cris.training.recipes import FAMILIES, FINETUNE, RECIPES, WORDS, finetune, learns_scenes


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
    resume: Literal["auto", "never"] = "never"
    """auto goes on with the run in DIR, or begins it; never refuses a folder that holds a run."""
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
            sys.stdout.write(json.dumps(to_json(self.config), indent=2) + "\n")
            return 0
        if self.dry_run:
            return self._dry_run()
        if self.out is None:
            raise UsageError("a run needs a folder: pass --out DIR")
        data = data_for(self.data, self.config.recipe)
        from cris.training.loop import train
        from cris.training.material import build_model, find_start, gather_material
        from cris.training.state import holds_run

        if self.resume == "never" and holds_run(self.out):
            raise InputError(f"{self.out} holds a run: pass --resume auto to go on, or choose another --out")
        start = find_start(self.config.start) if self.config.start else None
        material = gather_material(data, self.config, start)
        config = replace(
            self.config, data=material.fingerprints, start_sha256=start.fingerprint if start else ""
        )
        outcome = train(config, build_model(config, start), material, self.out)
        if not outcome.is_first:
            return 0
        best = "not measured" if outcome.best is None else f"{outcome.best:.3f}"
        sys.stdout.write(f"{outcome.step} steps; best validation mean IoU {best}; model: {self.out}\n")
        if outcome.damaged:
            sys.stdout.write(
                f"{len(outcome.damaged):,} images could not be decoded and were passed over: cris data check "
                "names them\n"
            )
        return 128 + outcome.stopped_by if outcome.stopped_by else 0

    def _dry_run(self) -> int:
        """Report what the run needs; initial weights are not needed, and data only where it is named."""
        from cris.training.dry_run import dry_run

        if learns_scenes(self.config.recipe):
            data = data_for(self.data, self.config.recipe)
        else:
            data = self.data
        estimate = dry_run(self.config, data)
        if estimate.is_first:
            sys.stdout.write(f"{estimate}\n")
            sys.stdout.flush()
        estimate.check(self.config)
        return 0


def data_for(named: Sequence[str], recipe: str) -> tuple[str, ...]:
    """Return the data of a recipe: what was named, or scenes for a recipe of these.

    Raises:
        UsageError: nothing was named for a recipe that says of its data by its name.
    """
    if named:
        return tuple(named)
    if learns_scenes(recipe):
        return ("scenes",)
    raise UsageError(f"{recipe} needs data: pass --data DIR, a data set that cris data made")


def parse(prog: str, arguments: Sequence[str]) -> Command:
    """Return the command with the recipe's own values as defaults.

    Raises:
        UsageError: there is no such recipe, or it needs a model to begin with, or a number makes no sense.
    """
    words = list(arguments)
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
        raise UsageError(f"a run needs a recipe, first of all: {_all_names()}")
    default = Command(recipe=named or config.recipe, config=config)
    command: Command = parse_options(
        Command, prog, words, default=default, config=(tyro.conf.AvoidSubcommands,)
    )
    try:
        check_limits(command.config)
    except InputError as error:
        raise UsageError(str(error)) from error
    return command


def _value_of(option: str, words: Sequence[str]) -> str:
    """Return the value that an option is given; empty when it is not there."""
    for place, word in enumerate(words):
        if word.startswith(f"{option}="):
            return word.partition("=")[2]
        if word == option and place + 1 < len(words):
            return words[place + 1]
    return ""


def _recipe(name: str, start: str, *, is_help: bool) -> TrainConfig:
    if name == FINETUNE:
        return finetune(_config_of(start, is_help=is_help))
    if name not in RECIPES:
        close = difflib.get_close_matches(name, [*RECIPES, FINETUNE], n=1)
        hint = f"did you mean {close[0]!r}?" if close else f"the recipes are {_all_names()}"
        raise UsageError(f"there is no recipe {name!r}: {hint}")
    return RECIPES[name]()


def _config_of(start: str, *, is_help: bool) -> StoredConfig:
    """Return the sizes of the model to finetune; for the help, of the default model where there is none."""
    try:
        if not start:
            raise UsageError("finetune needs a model to begin with: pass --from MODEL")
        if names_clip(start) or Path(start).is_file():
            raise UsageError(
                f"finetune goes on with a trained model, {start} holds weights of encoders alone: make a "
                f"model of them with cris convert clip {start} --out DIR, and pass --from DIR"
            )
        folder = resolve(start)
        if not (folder / CONFIG).is_file():
            raise InputError(f"{folder} is no checkpoint folder: it has no {CONFIG}")
        return read_config(folder / CONFIG)
    except (InputError, OSError):
        if not is_help:
            raise
        shown = (resolve(name) / CONFIG for name in (DEFAULT_MODEL, SCENES_MODEL))
        return read_config(next(file for file in shown if file.is_file()))


def _all_names() -> str:
    """Return the names of all recipes in one line that can be read."""
    data, families = " | ".join(WORDS), " | ".join(FAMILIES)
    own = f"cris-photos, cris-scenes, scenes-tiny-({families}), {FINETUNE}"
    return f"({data})-(rn50 | rn101)-({families}), {own}"
