"""`cris train`: trains a model by a recipe."""

import argparse
import dataclasses
import difflib
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Literal

import tyro

from cris.cli.errors import UsageError
from cris.errors import InputError
from cris.training.config import TrainConfig
from cris.training.limits import check_limits
from cris.training.recipes import FAMILIES, FINETUNE, RECIPES, WORDS, finetune


@dataclass(frozen=True, kw_only=True)
class Command:
    """Trains a model by a recipe; what is left out is as the recipe has it.

    The run's folder gets config.json, metrics.jsonl and checkpoints/: last, best and the newest step-N, each
    a folder that every command takes as a model. SIGTERM and SIGINT (Ctrl-C) save before they end the run.
    """

    recipe: tyro.conf.Positional[str]
    """data-backbone-family, cris-scenes or finetune; `cris train` alone lists them."""
    data: Annotated[tuple[str, ...], tyro.conf.arg(metavar="DIR|scenes")] = ("scenes",)
    """What to train on: a data set (see cris data) with splits train and val, several for their union, or
    scenes, made on the fly."""
    out: Annotated[Path | None, tyro.conf.arg(metavar="DIR")] = None
    """Folder of the run."""
    resume: Literal["auto", "never"] = "never"
    """auto goes on with the run in DIR, or begins it; never refuses a folder that holds a run."""
    print_config: bool = False
    """Print all that the run would be made of, as JSON, and stop."""
    dry_run: bool = False
    """Build everything, take two steps, tell what time and memory the run needs, and stop."""
    config: Annotated[TrainConfig, tyro.conf.arg(name="")]

    def run(self) -> int:
        """Trains, telling how it goes."""
        if self.print_config:
            sys.stdout.write(json.dumps(dataclasses.asdict(self.config), indent=2) + "\n")
            return 0
        if self.out is None and not self.dry_run:
            raise UsageError("a run needs a folder: pass --out DIR")
        from cris.training.dry_run import dry_run
        from cris.training.loop import train
        from cris.training.material import build_model, find_start, gather_material
        from cris.training.state import holds_run, last_checkpoint

        if self.out is not None and self.resume == "never" and holds_run(self.out):
            raise InputError(f"{self.out} holds a run: pass --resume auto to go on, or choose another --out")
        start = find_start(self.config.start) if self.config.start else None
        material = gather_material(self.data, self.config, start)
        config = replace(
            self.config, data=material.fingerprints, start_sha256=start.fingerprint if start else ""
        )
        model = build_model(config, start)
        if self.out is None or self.dry_run:
            estimate = dry_run(config, model, material)
            sys.stdout.write(f"{estimate}\n" if estimate.is_first else "")
            return 0
        outcome = train(config, model, material, self.out)
        if not outcome.is_first:
            return 0
        best = "not measured" if outcome.best is None else f"{outcome.best:.3f}"
        sys.stdout.write(
            f"{outcome.step} steps; best validation mean IoU {best}; model: {last_checkpoint(self.out)}\n"
        )
        return 128 + outcome.stopped_by if outcome.stopped_by else 0


def parse(prog: str, arguments: Sequence[str]) -> Command:
    """The command with the recipe's own values as defaults.

    Raises:
        UsageError: there is no such recipe, or it needs a model to begin with, or a number makes no sense.
    """
    first = argparse.ArgumentParser(prog=prog, add_help=False, allow_abbrev=False)
    first.add_argument("recipe", nargs="?")
    first.add_argument("--from", dest="start", default="")
    known, _ = first.parse_known_args([each for each in arguments if each not in ("-h", "--help")])
    if known.recipe is None and not {"-h", "--help"} & set(arguments):
        raise UsageError(f"a run needs a recipe: {_all_names()}")
    default = Command(recipe=known.recipe or "", config=_recipe(known.recipe or "cris-scenes", known.start))
    command = tyro.cli(
        Command, prog=prog, args=list(arguments), default=default, config=(tyro.conf.FlagCreatePairsOff,)
    )
    try:
        check_limits(command.config)
    except InputError as error:
        raise UsageError(str(error)) from error
    return command


def _recipe(name: str, start: str) -> TrainConfig:
    if name == FINETUNE:
        if not start:
            raise UsageError("finetune needs a model to begin with: pass --from MODEL")
        from cris.training.material import find_start

        checkpoint = find_start(start).checkpoint
        if checkpoint is None:
            raise UsageError(f"finetune goes on with a trained model, got CLIP's weights {start}")
        return finetune(checkpoint)
    if name not in RECIPES:
        close = difflib.get_close_matches(name, [*RECIPES, FINETUNE], n=1)
        hint = f"did you mean {close[0]!r}?" if close else f"the recipes are {_all_names()}"
        raise UsageError(f"there is no recipe {name!r}: {hint}")
    return RECIPES[name]()


def _all_names() -> str:
    """In one line that can be read."""
    data, families = " | ".join(WORDS), " | ".join(FAMILIES)
    return f"({data})-(rn50 | rn101)-({families}), cris-scenes, scenes-tiny-({families}), {FINETUNE}"
