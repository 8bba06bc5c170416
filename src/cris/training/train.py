"""Training as a function: a recipe, data and a folder in, a trained model out."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from cris.data.open import Data
from cris.errors import InputError, UsageError
from cris.model.encoders import OwnImageEncoder
from cris.training.config import TrainConfig, changed
from cris.training.limits import check_limits
from cris.training.loop import Outcome, fit
from cris.training.loss import Loss, loss_names
from cris.training.recipe_choice import Recipe, config_of, data_of
from cris.training.setup import build_model, find_initial_weights, gather_setup
from cris.training.state import holds_run


def train(
    recipe: Recipe,
    *,
    data: Data = (),
    out: str | Path,
    start: str | Path = "",
    resume: bool = False,
    overwrite: bool = False,
    losses: Sequence[Loss] = (),
    image_encoder: OwnImageEncoder | None = None,
    progress: bool = True,
    **overrides: object,
) -> Outcome:
    """Train a model by a recipe, or go on with a run; SIGTERM and SIGINT save before they end it.

    Args:
        recipe: name of a recipe (docs/training.md), a `TrainConfig`, or a function that returns one.
        data: folder of a data set with splits train and val, several for their union, or "scenes"; recipes
            of scenes need none. Data sets of your own come by their splits: `{"train": mine, "val": other}`.
        out: the run's folder: config.json, metrics.jsonl and checkpoints/, last, best and the newest step-N.
        start: weights to begin with, in place of the recipe's: a registered name, a checkpoint or run folder,
            or a file of CLIP's.
        resume: go on with the run in `out`, if there is one.
        overwrite: remove the run in `out` and begin anew.
        losses: additional terms of the loss: functions from the logits (sentences, 1, h4, w4) and their
            `Batch` to a scalar tensor. A run can only be resumed with losses of the same names.
        image_encoder: an image encoder in place of the recipe's, see `cris.model.build.build_cris`.
        progress: show on stderr how the run goes on.
        **overrides: fields of the configuration that differ from the recipe's; of a part, those of its fields
            that do: `steps=500, optimizer={"learning_rate": 1e-4}`.

    Raises:
        UsageError: there is no such recipe or field, or a value makes no sense.
        InputError: the data or the weights cannot be used, or `out` holds another run.
        MemoryError: the run does not fit; says what helps.
    """
    folder = Path(out)
    config = configured(recipe, start=start, losses=losses, **overrides)
    found = data if isinstance(data, Mapping) else data_of(data, config.recipe)
    if not resume and not overwrite and holds_run(folder):
        raise InputError(f"{folder} holds a run: pass --resume to go on, or --overwrite, or choose another")
    begin = find_initial_weights(config.start, image_encoder=image_encoder) if config.start else None
    setup = gather_setup(found, config, begin)
    config = replace(config, data=setup.fingerprints, start_sha256="" if begin is None else begin.fingerprint)
    model = build_model(config, begin, image_encoder=image_encoder)
    config = replace(config, model=model.config)  # which names an image encoder that was given
    return fit(config, model, setup, folder, losses=losses, overwrite=overwrite, progress=progress)


def configured(
    recipe: Recipe, *, start: str | Path = "", losses: Sequence[Loss] = (), **overrides: object
) -> TrainConfig:
    """Return the configuration of a run but for its data; arguments and errors are those of `train`."""
    config = config_of(recipe, str(start))
    if not isinstance(config, TrainConfig):
        raise UsageError(
            f"a recipe must be a name, a TrainConfig or a function returning one, got {config!r}"
        )
    config = changed(config, overrides | ({"start": str(start)} if start else {}))
    names = loss_names(losses)
    if config.losses and config.losses != names:
        raise UsageError(
            f"the configuration is of a run with the losses {', '.join(config.losses)}: pass these "
            f"functions, got {', '.join(names) or 'none'}"
        )
    config = replace(config, losses=names)
    check_limits(config)
    return config
