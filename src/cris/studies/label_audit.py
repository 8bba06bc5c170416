"""Audit of labels: annotations ranked by how likely they are wrong, judged by models that never saw them."""

import json
import logging
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from cris.data.dataset import Dataset
from cris.data.open import is_rendered, open_dataset
from cris.data.rendered import SceneDataset
from cris.data.scenes import SceneKnobs, Scenes
from cris.data.subset import first, whole_of
from cris.errors import UsageError
from cris.jobs import Job, model_sha256, to_json, write_record, written_together
from cris.progress import track
from cris.registry import DEFAULT_MODEL, resolve
from cris.segmenter import Segmenter
from cris.studies.audit_page import make_cards, render
from cris.studies.label_errors import TOP, Suspect, judge, precision_at_top, rank
from cris.tables import TextTable, html

PAGE, RANKING, LIST, FOLDS = "index.html", "suspects.jsonl", "suspects.json", "folds"
_SHOWN = 10
"""Suspects that a result prints."""
logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class LabelAudit:
    """All annotations of a split, the most suspicious first."""

    suspects: Sequence[Suspect]
    """Annotations, the most suspicious first."""
    precision_at_top: float | None
    """Share of planted labels among the first tenth, where some were planted."""
    out: Path
    """Folder with the page to review them on, the ranking and the list."""
    record: Mapping[str, Any]
    """Content of results.json."""

    @property
    def top(self) -> Sequence[Suspect]:
        """Return the first tenth, which suspects.json lists."""
        return _first_tenth(self.suspects)

    @property
    def table(self) -> TextTable:
        """Return the first suspects."""
        return TextTable(
            title=f"The most suspicious of {len(self.suspects):,} annotations",
            columns=("image", "sentence", "the model prefers", "suspicion"),
            rows=[
                (one.picture, one.sentence, one.prefers, f"{one.suspicion:.3f}")
                for one in self.suspects[:_SHOWN]
            ],
            names=3,
        )

    def __str__(self) -> str:
        """Return where the results are, and what they hold."""
        lines = [
            f"{len(self.suspects):,} annotations judged; look at {self.out / PAGE}",
            f"{self.out / LIST} lists the {len(self.top):,} most suspicious: review them before they are "
            "dropped",
        ]
        if self.precision_at_top is not None:
            lines.append(f"of these {len(self.top):,}, {self.precision_at_top:.3f} are planted")
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        return html(self.table, *str(self).splitlines())


