"""`cris eval`: measure a model on a data set."""

import sys
import warnings
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from cris.cli.console import figures_table, in_words, show
from cris.cli.errors import UsageError
from cris.cli.saving import check_share
from cris.errors import InputError
from cris.jobs import to_json
from cris.progress import track

if TYPE_CHECKING:
    from cris.data.dataset import Dataset
    from cris.evaluation.results import Evaluation
    from cris.model.config import InferenceConfig

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
    threshold: Annotated[
        float | None, tyro.conf.arg(metavar="SHARE", help_behavior_hint="(default: the model's)")
    ] = None
    """Probability above which a pixel is found, 0 to 1, where masks are not cut as the model cuts them."""
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

        dataset = self._dataset(self.split)
        checkpoint, inference = self._checkpoint()
        if self.out is None:
            return evaluate(
                checkpoint,
                dataset,
                threshold=inference.threshold,
                device=self.device,
                processes=self.processes,
            )
        from cris.evaluation.saved import evaluate_to  # here: only files need pyarrow

        return evaluate_to(
            self.out,
            checkpoint,
            dataset,
            model=self.model,
            data=self.data,
            split=self.split,
            limit=self.limit,
            threshold=inference.threshold,
            device=self.device,
            resume=self.resume,
            overwrite=self.overwrite,
            processes=self.processes,
        )

    def _dataset(self, split: str) -> "Dataset":
        from cris.data.open import open_dataset

        return open_dataset(self.data, split, self.limit)

    def _checkpoint(self) -> "tuple[Path, InferenceConfig]":
        """Return the model's folder, and its inference settings."""
        from cris.engines.load import read_inference
        from cris.registry import resolve

        folder = resolve(self.model)
        inference = read_inference(folder)
        if self.protocol not in (None, inference.protocol):
            raise InputError(
                f"{self.model} is a checkpoint for the {inference.protocol} protocol, not for "
                f"{self.protocol}: leave out --protocol, or name another model"
            )
        if self.threshold is not None:
            check_share("--threshold", self.threshold)
            if self.choose_threshold or self.protocol == "released":
                raise UsageError("--threshold, --choose-threshold and --protocol released exclude each other")
            return folder, replace(inference, threshold=self.threshold)
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
        if self.model in REGISTRY or self.model.startswith("hf:"):
            raise UsageError(
                f"--choose-threshold changes the model: name a folder of yours, not {self.model}"
            )
        dataset = self._dataset("val")
        segmenter = Segmenter.from_pretrained(folder, self.device)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            choice = choose_threshold(
                segmenter, track(dataset.images(), total=dataset.image_count, what="val images")
            )
        store_thresholds(folder, choice)
        if not self.as_json:
            chosen = choice.applied_to(segmenter.inference)
            relative = f", relative {chosen.relative_threshold:.1f}" * (chosen.relative_threshold < 1)
            mean_iou = choice.mean_ious[choice.best]
            show(f"threshold {chosen.threshold:.2f}{relative}: mean IoU {mean_iou:.3f} on val")
            if choice.best_giou is not None:
                tests = f"peak threshold {chosen.peak_threshold:.2g}"
                if chosen.presence_threshold:
                    tests += f", presence threshold {chosen.presence_threshold:.2g}"
                show(f"{tests}: {choice.best_giou:.3f} gIoU on val")
        return choice.best[0]
