"""`cris eval`: measures a model on a data set."""

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from cris.cli.output import (
    RECORD,
    SCHEMA_VERSION,
    check_free,
    fingerprint,
    model_sha256,
    to_json,
    written_together,
)

if TYPE_CHECKING:
    from cris.evaluation.evaluate import Evaluation

ROWS = "rows.jsonl"


@dataclass(frozen=True, kw_only=True)
class Command:
    """Measures a model: mean and overall IoU, Pr@50 to Pr@90, the ceiling, and the AUROC of its score.

    All are shares of 1. The fields of the JSON are described in docs/json.md.
    """

    model: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="MODEL")]
    """Registered name or checkpoint folder."""
    data: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="DIR|scenes")]
    """What to measure on: scenes, rendered on the fly."""
    split: str = "test"
    """Part of the data; scenes have train, val (1,000 samples) and test (2,000)."""
    limit: Annotated[int | None, tyro.conf.arg(metavar="N", help_behavior_hint="(default: all)")] = None
    """Measure the first N samples only."""
    out: Annotated[
        Path | None, tyro.conf.arg(metavar="DIR", help_behavior_hint="(default: nothing is written)")
    ] = None
    """Folder for results.json, and for rows.jsonl with one line for each sample."""
    as_json: Annotated[bool, tyro.conf.arg(name="json")] = False
    """Print the figures as one JSON object, and nothing else."""
    device: str = "auto"
    """cpu, cuda, cuda:1, mps; auto takes the fastest that is there."""
    overwrite: bool = False
    """Replace the results of another job in DIR."""

    def run(self) -> int:
        """Measures, prints, and writes when asked to."""
        if self.data != "scenes":
            raise ValueError(f"this version measures on scenes only, got {self.data!r}: pass scenes")
        from cris.cli.console import figures_table, progress, show
        from cris.data.scenes import SCENES_VERSION
        from cris.evaluation.evaluate import Evaluation, evaluate
        from cris.evaluation.examples import SceneExamples
        from cris.registry import resolve
        from cris.segmenter import Segmenter

        examples = SceneExamples(self.split, self.limit)
        checkpoint = resolve(self.model)
        segmenter = Segmenter.from_pretrained(checkpoint, self.device)
        job = fingerprint(
            job="eval",
            model=model_sha256(checkpoint),
            data=(self.data, SCENES_VERSION),
            split=self.split,
            limit=self.limit,
        )
        if self.out is not None:
            check_free(self.out, [RECORD, ROWS], job, overwrite=self.overwrite)
        rows = progress(evaluate(segmenter, examples), total=len(examples), what="samples")
        evaluation = Evaluation(list(rows))
        if self.out is not None:
            self._write(self.out, evaluation, job)
        if self.as_json:
            sys.stdout.write(to_json(evaluation.to_dict()))
        else:
            show(figures_table(f"{self.model} on {self.data}, {self.split}", evaluation))
        return 0

    def _write(self, out: Path, evaluation: "Evaluation", job: str) -> None:
        record = {
            "schema_version": SCHEMA_VERSION,
            "job": "eval",
            "fingerprint": job,
            "files": [ROWS],
            "model": self.model,
            "data": self.data,
            "split": self.split,
            **evaluation.to_dict(),
        }
        with written_together(out) as folder:
            lines = (json.dumps(row) + "\n" for row in evaluation.rows_to_dicts())
            (folder / ROWS).write_text("".join(lines), encoding="utf-8")
            (folder / RECORD).write_text(to_json(record), encoding="utf-8")
