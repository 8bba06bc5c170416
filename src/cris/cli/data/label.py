"""`cris data label`: masks that a model draws for sentences, as a data set to train another model on."""

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from cris.registry import DEFAULT_MODEL


@dataclass(frozen=True, kw_only=True)
class Command:
    """Ask a model sentences about images, and keep its masks as a data set that cris train takes.

    The model is the teacher of the one to train: a checkpoint, or another's model, hf:OWNER/NAME, whose
    licence may bind what is trained on its masks. docs/other-models.md tells more.
    """

    images: Annotated[tyro.conf.Positional[str], tyro.conf.arg(metavar="IMAGES")]
    """Folder with its subfolders, pattern in quotes, or file: images, .parquet or .tar; or a URL."""
    sentences: Annotated[str, tyro.conf.arg(metavar="FILE")]
    """One sentence a line, asked of all images; or .jsonl or .csv with rows of `picture` and `sentence`."""
    out: Annotated[Path, tyro.conf.arg(metavar="DIR")]
    """Folder to make."""
    model: str = DEFAULT_MODEL
    """Teacher: registered name, checkpoint folder, or hf:OWNER/NAME[@REVISION]."""
    min_score: float = 0.5
    """Leave out masks with a lower score, 0 to 1."""
    threshold: Annotated[
        float | None, tyro.conf.arg(metavar="SHARE", help_behavior_hint="(default: the model's)")
    ] = None
    """Probability above which a pixel is found, 0 to 1; a lower one finds more."""
    no_target: bool = False
    """Keep sentences for which nothing is found, as meaning nothing in their image."""
    split_shares: Annotated[tuple[float, float, float], tyro.conf.arg(metavar="TRAIN VAL TEST")] = (
        0.9,
        0.1,
        0.0,
    )
    """Shares of the images that go to train, val and test; they add up to 1."""
    seed: int = 0
    """Seed that decides which image goes to which split."""
    device: str = "auto"
    """Device: cpu, cuda, cuda:1, mps; auto takes the fastest that is there."""
    resume: bool = False
    """Go on with a run of these options that was interrupted."""
    as_json: Annotated[bool, tyro.conf.arg(name="json")] = False
    """Print manifest.json, and nothing else."""
    overwrite: bool = False
    """Replace the data set in DIR."""

    def run(self) -> int:
        """Ask, write and print how much."""
        from cris.batch.sentences import read_sentences
        from cris.cli.data.console import command, show_dataset
        from cris.cli.saving import check_share
        from cris.data.sources.label import LabelledImages, LabelOptions, teacher_of
        from cris.data.store.writing import write_dataset
        from cris.progress import track
        from cris.registry import resolve
        from cris.segmenter import Segmenter

        check_share("--min-score", self.min_score)
        check_share("--threshold", self.threshold)
        folder = resolve(self.model)
        options = LabelOptions(
            min_score=self.min_score,
            threshold=self.threshold,
            no_target=self.no_target,
            shares=self.split_shares,
            seed=self.seed,
        )
        labelled = LabelledImages(self.images, read_sentences(self.sentences), options)
        segmenter = Segmenter.from_pretrained(folder, self.device)
        total = len(labelled.tasks)
        manifest = write_dataset(
            self.out,
            lambda start: track(labelled.records(segmenter, start), total=total - start, what="images"),
            labelled.source(teacher_of(folder, self.model)),
            command=command(),
            is_resuming=self.resume,
            overwrite=self.overwrite,
            left_out=labelled.left_out,
        )
        show_dataset(self.out, manifest, as_json=self.as_json)
        asked, kept = labelled.sentence_count, sum(each.sentences for each in manifest.splits.values())
        if kept < asked:
            warnings.warn(
                f"{asked - kept:,} of {asked:,} sentences have no mask with a score of {self.min_score:g} or "
                "more, and are left out: --min-score sets that",
                stacklevel=1,
            )
        return 0
