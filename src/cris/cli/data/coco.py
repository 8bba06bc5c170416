"""`cris data coco`: your own images, as a data set."""

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from cris.cli.data.dataset_output import selection_of, write_conversion
from cris.cli.errors import UsageError


@dataclass(frozen=True, kw_only=True)
class Command:
    """Convert images that are annotated as COCO's instances, with your sentences or with made ones.

    Without --sentences, sentences are made that each mean just one object: "left chair", "the largest boat".
    docs/own-images.md goes all the way.
    """

    instances: Annotated[Path, tyro.conf.arg(metavar="FILE")]
    """COCO instances JSON: images, annotations with polygons or run lengths, categories."""
    images: Annotated[Path, tyro.conf.arg(metavar="DIR|ZIP")]
    """Folder or zip of the images, by their file_name; a zip is read in place."""
    out: Annotated[Path, tyro.conf.arg(metavar="DIR")]
    """Folder to make."""
    sentences: Annotated[Path | None, tyro.conf.arg(metavar="FILE")] = None
    """JSONL or CSV with image, annotation_id, sentence."""
    drop: Annotated[Path | None, tyro.conf.arg(metavar="FILE")] = None
    """Leave out the sentences of --sentences that this list names, such as the one that cris audit makes."""
    split_shares: Annotated[tuple[float, float, float], tyro.conf.arg(metavar="TRAIN VAL TEST")] = (
        0.8,
        0.1,
        0.1,
    )
    """Shares of the images that go to train, val and test; they add up to 1."""
    seed: int = 0
    """Seed that decides which image goes to which split, and which made sentences are taken."""
    plural: bool = False
    """Make sentences that mean several objects, too: "both horses"."""
    no_target: bool = False
    """Make sentences that mean nothing in their image, too, one per image at most."""
    for_training: bool = False
    """Make many varied sentences to train on: more words and phrasings, clothes, plurals, absent things."""
    sentences_per_object: Annotated[int | None, tyro.conf.arg(metavar="N")] = None
    """Most made sentences of one object; 5, or 12 with --for-training."""
    skip_missing: bool = False
    """Go on without images that are not there."""
    skip_invalid: bool = False
    """Leave out rows and images that are not as they must be, and count them."""
    resume: bool = False
    """Go on with a run of these options that was interrupted."""
    as_json: Annotated[bool, tyro.conf.arg(name="json")] = False
    """Print manifest.json, and nothing else."""
    overwrite: bool = False
    """Replace the data set in DIR."""

    def run(self) -> int:
        """Read, check, write and print how much."""
        if self.sentences is not None and (self.plural or self.no_target or self.for_training):
            raise UsageError(
                "--plural, --no-target and --for-training are of made sentences: "
                "leave them out with --sentences"
            )
        if self.for_training and (self.plural or self.no_target):
            raise UsageError(
                "--for-training makes all kinds of sentences: leave out --plural and --no-target"
            )
        most = self.sentences_per_object
        if most is not None and (most < 1 or self.sentences is not None):
            raise UsageError("--sentences-per-object must be 1 or more, and is of made sentences only")
        if self.drop is not None and self.sentences is None:
            raise UsageError("--drop is of sentences that you wrote: pass --sentences, too")
        from cris.data.annotations.invalid import InvalidRows
        from cris.data.expressions import Wishes
        from cris.data.sources.coco import SplitConfig, convert_coco
        from cris.data.sources.splits import empty_splits

        conversion = convert_coco(
            self.instances,
            self.images,
            sentences=self.sentences,
            split_config=SplitConfig(shares=self.split_shares, seed=self.seed),
            wishes=Wishes(
                sentences_per_object=most or (12 if self.for_training else 5),
                is_plural_wanted=self.plural,
                is_no_target_wanted=self.no_target,
                is_for_training=self.for_training,
                seed=self.seed,
            ),
            selection=selection_of(self.drop, (), "drop"),
            is_skipping_missing=self.skip_missing,
            invalid=InvalidRows(is_skipping=self.skip_invalid),
        )
        chosen = [each for each in (self.sentences, self.drop) if each is not None]
        manifest = write_conversion(
            conversion,
            self.out,
            kind="coco",
            files=[self.instances, *chosen],
            options={
                "split_shares": list(self.split_shares),
                "seed": self.seed,
                "plural": self.plural,
                "no_target": self.no_target,
                **({"for_training": True} if self.for_training else {}),
                **({} if most is None else {"sentences_per_object": most}),
            },
            is_resuming=self.resume,
            overwrite=self.overwrite,
            as_json=self.as_json,
        )
        if empty := empty_splits(manifest.splits, self.split_shares):
            warnings.warn(
                f"{' and '.join(empty)} got no image: add images, pass other --split-shares or another "
                "--seed, or train with --validation.split train",
                stacklevel=1,
            )
        return 0
