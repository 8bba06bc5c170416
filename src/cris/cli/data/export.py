"""`cris data export`: a data set in other formats."""

import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro


@dataclass(frozen=True, kw_only=True)
class Command:
    """Write a data set as others read it, and as cris reads it again."""

    data: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="DIR")]
    """Data set to export."""
    format: Literal["parquet", "webdataset", "datasets", "coco", "refer"]
    """parquet: the same columns, a file for each shard; webdataset: tars of an image's file and a JSON with
    the rest; datasets: Parquet by split for datasets.load_dataset; coco: instances and sentences by split, as
    cris data coco takes them; refer: refs(cris).p and instances.json, as RefCOCO is published. The last two
    with images.zip."""
    out: Annotated[Path, tyro.conf.arg(metavar="DIR")]
    """Folder for the files, and results.json (_results.json beside Parquet) which names them."""
    as_json: Annotated[bool, tyro.conf.arg(name="json")] = False
    """Print the content of results.json, and nothing else."""
    overwrite: bool = False
    """Replace what another export left in the folder."""

    def run(self) -> int:
        """Export, and print how much."""
        from cris.cli.console import show
        from cris.data.store.export import export
        from cris.data.store.reading import StoredDataset
        from cris.jobs import Job, to_json, write_record, written_together
        from cris.progress import track

        dataset = StoredDataset(self.data)
        shards = [shard.sha256 for shard in dataset.manifest.files]
        job = Job("export", {"shards": shards, "format": self.format})
        job.check_unmixed(self.out, overwrite=self.overwrite)
        with written_together(self.out) as folder:
            for _ in track(export(dataset, folder, self.format), total=len(dataset), what="images"):
                pass
            files = sorted(path.name for path in folder.iterdir())
            size = sum(path.stat().st_size for path in folder.iterdir())
            manifest = asdict(dataset.manifest)
            record = job.record(files, format=self.format, manifest=manifest)
            write_record(folder, record)
        if self.as_json:
            sys.stdout.write(to_json(record))
            return 0
        show(f"{self.out}: {len(dataset):,} images in {len(files):,} files, {size / 1e6:,.1f} MB")
        return 0
