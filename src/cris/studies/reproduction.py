"""Reproduction of a result: checked data, a training, every split measured, a table, a model card."""

import logging
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from html import escape
from pathlib import Path
from typing import Any

from rich.text import Text

from cris.card import model_card
from cris.checkpoint import load_checkpoint, save_checkpoint
from cris.data.annotations.selection import DOUBTFUL
from cris.data.inspection.check import check_dataset
from cris.data.inspection.findings import ERROR
from cris.data.open import folder_of, manifest_of, open_dataset
from cris.data.store.manifest import Manifest
from cris.data.store.reading import StoredDataset
from cris.environment import in_one_line
from cris.errors import InputError, UsageError
from cris.evaluation.metrics import card_result, headlines
from cris.evaluation.saved import evaluate_to
from cris.evaluation.table import ResultsTable, TableEntry, make_table
from cris.files import atomic_files
from cris.jobs import begin_experiment, read_record
from cris.model.encoders import OwnImageEncoder
from cris.pages import fill
from cris.progress import track
from cris.registry import hub_name, resolve
from cris.studies.stages import TrainingStage
from cris.training.config import TrainConfig, resolved
from cris.training.loss import Loss
from cris.training.recipe_choice import Recipe, data_of, is_named, options_of
from cris.training.setup import build_stream, find_initial_weights, gather_setup
from cris.training.state import best_checkpoint
from cris.training.train import configured

TABLES = {"table.md": False, "table.tex": True}
"""File → true if it is LaTeX."""
PARTS = ("checked", "run", "results", "model", *TABLES)
"""Files that an experiment writes to its folder."""
LEAST_SAMPLES = 8
"""Least samples of each split that a rehearsal measures."""
logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class ModelCard:
    """Facts of a reproduction for its model card."""

    config: TrainConfig
    """Configuration that was trained, its length known."""
    scale: float
    """Share of the recipe's steps and samples; less than 1 is a rehearsal."""
    data: Mapping[str, Manifest]
    """Name → data set that was learned from."""
    records: Sequence[Mapping[str, Any]]
    """Records of `cris eval`, one for each split."""
    table: str
    """Table of the same figures beside the paper's, as Markdown."""
    commands: Sequence[str]
    """Commands that were run, in order."""


@dataclass(frozen=True, kw_only=True)
class Reproduction:
    """Figures of a reproduction beside the paper's."""

    table: ResultsTable
    """Table of the figures."""
    records: Sequence[Mapping[str, Any]]
    """Records of the measurements, one for each data set and split."""
    model: Path
    """Folder of the checkpoint with its card."""

    @property
    def record(self) -> dict[str, Any]:
        """Folder of the model, and the records, in plain JSON."""
        return {"model": str(self.model), "records": list(self.records)}

    def __rich__(self) -> Text:
        """Return the table, and where the model is."""
        return Text(str(self))

    def __str__(self) -> str:
        """Return the table as Markdown, and where the model is."""
        return f"{self.table.markdown()}\nmodel and card: {self.model}"

    def _repr_html_(self) -> str:
        return f"<pre>{escape(str(self))}</pre>"


