"""Evaluation that is written to a folder, part by part, so that an interrupted one goes on."""

import warnings
from collections.abc import Iterator
from pathlib import Path

from cris import __version__
from cris.config_file import CONFIG, read_config
from cris.data.dataset import Dataset
from cris.engines.load import read_inference
from cris.environment import environment
from cris.errors import InputError
from cris.evaluation.paper import backbone_of, published_name
from cris.evaluation.parts import Parts
from cris.evaluation.results import Evaluation
from cris.evaluation.row_files import ROWS_VERSION, read_rows, write_rows
from cris.evaluation.rows import Row
from cris.evaluation.run import EvaluationRun, run_parts
from cris.huggingface.descriptor import is_huggingface
from cris.jobs import Job, model_sha256, read_record, write_record, written_together
from cris.progress import track

ROWS = "rows.parquet"


def evaluate_to(
    out: Path,
    checkpoint: Path,
    dataset: Dataset,
    *,
    model: str,
    data: str,
    split: str,
    limit: int | None = None,
    threshold: float | None = None,
    device: str = "auto",
    resume: bool = False,
    overwrite: bool = False,
    processes: int | None = None,
    progress: bool = True,
) -> Evaluation:
    """Measure a model, and write its rows and `_results.json` to a folder.

    Args:
        out: folder; it keeps the parts that are done until all are.
        checkpoint: folder of the model.
        dataset: what it is measured on.
        model: name of the model for the record.
        data: name of the data set for the record.
        split: split for the record.
        limit: first samples that were asked for, for the record.
        threshold: threshold in place of the checkpoint's own.
        device: cpu, cuda, cuda:1, mps, or auto for the fastest that is there.
        resume: go on with the same evaluation in `out`, or return its results where it is done.
        overwrite: replace the results of another job in `out`; without `resume`, of the same one, too.
        processes: processes that share the work.
        progress: whether to show a bar on stderr.

    Raises:
        InputError: `out` holds what may not be touched, or the model or the data cannot be used.
    """
    inference = read_inference(checkpoint)
    if threshold is None:
        threshold = inference.threshold
    run = EvaluationRun(checkpoint=checkpoint, dataset=dataset, threshold=threshold, device=device)
    identity = {
        "version": [__version__, ROWS_VERSION],
        "model": model_sha256(checkpoint),
        "data": dataset.identity,
        "threshold": threshold,
    }
    job = Job("eval", identity)
    if resume and read_record(out).get("identity") == job.identity:
        return Evaluation(read_rows(out))
    parts = Parts(out, job.identity)
    _make_free(out, parts, job, resume=resume, overwrite=overwrite)
    done = sorted(parts.done() & set(range(run.parts)))
    rows = [row for part in done for row in parts.read(part)]
    missing = [part for part in range(run.parts) if part not in done]

    def measured() -> Iterator[Row]:
        for number, found in run_parts(run, missing, processes):
            parts.save(number, found)
            yield from found

    try:
        rows += track(measured(), total=len(dataset) - len(rows), what="samples", is_shown=progress)
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
        model=model,
        backbone=None if is_huggingface(checkpoint) else backbone_of(read_config(checkpoint / CONFIG).model),
        data=data,
        data_set=published_name(dataset),
        split=split,
        limit=limit if len(dataset) == limit else None,  # there may be fewer
        protocol=inference.protocol,
        threshold=threshold,
        input_size=inference.input_size,
        **evaluation.to_dict(),
    )
    with written_together(out) as folder:
        write_rows(folder / ROWS, rows)
        write_record(folder, record)
    parts.remove()
    return evaluation


def _make_free(out: Path, parts: Parts, job: Job, *, resume: bool, overwrite: bool) -> None:
    """Remove what may go; raise InputError where `out` holds what this job may not touch."""
    earlier = parts.earlier()
    is_same = earlier is not None and not job.difference(earlier)
    if overwrite and not (resume and is_same):
        job.check_free(out, overwrite=True)
        parts.remove()
    elif earlier is None:
        recorded = read_record(out).get("identity")
        if isinstance(recorded, dict) and (what := job.difference(recorded)):
            raise InputError(
                f"{out} holds results of another {what}: choose another --out, or pass --overwrite"
            )
        job.check_free(out, [ROWS], overwrite=False)
    elif not resume:
        raise InputError(
            f"{out} holds an interrupted evaluation: pass --resume to go on with it, or --overwrite"
        )
    elif not is_same:
        raise InputError(
            f"{out} holds an interrupted evaluation of another {job.difference(earlier)}: "
            "only the same one can go on; choose another --out, or pass --overwrite"
        )