def audit(
    data: str | Path,
    *,
    out: str | Path,
    start: str | Path = DEFAULT_MODEL,
    split: str = "train",
    limit: int | None = None,
    folds: int = 3,
    steps: int = 100,
    show: int = 200,
    plant: float = 0.0,
    seed: int = 0,
    device: Literal["cpu", "cuda", "auto"] = "auto",
    overwrite: bool = False,
    progress: bool = True,
) -> LabelAudit:
    """Rank annotations by how likely they are wrong: those for which models clearly prefer another object.

    Images are dealt to folds, and each fold is judged by a model that was finetuned on the others.

    Args:
        data: folder of a data set, or "scenes".
        out: folder for index.html, suspects.jsonl, suspects.json and results.json, and for the folds'
            training runs, with which an interrupted audit goes on.
        start: model to finetune, best one not trained on this data.
        split: part of the data whose annotations are judged.
        limit: judge, and learn from, the first samples only; None takes all.
        folds: parts that the images are dealt to; as many models are trained.
        steps: optimiser steps of each model; 0 trains none and judges everything by `start`.
        show: suspects on the page.
        plant: share of wrong labels to plant, of scenes only, to tell how many are found.
        seed: seed of folds and training.
        device: device to train and judge on.
        overwrite: replace the results of another job in `out`.
        progress: show progress on stderr.

    Raises:
        UsageError: an argument makes no sense.
        InputError: the model or the data cannot be used, or `out` holds something else.
    """
    if not 0 <= plant < 1:
        raise UsageError(f"plant must be a share from 0 to 1, got {plant}")
    if steps < 0 or show < 0:
        raise UsageError(f"steps and show must be 0 or more, got {steps} and {show}")
    folder = Path(out)
    dataset = _open(data, split, limit, plant)
    model = resolve(start)
    options = (plant, folds, steps, seed)
    parts = {"data": dataset.identity, "model": model_sha256(model), "options": options}
    runs = Job("audit", parts).fingerprint  # of the folds' trainings, which any page shares
    job = Job("audit", {"runs": runs, "show": show})
    files = [PAGE, RANKING, LIST]
    job.check_free(folder, files, overwrite=overwrite)
    if steps:
        judged = _judged_by_folds(
            model,
            dataset,
            folder / FOLDS,
            runs,
            folds=folds,
            steps=steps,
            seed=seed,
            device=device,
            progress=progress,
        )
    else:  # exported models do that, too, without torch
        judged = judge(Segmenter.from_pretrained(model, device), dataset.images())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # sentences that are cut, each time anew
        ranked = rank(track(judged, total=len(dataset), what="sentences", is_shown=progress))
    top = _first_tenth(ranked)
    precision = precision_at_top(ranked, _planted(dataset)) if plant else None
    page = render(
        make_cards(ranked[:show], dataset),
        data=str(data),
        split=split,
        model=str(start),
        count=len(ranked),
        fingerprint=job.fingerprint,
    )
    record = job.record(
        files,
        model=str(start),
        data=str(data),
        split=split,
        count=len(ranked),
        folds=folds if steps else 0,
        steps=steps,
        planted=plant,
        precision_at_top=precision,
        suspicion_at_top=top[-1].suspicion,
    )
    with written_together(folder) as partial:
        (partial / PAGE).write_text(page, encoding="utf-8")
        lines = (json.dumps(one.to_dict()) + "\n" for one in ranked)
        (partial / RANKING).write_text("".join(lines), encoding="utf-8")
        (partial / LIST).write_text(to_json([one.drop_id for one in top]), encoding="utf-8")
        write_record(partial, record)
    return LabelAudit(suspects=ranked, precision_at_top=precision, out=folder, record=record)


def _open(data: str | Path, split: str, limit: int | None, plant: float) -> Dataset:
    """Return the data to judge; of scenes with planted labels."""
    if not plant:
        return open_dataset(data, split, limit)
    if not is_rendered(data):
        raise UsageError(f"plant is of scenes: leave it out for {data}")
    return first(SceneDataset(Scenes(split, knobs=SceneKnobs(mislabelled=plant))), limit)


def _judged_by_folds(
    model: Path,
    dataset: Dataset,
    out: Path,
    identity: str,
    *,
    folds: int,
    steps: int,
    seed: int,
    device: Literal["cpu", "cuda", "auto"],
    progress: bool,
) -> Iterator[Suspect]:
    """Yield the suspects of each fold, judged by a model that is finetuned on the others."""
    # here, as judging by one model needs nothing of training
    from cris.studies.crossfit import FoldTraining, deal_folds, fit_fold
    from cris.training.setup import find_initial_weights
    from cris.training.signals import end_if_stopped

    start = find_initial_weights(str(model))
    if start.checkpoint is None:
        raise UsageError(f"an audit goes on with a trained model, got CLIP's weights {model}")
    training = FoldTraining(start=start, steps=steps, seed=seed, device=device)
    images = dataset.index.image
    fold_of = deal_folds(images, folds, seed)
    for fold in range(folds):
        others = np.flatnonzero(fold_of != fold)
        run = out / f"{identity[:12]}-{fold}"
        logger.info("fold %d of %d: finetuning on the others in %s", fold + 1, folds, run)
        segmenter, outcome = fit_fold(training, dataset, others, fold, identity, run, progress=progress)
        end_if_stopped(outcome.stopped_by)
        yield from judge(segmenter, map(dataset.image, np.unique(images[fold_of == fold]).tolist()))


def _first_tenth(ranked: Sequence[Suspect]) -> Sequence[Suspect]:
    return ranked[: max(1, round(TOP * len(ranked)))]


def _planted(dataset: Dataset) -> list[bool]:
    """Return for each sample whether its label is a planted wrong one."""
    scenes = whole_of(dataset)
    assert isinstance(scenes, SceneDataset)
    samples = (scenes.scenes[number] for number in range(len(dataset)))
    return [sample.targets != sample.fitting for sample in samples]
