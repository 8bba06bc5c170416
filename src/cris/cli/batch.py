"""`cris batch`: masks of what sentences refer to, in more images than one process should do."""

import sys
import warnings
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, Protocol

import tyro

from cris.batch import SHARD_ROWS
from cris.cli.errors import UsageError
from cris.cli.saving import FILES, check_share, saved_forms
from cris.jobs import to_json
from cris.registry import DEFAULT_MODEL, resolve

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from cris.batch.job import Shard


@dataclass(frozen=True, kw_only=True)
class Command:
    """Segment many images: folders, patterns, Parquet or WebDataset shards, local or in object stores.

    Write Parquet files with a row for each image and sentence, and _manifest.json; docs/bulk.md describes
    both. A run with --resume makes no finished file again, and an image that cannot be read costs its own
    rows only, which say why.
    """

    source: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="IN")]
    """Folder with its subfolders, pattern in quotes, or file: images, .parquet or .tar; or a URL such as
    s3://bucket/photos."""
    out: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="OUT")]
    """Folder for the results, or a URL such as s3://bucket/results."""
    sentences: Annotated[str, tyro.conf.arg(metavar="FILE")]
    """One sentence a line, asked of all images; or .jsonl or .csv with rows of `picture` and `sentence`."""
    model: str = DEFAULT_MODEL
    """Registered name, checkpoint folder, or folder of cris export; `cris models` lists the names."""
    engine: Literal["local", "ray"] = "local"
    """Engine: local, processes of this machine; or ray, a Ray cluster."""
    processes: Annotated[
        int | None, tyro.conf.arg(metavar="N", help_behavior_hint="(default: one a core, or one a GPU)")
    ] = None
    """Processes of the local engine, each with the model in memory."""
    address: Annotated[
        str | None, tyro.conf.arg(metavar="HOST:PORT", help_behavior_hint="(default: one on this machine)")
    ] = None
    """Ray cluster to use."""
    cpus: float = 1.0
    """Cores of each Ray worker; less than 1 lets several share a core."""
    device: str = "auto"
    """Device: cpu, cuda, cuda:1, mps; auto takes the fastest that is there."""
    threshold: Annotated[
        float | None, tyro.conf.arg(metavar="SHARE", help_behavior_hint="(default: the model's)")
    ] = None
    """Probability above which a pixel is found, 0 to 1; a lower one finds more."""
    min_score: float = 0.0
    """Answer that nothing is found where the score is lower, 0 to 1."""
    save: Annotated[
        str, tyro.conf.arg(metavar="FORM,…", help_behavior_hint="(default: run lengths alone)")
    ] = ""
    """Columns to add: mask, overlay, cutout (PNG files) and polygons, with commas between."""
    shard_rows: Annotated[int, tyro.conf.arg(metavar="N")] = SHARD_ROWS
    """Rows of an output file, at least; it ends with the image that reaches them."""
    resume: bool = False
    """Go on with a run of the same job that was interrupted."""
    as_json: Annotated[bool, tyro.conf.arg(name="json")] = False
    """Print the content of _manifest.json, and nothing else."""
    overwrite: bool = False
    """Replace the results of another job, or of an earlier run, in OUT."""

    def run(self) -> int:
        """Segment what is missing; return 1 when no image at all could be read."""
        if self.engine == "local" and self.address is not None:
            raise UsageError("--address names a Ray cluster: pass --engine ray with it")
        if self.engine == "ray" and self.processes is not None:
            raise UsageError("--processes is for --engine local: pass --cpus with --engine ray")
        if self.processes is not None and self.processes < 1:
            raise UsageError(f"--processes must be at least 1, got {self.processes}")
        if self.cpus <= 0:
            raise UsageError(f"--cpus must be more than 0, got {self.cpus:g}")
        check_share("--threshold", self.threshold)
        check_share("--min-score", self.min_score)
        save = saved_forms(self.save, (*FILES, "polygons"))
        from cris.batch.job import AnswerOptions, plan_job
        from cris.batch.output import Output, alone_in
        from cris.batch.sentences import read_sentences
        from cris.cli.console import show
        from cris.engines.export_folder import is_exported
        from cris.progress import track

        checkpoint = resolve(self.model)
        sentences = read_sentences(self.sentences)
        _check(checkpoint, sentences.all())
        options = AnswerOptions(threshold=self.threshold, min_score=self.min_score, save=save)
        job = plan_job(self.source, sentences, checkpoint, shard_rows=self.shard_rows, options=options)
        about = {"model": self.model, "source": self.source, "sentences": self.sentences, **asdict(options)}
        # an exported model runs on the CPU alone, so that is what auto means
        device = "cpu" if self.device == "auto" and is_exported(checkpoint) else self.device
        engine = self._engine(checkpoint, device)
        with alone_in(self.out):
            output = Output(self.out, job, about, is_resuming=self.resume, overwrite=self.overwrite)
            left = [shard for shard in job.shards if shard.number not in output.finished]
            if left:
                for number, content in track(engine.run(left), total=len(left), what="shards"):
                    output.add(number, content)
            manifest = output.complete()
        if self.as_json:
            sys.stdout.write(to_json(manifest))
        else:
            show(
                f"{self.out}: {job.images:,} images, {job.rows:,} rows in {len(job.shards):,} files, "
                f"{len(left):,} of them new"
            )
        if manifest["errors"]:
            warnings.warn(
                f"{manifest['errors']:,} of {job.rows:,} rows have no answer: their column error says why",
                stacklevel=1,
            )
        return 1 if manifest["errors"] == job.rows else 0

    def _engine(self, checkpoint: Path, device: str) -> "_Engine":
        if self.engine == "local":
            from cris.batch.local import LocalEngine

            return LocalEngine(checkpoint=checkpoint, device=device, processes=self.processes)
        from cris.batch.cluster import RayEngine

        return RayEngine(checkpoint=checkpoint, device=device, address=self.address, cpus=self.cpus)


class _Engine(Protocol):
    def run(self, shards: "Sequence[Shard]") -> "Iterator[tuple[int, bytes]]": ...


def _check(checkpoint: Path, sentences: list[str]) -> None:
    """Check before any work that the model is whole, and warn of sentences that will be cut."""
    from cris.segmenter import Segmenter

    opened = Segmenter.from_pretrained(checkpoint, "cpu")
    limit = opened.inference.sentence_length
    for sentence in sentences:
        cut = opened.cut(sentence)
        if cut is not None:
            warnings.warn(
                f"the sentence {sentence!r} is longer than the model's {limit} tokens: {cut!r} is not read",
                stacklevel=1,
            )
