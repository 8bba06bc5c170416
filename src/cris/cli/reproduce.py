"""`cris reproduce`: check → train → measure on every split → table beside the paper's → model card."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from cris.cli.console import show
from cris.cli.errors import UsageError
from cris.cli.experiment import split_options
from cris.files import atomic_files
from cris.jobs import check_resumable

if TYPE_CHECKING:
    from cris.data.store.manifest import Manifest
    from cris.training.config import TrainConfig

TABLES = {"table.md": False, "table.tex": True}
"""File → true if it is LaTeX."""


@dataclass(frozen=True, kw_only=True)
class Command:
    """Repeat a result of the paper: check the data, train, measure on every split, compare, write a card.

    OUT gets checked/, run/, results/ with a folder for each split, table.md and table.tex beside the paper's
    figures, and model/, the checkpoint with its card. Each stage is a command that is printed and goes on
    where it was interrupted. What follows -- goes to cris train.
    """

    recipe: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="RECIPE")]
    """Recipe: data-backbone-family, refcoco-rn50-fixed say; see cris train."""
    data: Annotated[
        tuple[str, ...],
        tyro.conf.arg(metavar="DIR|scenes", help_behavior_hint="(default: scenes for recipes of scenes)"),
    ] = ()
    """Prepared data set (see cris data), several for their union, or scenes."""
    out: Annotated[Path, tyro.conf.arg(metavar="DIR")]
    """Folder of the experiment."""
    scale: float = 1.0
    """Share of the steps, and of the samples measured; less than 1 is a rehearsal of everything."""
    resume: bool = False
    """Go on with the experiment in DIR where it was interrupted."""
    options: tyro.conf.Suppress[tuple[str, ...]] = ()
    """Options for cris train."""

    def run(self) -> int:
        """Run whatever is not done yet, then write tables and the card."""
        from cris.cli.train import data_for
        from cris.data.open import manifest_of
        from cris.studies.stages import run_stage

        if not 0 < self.scale <= 1:
            raise UsageError(f"--scale must be a share above 0 and at most 1, got {self.scale}")
        sources = data_for(self.data, self.recipe)
        config = self._config(sources)
        data = {source: manifest_of(source) for source in sources}
        check_resumable(self.out, is_resumed=self.resume)
        stages = [*self._checks(data), self._training(config, sources), *self._measurements(data)]
        for stage in stages:
            if stage[:2] == ["data", "check"]:
                self._check_once(stage, data[stage[2]])
            else:
                run_stage(stage)
        self._write(config, data, [shlex.join(["cris", *stage]) for stage in stages])
        return 0

    def _config(self, sources: Sequence[str]) -> "TrainConfig":
        """Return the configuration to train, its length known."""
        from cris.cli.train import parse as parse_train
        from cris.studies.reproduction import rehearsed
        from cris.training.config import resolved
        from cris.training.material import build_stream, gather_material

        config = parse_train("cris reproduce", [self.recipe, *self.options]).config
        material = gather_material(sources, config, None)
        config = resolved(config, build_stream(config, material).groups_per_epoch)
        return replace(config, steps=rehearsed(config.length, self.scale, 1))

    def _checks(self, data: "dict[str, Manifest]") -> list[list[str]]:
        return [["data", "check", source] for source, manifest in data.items() if manifest.files]

    def _check_once(self, stage: list[str], manifest: "Manifest") -> None:
        """Check the data, which reads everything, unless an earlier check has found it good."""
        from cris.studies.stages import run_stage

        done = self.out / "checked" / manifest.fingerprint
        if not done.exists():
            run_stage(stage)
            done.parent.mkdir(parents=True, exist_ok=True)
            done.touch()

    def _training(self, config: "TrainConfig", sources: Sequence[str]) -> list[str]:
        where = ["--data", *sources, "--out", str(self.out / "run"), "--resume", "auto"]
        return ["train", self.recipe, *where, "--steps", str(config.length), *self.options]

    def _measurements(self, data: "dict[str, Manifest]") -> list[list[str]]:
        from cris.studies.reproduction import LEAST_SAMPLES, measured_splits, rehearsed

        model = str(self.out / "run")
        stages = []
        for folder, manifest in data.items():
            for split, count in measured_splits(manifest).items():
                limit = rehearsed(count, self.scale, LEAST_SAMPLES)
                part = [] if limit == count else ["--limit", str(limit)]
                results = str(self._results(folder, split))
                stages.append(["eval", model, folder, "--split", split, *part, "--out", results, "--resume"])
        return stages

    def _results(self, folder: str, split: str) -> Path:
        return self.out / "results" / f"{Path(folder).name}-{split}"

    def _write(self, config: "TrainConfig", data: "dict[str, Manifest]", commands: list[str]) -> None:
        from cris.cli.results import read_results
        from cris.evaluation.table import Run, make_sheet
        from cris.studies.reproduction import Card, measured_splits, write_model

        records: list[dict[str, Any]] = [
            read_results(self._results(folder, split)).record
            | {"data": Path(folder).name, "model": self.recipe}
            for folder, manifest in data.items()
            for split in measured_splits(manifest)
        ]
        sheet = make_sheet([Run(record=record) for record in records])
        with atomic_files(self.out) as folder:
            for name, is_latex in TABLES.items():
                text = sheet.latex() if is_latex else sheet.markdown()
                (folder / name).write_text(text, encoding="utf-8")
        card = Card(
            config=config,
            scale=self.scale,
            data={Path(folder).name: manifest for folder, manifest in data.items()},
            records=records,
            table=sheet.markdown(),
            commands=commands,
        )
        write_model(self.out / "run" / "checkpoints" / "best", self.out / "model", card)
        show(sheet.markdown())
        show(f"model and card: {self.out / 'model'}")


def parse(prog: str, arguments: Sequence[str]) -> Command:
    """Return the command, with what follows -- kept for cris train."""
    return split_options(Command, prog, arguments)