def reproduce(
    recipe: Recipe,
    *,
    data: str | Path | Sequence[str | Path] = (),
    out: str | Path,
    scale: float = 1.0,
    resume: bool = False,
    overwrite: bool = False,
    start: str | Path = "",
    losses: Sequence[Loss] = (),
    image_encoder: OwnImageEncoder | None = None,
    progress: bool = True,
    **overrides: object,
) -> Reproduction:
    """Repeat a result of the paper: check the data, train, measure on every split, compare, write a card.

    Args:
        recipe: recipe to train by.
        data: folder of a data set, several for their union, or "scenes"; recipes of scenes need none.
        out: folder of the experiment: checked/, run/, results/ with a folder for each split, table.md and
            table.tex beside the paper's figures, and model/, the checkpoint with its card.
        scale: share of the steps, and of the samples measured; less than 1 is a rehearsal of everything.
        resume: go on with the experiment in `out` where it was interrupted.
        overwrite: remove an earlier experiment in `out` first.
        start: weights to begin with, as for `cris.train`.
        losses: additional terms of the loss, as for `cris.train`.
        image_encoder: in place of the recipe's, as for `cris.train`.
        progress: show progress on stderr.
        **overrides: fields of the configuration that differ from the recipe's, as for `cris.train`.

    Raises:
        UsageError: there is no such recipe or field, or a value makes no sense.
        InputError: the data or the weights cannot be used or are broken, or `out` holds something else.
    """
    if not 0 < scale <= 1:
        raise UsageError(f"scale must be a share above 0 and at most 1, got {scale}")
    config = configured(recipe, start=start, losses=losses, **overrides)
    sources = data_of(data, config.recipe)
    known = {source: manifest_of(source) for source in sources}
    begin = find_initial_weights(config.start) if config.model.tokenizer == "stored" else None
    setup = gather_setup(sources, config, begin)
    length = resolved(config, build_stream(config, setup).groups_per_epoch).length
    config = replace(config, steps=rehearsed(length, scale, 1))
    folder = Path(out)
    begin_experiment(folder, PARTS, is_resumed=resume, overwrite=overwrite)
    for source, manifest in known.items():
        _check_once(source, manifest, folder / "checked", progress=progress)
    training = TrainingStage(
        config=config,
        data=sources,
        out=folder / "run",
        losses=losses,
        image_encoder=image_encoder,
        progress=progress,
    )
    training.run()
    measurements = [
        Measurement(data=source, split=split, count=count, limit=rehearsed(count, scale, LEAST_SAMPLES))
        for source, manifest in known.items()
        for split, count in measured_splits(manifest).items()
    ]
    records = [one.record(folder, config.recipe, progress=progress) for one in measurements]
    table = make_table([TableEntry(record=record) for record in records])
    with atomic_files(folder) as partial:
        for name, is_latex in TABLES.items():
            text = table.latex() if is_latex else table.markdown()
            (partial / name).write_text(text, encoding="utf-8")
    card = ModelCard(
        config=config,
        scale=scale,
        data={Path(source).name: manifest for source, manifest in known.items()},
        records=records,
        table=table.markdown(),
        commands=[
            *(shlex.join(["cris", "data", "check", source]) for source in sources if known[source].files),
            _training_command(training),
            *(one.command(folder) for one in measurements),
        ],
    )
    write_model(best_checkpoint(folder / "run"), folder / "model", card)
    return Reproduction(table=table, records=records, model=folder / "model")


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """Measurement of the trained model on one split."""

    data: str
    split: str
    count: int
    """Number of samples that the split has."""
    limit: int
    """Number of samples that are measured."""

    def results(self, out: Path) -> Path:
        """Return the folder of the results in that of the experiment."""
        return out / "results" / f"{Path(self.data).name}-{self.split}"

    def record(self, out: Path, recipe: str, *, progress: bool) -> dict[str, Any]:
        """Measure, unless it was done before; return the record, under the names of data set and recipe."""
        logger.info("measuring on %s, %s", self.data, self.split)
        limit = None if self.limit == self.count else self.limit
        results = self.results(out)
        evaluate_to(
            results,
            resolve(out / "run"),
            open_dataset(self.data, self.split, limit),
            model=str(out / "run"),
            data=self.data,
            split=self.split,
            limit=limit,
            resume=True,
            overwrite=True,
            progress=progress,
        )
        return read_record(results) | {"data": Path(self.data).name, "model": recipe}

    def command(self, out: Path) -> str:
        """Return the command that does the same."""
        limit = [] if self.limit == self.count else ["--limit", str(self.limit)]
        words = ["cris", "eval", str(out / "run"), self.data, "--split", self.split, *limit]
        return shlex.join([*words, "--out", str(self.results(out)), "--resume"])


def _check_once(source: str, manifest: Manifest, done: Path, *, progress: bool) -> None:
    """Check a data set, which reads everything, unless an earlier check has found it good."""
    if not manifest.files or (done / manifest.fingerprint).exists():
        return  # nothing is stored of what is rendered as it is needed
    logger.info("checking %s", source)
    dataset = StoredDataset(folder_of(source))
    findings = check_dataset(
        dataset, lambda records: track(records, total=len(dataset), what="images", is_shown=progress)
    )
    if broken := [finding for finding in findings if finding.severity == ERROR]:
        raise InputError(
            f"{source} is broken: {broken[0].where}: {broken[0].what}; cris data check {source} tells "
            f"{'it all' if len(broken) == 1 else f'this and {len(broken) - 1:,} more'}"
        )
    done.mkdir(parents=True, exist_ok=True)
    (done / manifest.fingerprint).touch()


def _training_command(stage: TrainingStage) -> str:
    """Return the command that does the same; of a recipe of one's own as far as a command can."""
    config = stage.config
    if is_named(config):
        what = [config.recipe, *options_of(config)]
    else:
        what = ["--config", str(stage.out / "config.json")]
    name, *options = what
    return shlex.join(["cris", "train", name, "--data", *stage.data, "--out", str(stage.out), *options])


def measured_splits(manifest: Manifest) -> dict[str, int]:
    """Return splits to measure on → sentences in each: not train, nor what a review found wrong."""
    return {
        name: counts.sentences
        for name, counts in manifest.splits.items()
        if name != "train" and not name.endswith(DOUBTFUL) and counts.sentences
    }


def rehearsed(count: int, scale: float, least: int) -> int:
    """Return that share of steps or samples, but not less than `least` of them."""
    return min(count, max(least, round(scale * count)))


def write_model(source: Path, target: Path, card: ModelCard) -> None:
    """Put a checkpoint into the folder `target`, with its card."""
    checkpoint = load_checkpoint(source)
    parameters = sum(parameter.numel() for parameter in checkpoint.model.parameters()) / 1e6
    text = fill(
        "studies/card.md.jinja",
        card=card,
        metrics=headlines(card.records[0]),
        config=card.config,
        parameters=parameters,
        inference=checkpoint.inference,
        measured_with=in_one_line(card.records[0]["environment"]),
    )
    began_as = hub_name(card.config.start) if card.config.start else None
    told = model_card(
        f"{text}\n",
        name=card.config.recipe,
        base_models=[began_as] if began_as else (),
        datasets=[name for each in card.data.values() if (name := each.hub_name)],
        # a rehearsal says nothing of the model
        results=[card_result(one["data"], one["split"], one) for one in card.records if card.scale == 1],
    )
    parts = (target, checkpoint.model, checkpoint.tokenizer, checkpoint.inference)
    save_checkpoint(*parts, card=told, overwrite=True)
