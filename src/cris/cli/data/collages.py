"""`cris data collages`: collages of a data set's photographs, as a data set."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro


@dataclass(frozen=True, kw_only=True)
class Command:
    """Paste objects of photographs into others, with sentences about the result, as training does.

    The same data set and options give the same collages. To train on them, pass
    --sampling.collage-share to cris train: it makes as many as it needs, and stores none.
    """

    folder: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="DIR")]
    """Data set of photographs."""
    count: Annotated[int, tyro.conf.arg(metavar="N")]
    """Collages to make."""
    out: Annotated[Path, tyro.conf.arg(metavar="DIR")]
    """Folder to make."""
    split: str = "train"
    """Split that the photographs are taken from, and that the collages belong to."""
    sentences_per_image: Annotated[int, tyro.conf.arg(metavar="N")] = 8
    """Most sentences of a collage."""
    seed: int = 0
    """Seed; another one gives other collages."""
    resume: bool = False
    """Go on with a run of these options that was interrupted."""
    as_json: Annotated[bool, tyro.conf.arg(name="json")] = False
    """Print manifest.json, and nothing else."""
    overwrite: bool = False
    """Replace the data set in DIR."""

    def run(self) -> int:
        """Make, write and print how much."""
        from cris.cli.data.console import command, show_dataset
        from cris.data.sources.collages import CollageSet
        from cris.data.store.writing import write_dataset
        from cris.progress import track

        collages = CollageSet(
            folder=self.folder,
            split=self.split,
            count=self.count,
            sentences=self.sentences_per_image,
            seed=self.seed,
        )
        manifest = write_dataset(
            self.out,
            lambda start: track(collages.records(start), total=self.count - start, what="collages"),
            collages.source,
            command=command(),
            is_resuming=self.resume,
            overwrite=self.overwrite,
        )
        show_dataset(self.out, manifest, as_json=self.as_json)
        return 0
