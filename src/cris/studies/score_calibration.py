"""Calibration study: make scores the chance of a good mask, and measure how far they can be trusted."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Group

from cris.calibration import Calibration
from cris.data.open import open_dataset
from cris.errors import UsageError
from cris.jobs import Job, model_sha256, write_record, written_together
from cris.progress import track
from cris.registry import REGISTRY, resolve
from cris.segmenter import Segmenter
from cris.studies.calibration import Reliability, answers, fit, reliability, store_calibration
from cris.studies.charts import draw_calibration
from cris.tables import TextTable, as_text, html

PLOT = "calibration.svg"


@dataclass(frozen=True, kw_only=True)
class ScoreCalibration:
    """Reliability of a model's scores, and the calibration that gives them."""

    calibration: Calibration
    measured: Reliability
    """Reliability of the calibrated scores, on the samples that were used."""
    before: Reliability | None
    """Reliability of the raw scores, where a calibration was fitted."""
    record: Mapping[str, Any]
    """Content of results.json."""

    @property
    def table(self) -> TextTable:
        """Return a row for each bin of scores."""
        return TextTable(
            title=f"{self.measured.count:,} answers",
            columns=("scores", "answers", "mean score", "good masks"),
            rows=[
                (
                    f"{one.low:.1f} to {one.high:.1f}",
                    f"{one.count:,}",
                    f"{one.mean_score:.3f}",
                    f"{one.good:.3f}",
                )
                for one in self.measured.bins
            ],
        )

    @property
    def in_words(self) -> str:
        """Return calibration error and risk in a line."""
        was = "" if self.before is None else f" (before: {self.before.ece:.3f})"
        return f"expected calibration error {self.measured.ece:.3f}{was}; mean risk {self.measured.area:.3f}"

    def plot(self) -> str:
        """Return the share of good masks by score, and risk over coverage, as SVG."""
        return draw_calibration(self.measured)

    def __rich__(self) -> Group:
        """Return table and figures."""
        return Group(self.table, self.in_words)

    def __str__(self) -> str:
        """Return table and figures as text."""
        return as_text(self.table, self.in_words)

    def _repr_html_(self) -> str:
        return html(self.plot(), self.table, self.in_words)


def calibrate(
    model: str | Path,
    data: str | Path,
    *,
    split: str = "val",
    limit: int | None = None,
    check: bool = False,
    out: str | Path | None = None,
    device: str = "auto",
    overwrite: bool = False,
    progress: bool = True,
) -> ScoreCalibration:
    """Make scores the chance that a mask is good (IoU above 0.5), and store that in the model's folder.

    Args:
        model: checkpoint folder; for a check also a registered name.
        data: folder of a data set, or "scenes".
        split: split to use; no figure that is published should come from it.
        limit: use the first samples only; None uses all.
        check: fit and store nothing, only measure the scores as they are: best on another split than they
            were fitted on.
        out: folder for results.json and calibration.svg; None writes nothing.
        device: cpu, cuda, cuda:1, mps; auto takes the fastest that is there.
        overwrite: replace the results of another job in `out`.
        progress: show a progress bar on stderr.

    Raises:
        UsageError: the model came with the package, and would be changed.
        InputError: the model or the data cannot be used, there are too few samples, or `out` holds something
            else.
    """
    if (str(model) in REGISTRY or str(model).startswith("hf:")) and not check:
        raise UsageError(f"a calibration changes the model: name a folder of yours, not {model}")
    dataset = open_dataset(data, split, limit)
    folder = resolve(model)
    job = Job("calibrate", {"model": model_sha256(folder), "data": dataset.identity, "check": check})
    if out is not None:
        job.check_free(Path(out), [PLOT], overwrite=overwrite)
    segmenter = Segmenter.from_pretrained(folder, device)
    asked = track(dataset.images(), total=dataset.image_count, what="images", is_shown=progress)
    scores, is_good = answers(segmenter, asked, is_raw=not check)
    calibration = segmenter.inference.calibration
    before = None
    if not check:
        before = reliability(scores, is_good)
        calibration = fit(scores, is_good)
        scores = np.array([calibration(score) for score in scores.tolist()])
    measured = reliability(scores, is_good)
    record = job.record(
        [PLOT],
        model=str(model),
        data=str(data),
        split=split,
        calibration=asdict(calibration),
        ece_before=None if before is None else before.ece,
        **measured.to_dict(),
    )
    found = ScoreCalibration(calibration=calibration, measured=measured, before=before, record=record)
    if out is not None:
        with written_together(Path(out)) as partial:
            (partial / PLOT).write_text(found.plot(), encoding="utf-8")
            write_record(partial, record)
    if not check:
        store_calibration(folder, calibration)
    return found
