"""`cris data refer`: the RefCOCO family as it was published, as a data set."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from cris.cli.data.dataset_output import Wrong, files_in, selection_of, write_conversion
from cris.cli.errors import UsageError

DataSet = Literal["refcoco", "refcoco+", "refcocog-umd", "refcocog-google"]
"""Keys of cris.data.sources.downloads.DATA_SETS, repeated because importing that takes a while."""


@dataclass(frozen=True, kw_only=True)
class Command:
    """Convert RefCOCO, RefCOCO+, RefCOCOg or gRefCOCO, and compare its sizes with the published ones.

    Of pickles only plain values are read: nothing in them is run. docs/getting-data.md tells where the files
    are to be had.
    """

    refs: Annotated[Path | None, tyro.conf.arg(metavar="FILE")] = None
    """Referring annotations: refs(unc).p, refs(umd).p, refs(google).p or grefs(unc).json."""
    instances: Annotated[Path | None, tyro.conf.arg(metavar="FILE")] = None
    """Path of instances.json, which lies beside it."""
    images: Annotated[Path | None, tyro.conf.arg(metavar="DIR|ZIP")] = None
    """COCO's training images of 2014; a zip is read in place."""
    download: DataSet | None = None
    """Fetch the annotations (about 50 MB) in place of --refs and --instances; without --images the images
    too (13.5 GB). What was interrupted goes on, and hashes are checked."""
    out: Annotated[Path, tyro.conf.arg(metavar="DIR")]
    """Folder to make."""
    drop: Annotated[Path | None, tyro.conf.arg(metavar="FILE")] = None
    """Leave out what this list names: one ref_id a line, or sentence:SENT_ID."""
    reviewed: Annotated[tuple[Path, ...], tyro.conf.arg(metavar="FILE|DIR")] = ()
    """Ref-L4's …_reviewed.json files, which tell the sentences that people found wrong."""
    wrong: Wrong = "mark"
    """mark moves wrong sentences to splits of their own (val-doubtful); drop leaves them out."""
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
        refs, instances, images = self._sources()
        from cris.data.annotations.invalid import InvalidRows
        from cris.data.sources.refer import convert_refer

        conversion = convert_refer(
            refs,
            instances,
            images,
            data_set=self.download,
            selection=selection_of(self.drop, self.reviewed, self.wrong),
            is_skipping_missing=self.skip_missing,
            invalid=InvalidRows(is_skipping=self.skip_invalid),
        )
        chosen = [] if self.drop is None else [self.drop]
        write_conversion(
            conversion,
            self.out,
            kind="refer",
            files=[refs, instances, *chosen, *files_in(self.reviewed)],
            options={"wrong": self.wrong},
            is_resuming=self.resume,
            overwrite=self.overwrite,
            as_json=self.as_json,
        )
        return 0

    def _sources(self) -> tuple[Path, Path, Path]:
        if self.download is None:
            if self.refs is None or self.instances is None or self.images is None:
                raise UsageError("pass --refs, --instances and --images, or --download and a data set's name")
            return self.refs, self.instances, self.images
        if self.refs is not None or self.instances is not None:
            raise UsageError("--download stands in place of --refs and --instances: pass one or the others")
        from cris.data.sources.downloads import download_annotations, download_images

        annotations = download_annotations(self.download)
        return annotations.refs, annotations.instances, self.images or download_images()
