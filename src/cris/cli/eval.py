"""`cris eval`: measure a model on a data set."""

import sys
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from cris.cli.console import figures_table, in_words, progress, show
from cris.cli.errors import UsageError
from cris.errors import InputError
from cris.jobs import Job, model_sha256, read_record, to_json, write_record, written_together

if TYPE_CHECKING:
    from cris.data.dataset import Dataset
    from cris.evaluation.parts import Parts
    from cris.evaluation.results import Evaluation
    from cris.evaluation.rows import Row
    from cris.evaluation.run import Run
    from cris.model.config import InferenceConfig

ROWS = "rows.parquet"
RELEASED_THRESHOLD = 0.35
"""Threshold of the released code, whatever the checkpoint says."""


@dataclass(frozen=True, kw_only=True)
class Command:
    """Measure a model: mean and overall IoU, Pr@50 to Pr@90, intervals, the ceiling, and why it fails.

    All figures are shares of 1, of whole masks at the images' own size. docs/evaluation.md defines them,
    docs/json.md tells the fields of the JSON.
    """

    model: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="MODEL")]
    """Registered name or checkpoint folder, here or as --model."""
    data: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="DIR|scenes")]
    """Data to measure on: a data set (see cris data), or scenes, rendered on the fly."""
    split: str = "test"
    """Split to measure; scenes have train, val (1,000 samples) and test (2,000)."""
    limit: Annotated[int | None, tyro.conf.arg(metavar="N", help_behavior_hint="(default: all)")] = None
    """Measure the first N samples only; a sample is a sentence about an image."""
    out: Annotated[
        Path | None, tyro.conf.arg(metavar="DIR", help_behavior_hint="(default: nothing is written)")
    ] = None
    """Folder for _results.json, and for rows.parquet with a row for each sample."""
    as_json: Annotated[bool, tyro.conf.arg(name="json")] = False
    """Print the figures as one JSON object, and nothing else."""
    device: str = "auto"
    """Device: cpu, cuda, cuda:1, mps; auto takes the fastest that is there."""
    processes: Annotated[
        int | None,
        tyro.conf.arg(metavar="N", help_behavior_hint="(default: one for each core, at most 4; on a GPU 1)"),
    ] = None
    """Processes that share the work; any number gives the same results."""
    protocol: Annotated[
        Literal["default", "released"] | None,
        tyro.conf.arg(metavar="default|released", help_behavior_hint="(default: the checkpoint's)"),
    ] = None
    """Refuse a checkpoint for the other protocol; released also takes the released threshold, 0.35."""
    choose_threshold: bool = False
    """First choose, on split val, the threshold with the best mean IoU, and the peak threshold with the
    best gIoU, and store both in MODEL, a folder."""
    resume: bool = False
    """Go on with the same evaluation in DIR where it was interrupted."""
    overwrite: bool = False
    """Replace the results of another job in DIR."""

    def run(self) -> int:
        """Measure, print, and write when asked to."""
        evaluation = self.measure()
        if self.as_json:
            sys.stdout.write(to_json(evaluation.to_dict()))
        else:
            show(figures_table(f"{self.model} on {self.data}, {self.split}", evaluation))
            show(in_words(evaluation))
        return 0

    def measure(self) -> "Evaluation":
        """Measure, with progress on stderr, and write when asked to."""
        from cris.evaluation.evaluate import evaluate
        from cris.evaluation.results import Evaluation
        from cris.evaluation.run import Run

        dataset = self._dataset(self.split)
        checkpoint, inference = self._checkpoint()
        run = Run(checkpoint=checkpoint, dataset=dataset, threshold=inference.threshold, device=self.device)
        if self.out is None:
            return evaluate(
                checkpoint,
                dataset,
                threshold=inference.threshold,
                device=self.device,
                processes=self.processes,
            )
        from cris.evaluation.row_files import read_rows  # here: only files need pyarrow

        job = _job(run)
        if self.resume and read_record(self.out).get("identity") == job.identity:
            return Evaluation(read_rows(self.out))
        return self._written(self.out, run, inference, job)

    def _dataset(self, split: str) -> "Dataset":
        from cris.data.open import open_dataset

        return open_dataset(self.data, split, self.limit)

    def _checkpoint(self) -> "tuple[Path, InferenceConfig]":
        """Return the model's folder, and its inference settings."""
        from cris.config_file import CONFIG, read_config
        from cris.registry import resolve

        folder = resolve(self.model)
        if not (folder / CONFIG).is_file():
            raise InputError(f"{folder} is no checkpoint folder: it has no {CONFIG}")
        inference = read_config(folder / CONFIG).inference
        if self.protocol not in (None, inference.protocol):
            raise InputError(
                f"{self.model} is a checkpoint for the {inference.protocol} protocol, not for "
                f"{self.protocol}: leave out --protocol, or name another model"
            )
        if self.choose_threshold:
            return folder, replace(inference, threshold=self._chosen_threshold(folder))
        if self.protocol == "released":
            return folder, replace(inference, threshold=RELEASED_THRESHOLD)
        return folder, inference

    def _chosen_threshold(self, folder: Path) -> float:
        from cris.evaluation.threshold import choose_threshold, store_thresholds
        from cris.registry import REGISTRY
        from cris.segmenter import Segmenter

        if self.protocol == "released":
            raise UsageError(
                "the released protocol fixes the threshold: leave out --choose-threshold or --protocol"
            )
        if self.model in REGISTRY:
            raise UsageError(
                f"--choose-threshold changes the model: name a folder of yours, not {self.model}"
            )
        dataset = self._dataset("val")
        segmenter = Segmenter.from_pretrained(folder, self.device)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            choice = choose_threshold(
                segmenter, progress(dataset.images(), total=dataset.image_count, what="val pictures")
            )
        store_thresholds(folder, choice)
        if not self.as_json:
            show(f"threshold {choice.best:.2f}: mean IoU {choice.mean_ious[choice.best]:.3f} on val")
            if choice.best_giou is not None:
                chosen = choice.applied_to(segmenter.inference)
                tests = f"peak threshold {chosen.peak_threshold:.2f}"
                if chosen.presence_threshold:
                    tests += f", presence threshold {chosen.presence_threshold:.2f}"
                show(f"{tests}: {choice.best_giou:.3f} gIoU on val")
        return choice.best

    def _written(self, out: Path, run: "Run", inference: "InferenceConfig", job: Job) -> "Evaluation":
        from cris.config_file import CONFIG, read_config
        from cris.environment import environment
        from cris.evaluation.paper import backbone_of, published_name
        from cris.evaluation.parts import Parts
        from cris.evaluation.results import Evaluation
        from cris.evaluation.row_files import write_rows

        parts = Parts(out, job.identity)
        self._check(out, parts, job)
        done = sorted(parts.done() & set(range(run.parts)))
        rows = [row for part in done for row in parts.read(part)]
        missing = [part for part in range(run.parts) if part not in done]
        try:
            rows += self._rows(run, missing, parts, len(run.dataset) - len(rows))
        except BaseException:
            if parts.done():
                warnings.warn(f"{out} keeps what was measured: pass --resume to go on", stacklevel=1)
            raise
        rows.sort(key=lambda row: row.sample)
        evaluation = Evaluation(rows)
        record = job.record(
            [ROWS],
            identity=job.identity,
            environment=environment(run.kind_of_device()),
            model=self.model,
            backbone=backbone_of(read_config(run.checkpoint / CONFIG).model),
            data=self.data,
            data_set=published_name(run.dataset),
            split=self.split,
            limit=self.limit if len(run.dataset) == self.limit else None,  # there may be fewer
            protocol=inference.protocol,
            threshold=inference.threshold,
            input_size=inference.input_size,
            **evaluation.to_dict(),
        )
        with written_together(out) as folder:
            write_rows(folder / ROWS, rows)
            write_record(folder, record)
        parts.remove()
        return evaluation

    def _check(self, out: Path, parts: "Parts", job: Job) -> None:
        """Raise InputError where `out` holds what this job may not touch."""
        earlier = parts.earlier()
        if self.overwrite:
            job.check_free(out, overwrite=True)
            parts.remove()
        elif earlier is None:
            recorded = read_record(out).get("identity")
            if isinstance(recorded, dict) and (what := job.difference(recorded)):
                raise InputError(
                    f"{out} holds results of another {what}: choose another --out, or pass --overwrite"
                )
            job.check_free(out, [ROWS], overwrite=False)
        elif not self.resume:
            raise InputError(
                f"{out} holds an interrupted evaluation: pass --resume to go on with it, or --overwrite"
            )
        elif what := job.difference(earlier):
            raise InputError(
                f"{out} holds an interrupted evaluation of another {what}: "
                "only the same one can go on; choose another --out, or pass --overwrite"
            )

    def _rows(self, run: "Run", numbers: Sequence[int], parts: "Parts | None", left: int) -> "Iterator[Row]":
        """Yield the rows of these parts, which are `left` samples, as they get done and are kept."""
        from cris.evaluation.run import run_parts

        def done() -> "Iterator[Row]":
            for number, rows in run_parts(run, numbers, self.processes):
                if parts is not None:
                    parts.save(number, rows)
                yield from rows

        return progress(done(), total=left, what="samples")


def _job(run: "Run") -> Job:
    from cris import __version__
    from cris.evaluation.row_files import ROWS_VERSION

    return Job(
        "eval",
        {
            "version": [__version__, ROWS_VERSION],
            "model": model_sha256(run.checkpoint),
            "data": run.dataset.identity,
            "threshold": run.threshold,
        },
    )
