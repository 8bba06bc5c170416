"""Measurement of a model on a split, kept part by part so that an interrupted one goes on."""

from collections.abc import Iterator
from pathlib import Path

from cris import __version__
from cris.config_file import CONFIG, read_config
from cris.data.open import open_dataset
from cris.environment import environment
from cris.evaluation.paper import backbone_of, published_name
from cris.evaluation.parts import Parts
from cris.evaluation.results import Evaluation
from cris.evaluation.row_files import ROWS_VERSION, read_rows, write_rows
from cris.evaluation.rows import Row
from cris.evaluation.run import Run, run_parts
from cris.jobs import Job, model_sha256, read_record, write_record, written_together
from cris.progress import track
from cris.registry import resolve

ROWS = "rows.parquet"


def evaluate(
    model: str | Path,
    data: str,
    *,
    split: str,
    limit: int | None,
    out: Path,
    device: str = "auto",
    progress: bool = True,
) -> Evaluation:
    """Measure a model and write what `cris eval --out` does, or go on with that.

    Raises:
        InputError: the model or the data cannot be used.
    """
    checkpoint = resolve(model)
    config = read_config(checkpoint / CONFIG)
    dataset = open_dataset(data, split, limit)
    run = Run(checkpoint=checkpoint, dataset=dataset, threshold=config.inference.threshold, device=device)
    job = Job(
        "eval",
        {
            "version": [__version__, ROWS_VERSION],
            "model": model_sha256(checkpoint),
            "data": dataset.identity,
            "threshold": run.threshold,
        },
    )
    if read_record(out).get("identity") == job.identity:
        return Evaluation(read_rows(out))
    parts = Parts(out, job.identity)
    if job.difference(parts.earlier() or job.identity):
        parts.remove()  # of another model in this folder, which is the experiment's own
    rows = [row for part in sorted(parts.done()) for row in parts.read(part)]

    def measured() -> Iterator[Row]:
        for number, found in run_parts(run, sorted(set(range(run.parts)) - parts.done())):
            parts.save(number, found)
            yield from found

    rows += track(measured(), total=len(dataset) - len(rows), what="samples", is_shown=progress)
    evaluation = Evaluation(sorted(rows, key=lambda row: row.sample))
    record = job.record(
        [ROWS],
        identity=job.identity,
        environment=environment(run.kind_of_device()),
        model=str(model),
        backbone=backbone_of(config.model),
        data=data,
        data_set=published_name(dataset),
        split=split,
        limit=limit if len(dataset) == limit else None,
        protocol=config.inference.protocol,
        threshold=config.inference.threshold,
        input_size=config.inference.input_size,
        **evaluation.to_dict(),
    )
    with written_together(out) as folder:
        write_rows(folder / ROWS, rows)
        write_record(folder, record)
    parts.remove()
    return evaluation
