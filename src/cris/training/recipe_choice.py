"""Choice of a recipe and its data: by name, or a researcher's own."""

import difflib
from collections.abc import Callable, Sequence
from pathlib import Path

from cris.config_file import CONFIG, read_config
from cris.data.open import Source, sources_of
from cris.errors import InputError, UsageError
from cris.registry import names_clip, resolve
from cris.training.config import TrainConfig, changed_options
from cris.training.recipes import FAMILIES, FINETUNE, RECIPES, WORDS, finetune, learns_scenes

Recipe = str | TrainConfig | Callable[[], TrainConfig]
"""Name of a recipe, a configuration, or a function that returns one."""


def config_of(recipe: Recipe, start: str = "") -> TrainConfig:
    """Return the configuration of a recipe, with other initial weights if `start` names some.

    Raises:
        UsageError: there is no such recipe, or it needs a model to begin with.
        InputError: the model to begin with cannot be read.
    """
    if isinstance(recipe, str):
        return named_recipe(recipe, start)
    return recipe if isinstance(recipe, TrainConfig) else recipe()


def named_recipe(name: str, start: str = "") -> TrainConfig:
    """Return the configuration of that name; raises as `config_of`."""
    if name == FINETUNE:
        return finetune(read_config(_trained_model(start) / CONFIG))
    if name not in RECIPES:
        close = difflib.get_close_matches(name, [*RECIPES, FINETUNE], n=1)
        hint = f"did you mean {close[0]!r}?" if close else f"the recipes are {all_names()}"
        raise UsageError(f"there is no recipe {name!r}: {hint}")
    return RECIPES[name]()


def is_named(config: TrainConfig) -> bool:
    """Return whether `cris train` knows the recipe by its name."""
    return config.recipe in (*RECIPES, FINETUNE)


def options_of(config: TrainConfig) -> list[str]:
    """Return the options that make a configuration of its recipe by `cris train`.; raises as `config_of`."""
    return changed_options(named_recipe(config.recipe, config.start), config)


def data_of(named: Source | Sequence[Source], recipe: str) -> tuple[str, ...]:
    """Return the data of a recipe: what was named, or scenes for a recipe of these.

    Raises:
        UsageError: nothing was named for a recipe that says of its data by its name.
    """
    if sources := sources_of(named):
        return tuple(map(str, sources))
    if learns_scenes(recipe):
        return ("scenes",)
    raise UsageError(f"{recipe} needs data: pass --data DIR, a data set that cris data made")


def all_names() -> str:
    """Return the names of all recipes in one line that can be read."""
    data, families = " | ".join(WORDS), " | ".join(FAMILIES)
    own = f"grefcoco-(rn50 | rn101)-modern, cris-photos, cris-scenes, scenes-tiny-({families}), {FINETUNE}"
    return f"({data})-(rn50 | rn101)-({families}), ({data})-vitb16-(fixed | modern), {own}"


def _trained_model(start: str) -> Path:
    """Return the folder of the model to finetune."""
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
    return folder
