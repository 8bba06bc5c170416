"""`cris data scenes`: rendered scenes as a data set."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro


@dataclass(frozen=True, kw_only=True)
class Command:
    """Render scenes: images of shapes with sentences and exact masks. Nothing is downloaded.

    The same options give the same images for ever.
    """

    count: Annotated[int, tyro.conf.arg(metavar="N")]
    """Images of each split."""
    out: Annotated[Path, tyro.conf.arg(metavar="DIR")]
    """Folder to make."""
    split: tuple[Literal["train", "val", "test"], ...] = ("train",)
    """Splits to make, one or several; val has 1,000 scenes and test 2,000."""
    sentences_per_image: Annotated[int, tyro.conf.arg(metavar="N")] = 8
    """Most sentences of an image."""
    size: int = 160
    """Side of the images, in pixels."""
    seed: int = 0
    """Seed; another one gives other scenes."""
    ambiguous_share: float = 0.0
    """Share of sentences that fit several objects, of which one is meant; 0 to 1."""
    mislabelled_share: float = 0.0
    """Share of sentences that mean another object than they say; 0 to 1."""
    no_target_share: float = 0.0
    """Share of sentences that fit nothing; 0 to 1."""
    several_targets_share: float = 0.0
    """Share of sentences that mean two objects or more; 0 to 1."""
    resume: bool = False
    """Go on with a run of these options that was interrupted."""
    as_json: Annotated[bool, tyro.conf.arg(name="json")] = False
    """Print manifest.json, and nothing else."""
    overwrite: bool = False
    """Replace the data set in DIR."""

    def run(self) -> int:
        """Render, write and print how much."""
        from cris.cli.data.console import command, show_dataset
        from cris.data.scenes import SceneKnobs
        from cris.data.sources.scenes import SceneSet
        from cris.data.store.writing import write_dataset
        from cris.progress import track

        knobs = SceneKnobs(
            ambiguous=self.ambiguous_share,
            mislabelled=self.mislabelled_share,
            no_target=self.no_target_share,
            several_targets=self.several_targets_share,
        )
        scenes = SceneSet(
            counts=dict.fromkeys(self.split, self.count),
            sentences=self.sentences_per_image,
            seed=self.seed,
            size=self.size,
            knobs=knobs,
        )
        total = sum(scenes.counts.values())
        manifest = write_dataset(
            self.out,
            lambda start: track(scenes.records(start), total=total - start, what="scenes"),
            scenes.source,
            command=command(),
            is_resuming=self.resume,
            overwrite=self.overwrite,
        )
        show_dataset(self.out, manifest, as_json=self.as_json)
        return 0
