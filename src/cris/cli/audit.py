"""`cris audit`: rank annotations by how likely they are wrong."""

import json
import sys
import warnings
from collections.abc import Iterator
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro

from cris.cli.console import progress, show
from cris.cli.errors import UsageError
from cris.jobs import Job, model_sha256, to_json, write_record, written_together
from cris.registry import DEFAULT_MODEL

if TYPE_CHECKING:
    from cris.data.dataset import Dataset
    from cris.studies.label_errors import Suspect

PAGE, RANKING, LIST, FOLDS = "index.html", "suspects.jsonl", "suspects.json", "folds"


@dataclass(frozen=True, kw_only=True)
class Command:
    """Rank annotations by how likely they are wrong: those for which models clearly prefer another object.

    Images are dealt to folds, and each fold is judged by a model that was finetuned on the others. Write
    index.html, to go through the most suspicious ones with the keyboard and save the list of those to drop;
    suspects.jsonl, with all annotations in order; and suspects.json, the first tenth as such a list.
    """

    data: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="DIR|scenes")]
    """Data set (see cris data), or scenes, rendered on the fly."""
    out: Annotated[Path, tyro.conf.arg(metavar="DIR")]
    """Folder for the results, and for the folds' training runs."""
    start: Annotated[str, tyro.conf.arg(name="from", metavar="MODEL")] = DEFAULT_MODEL
    """Model to finetune: registered name or checkpoint folder, best one not trained on this data."""
    split: str = "train"
    """Part of the data whose annotations are judged."""
    limit: Annotated[int | None, tyro.conf.arg(metavar="N", help_behavior_hint="(default: all)")] = None
    """Judge, and learn from, the first N samples only; a sample is a sentence about an image."""
    folds: int = 3
    """Parts that the images are dealt to; as many models are trained."""
    steps: int = 100
    """Optimiser steps of each model, 32 sentences each; 0 trains none and judges everything by MODEL."""
    show: Annotated[int, tyro.conf.arg(metavar="N")] = 200
    """Suspects on the page, the most suspicious ones."""
    plant: float = 0.0
    """Share of wrong labels to plant, of scenes only, 0 to 1: the command then tells how many it finds."""
    seed: int = 0
    """Seed of folds and training."""
    device: Literal["cpu", "cuda", "auto"] = "auto"
    """Device to train and judge on; auto takes the fastest that is there."""
    as_json: Annotated[bool, tyro.conf.arg(name="json")] = False
    """Print the content of results.json, and nothing else."""
    overwrite: bool = False
    """Replace the results of another job in DIR."""

    def run(self) -> int:
        """Train, judge, rank and write."""
        from cris.registry import resolve
        from cris.studies.audit_page import make_cards, render
        from cris.studies.label_errors import TOP, precision_at_top, rank

        self._check_options()
        dataset = self._open()
        model = resolve(self.start)
        options = (self.plant, self.folds, self.steps, self.seed)
        parts = {"data": dataset.identity, "model": model_sha256(model), "options": options}
        runs = Job("audit", parts).fingerprint  # of the folds' trainings, which any page shares
        job = Job("audit", {"runs": runs, "show": self.show})
        files = [PAGE, RANKING, LIST]
        job.check_free(self.out, files, overwrite=self.overwrite)
        judged = self._judge(model, dataset, runs)
        ranked = rank(progress(judged, total=len(dataset), what="sentences"))
        top = ranked[: max(1, round(TOP * len(ranked)))]
        precision = None
        if self.plant:
            precision = precision_at_top(ranked, _planted(dataset))
        page = render(
            make_cards(ranked[: self.show], dataset),
            data=self.data,
            split=self.split,
            model=self.start,
            count=len(ranked),
            fingerprint=job.fingerprint,
        )
        record = job.record(
            files,
            model=self.start,
            data=self.data,
            split=self.split,
            count=len(ranked),
            folds=self.folds if self.steps else 0,
            steps=self.steps,
            planted=self.plant,
            precision_at_top=precision,
            suspicion_at_top=top[-1].suspicion,
        )
        with written_together(self.out) as folder:
            (folder / PAGE).write_text(page, encoding="utf-8")
            lines = (json.dumps(one.to_dict()) + "\n" for one in ranked)
            (folder / RANKING).write_text("".join(lines), encoding="utf-8")
            (folder / LIST).write_text(to_json([one.drop_id for one in top]), encoding="utf-8")
            write_record(folder, record)
        self._tell(record, len(top))
        return 0

    def _check_options(self) -> None:
        if not 0 <= self.plant < 1:
            raise UsageError(f"--plant must be a share from 0 to 1, got {self.plant}")
        if self.steps < 0 or self.show < 0:
            raise UsageError(f"--steps and --show must be 0 or more, got {self.steps} and {self.show}")

    def _open(self) -> "Dataset":
        from cris.data.open import open_dataset
        from cris.data.rendered import SceneDataset
        from cris.data.scenes import SceneKnobs, Scenes
        from cris.data.subset import first, whole_of

        dataset = open_dataset(self.data, self.split, self.limit)
        if not self.plant:
            return dataset
        if not isinstance(whole_of(dataset), SceneDataset):
            raise UsageError(f"--plant is of scenes: leave it out for {self.data}")
        return first(SceneDataset(Scenes(self.split, knobs=SceneKnobs(mislabelled=self.plant))), self.limit)

    def _judge(self, model: Path, dataset: "Dataset", identity: str) -> "Iterator[Suspect]":
        import numpy as np

        from cris.segmenter import Segmenter
        from cris.studies.label_errors import judge

        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # sentences that are cut, each time anew
            if not self.steps:  # exported models do that, too, without torch
                yield from judge(Segmenter.from_pretrained(model, self.device), dataset.images())
                return
            from cris.studies.crossfit import FoldTraining, deal_folds, fit_fold
            from cris.training.material import find_start

            start = find_start(str(model))
            if start.checkpoint is None:
                raise UsageError(f"an audit goes on with a trained model, got CLIP's weights {self.start}")
            training = FoldTraining(start=start, steps=self.steps, seed=self.seed, device=self.device)
            images = dataset.index.picture
            fold_of = deal_folds(images, self.folds, self.seed)
            for fold in range(self.folds):
                others = np.flatnonzero(fold_of != fold)
                out = self.out / FOLDS / f"{identity[:12]}-{fold}"
                with redirect_stdout(sys.stderr):  # training tells how it goes; results are not that
                    segmenter, outcome = fit_fold(training, dataset, others, fold, identity, out)
                if outcome.stopped_by:
                    raise SystemExit(128 + outcome.stopped_by)
                yield from judge(segmenter, map(dataset.image, np.unique(images[fold_of == fold]).tolist()))

    def _tell(self, record: dict[str, Any], top: int) -> None:
        if self.as_json:
            sys.stdout.write(to_json(record))
            return
        show(f"{record['count']:,} annotations judged; look at {self.out / PAGE}")
        show(f"{self.out / LIST} lists the {top:,} most suspicious: review them before they are dropped")
        if record["precision_at_top"] is not None:
            show(f"of these {top:,}, {record['precision_at_top']:.3f} are planted")


def _planted(dataset: "Dataset") -> list[bool]:
    """Return for each sample whether its label is a planted wrong one."""
    from cris.data.rendered import SceneDataset
    from cris.data.subset import whole_of

    scenes = whole_of(dataset)
    assert isinstance(scenes, SceneDataset)
    samples = (scenes.scenes[number] for number in range(len(dataset)))
    return [sample.targets != sample.fitting for sample in samples]
