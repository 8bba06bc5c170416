"""Evaluation of a model on a data set, in one call."""

import warnings
from collections.abc import Iterable, Iterator, Sequence
from operator import attrgetter
from pathlib import Path

from cris.data.dataset import Dataset
from cris.data.open import Source, open_dataset
from cris.data.subset import first
from cris.errors import InputError
from cris.evaluation.ask import measure
from cris.evaluation.metrics import METRICS, Metric
from cris.evaluation.results import Evaluation
from cris.evaluation.rows import Row
from cris.evaluation.run import EvaluationRun, run_parts
from cris.progress import track
from cris.registry import resolve
from cris.segmenter import Segmenter


def evaluate(
    model: Segmenter | str | Path,
    data: Dataset | Source | Sequence[Source],
    *,
    split: str = "test",
    limit: int | None = None,
    metrics: Sequence[Metric] = METRICS,
    threshold: float | None = None,
    device: str = "auto",
    processes: int | None = None,
    progress: bool = True,
) -> Evaluation:
    """Return how good a model is on a data set, row by row and in figures.

    ```python
    evaluation = evaluate("cris-scenes", "scenes", limit=200)
    print(evaluation)
    evaluation.total["mean_iou"], evaluation.intervals["mean_iou"], evaluation.rows[0].failure
    ```

    Args:
        model: registered name or checkpoint folder; or a segmenter, which is asked as it is, in this process.
        data: a data set (see `cris.open_dataset` for what can be named), or a `Dataset` of your own.
        split: split to open; a `Dataset` is one already.
        limit: first samples to measure, where not all.
        metrics: metrics to report: `[*METRICS, mine]` for one more.
        threshold: threshold in place of the checkpoint's own.
        device: cpu, cuda, cuda:1, mps, or auto for the fastest that is there.
        processes: processes that share the work of a named model; any number gives the same rows.
        progress: whether to show a bar on stderr, in a terminal.

    Raises:
        InputError: the model or the data are not as they must be.
    """
    # a data set also has a length and items, so sequences of sources are told by what they are
    if isinstance(data, str | Path | list | tuple):
        dataset = open_dataset(data, split, limit)
    else:
        assert isinstance(data, Dataset)
        dataset = first(data, limit)
    if isinstance(model, Segmenter):
        if threshold is not None or processes is not None:
            raise InputError("threshold and processes are for a named model: a segmenter is asked as it is")
        rows: Iterable[Row] = _asked(model, dataset)
    else:
        run = EvaluationRun(
            checkpoint=resolve(str(model)), dataset=dataset, threshold=threshold, device=device
        )
        rows = (row for _, part in run_parts(run, range(run.parts), processes) for row in part)
    if progress:
        rows = track(rows, total=len(dataset), what="samples")
    return Evaluation(sorted(rows, key=lambda row: row.sample), metrics)


def _asked(segmenter: Segmenter, dataset: Dataset) -> Iterator[Row]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # sentences that are cut are part of what is measured
        yield from measure(segmenter, dataset.images(), ambiguity=attrgetter("ambiguity"))
