"""`cris data hub`: a re-release of the RefCOCO family, as a data set."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from cris.cli.data.dataset_output import Wrong, files_in, selection_of, write_conversion

if TYPE_CHECKING:
    from cris.data.sources.hub.parquet import ColumnError


@dataclass(frozen=True, kw_only=True)
class Command:
    """Convert a re-release of RefCOCO, RefCOCO+ or RefCOCOg, or store what cris data push wrote.

    Parquet as lmms-lab/RefCOCO, jxu124/refcoco and moondream/refcoco-m have it, or MDETR's
    finetune_refcoco_train.json and its kin. Columns are checked first.
    """

    source: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="SOURCE")]
    """Folder, file, or hf://datasets/OWNER/NAME@REVISION, on the hub at a revision that never moves."""
    out: Annotated[Path, tyro.conf.arg(metavar="DIR")]
    """Folder to make."""
    images: Annotated[Path | None, tyro.conf.arg(metavar="DIR|ZIP")] = None
    """COCO's training images of 2014, for releases without images; a zip is read in place."""
    instances: Annotated[Path | None, tyro.conf.arg(metavar="FILE")] = None
    """COCO's instances_train2014.json, for releases without masks (MDETR's)."""
    drop: Annotated[Path | None, tyro.conf.arg(metavar="FILE")] = None
    """Leave out what this list names: one ref_id (question_id, sample id) a line, or sentence:SENT_ID."""
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
        from cris.data.annotations.invalid import InvalidRows
        from cris.data.sources.hub import convert_hub, source_files
        from cris.data.sources.hub.fetch import locate
        from cris.data.sources.hub.parquet import ColumnError
        from cris.data.sources.hub.published import published_files

        folder = locate(self.source)
        if files := published_files(folder):
            return self._store(files)
        try:
            conversion = convert_hub(
                folder,
                images=self.images,
                instances=self.instances,
                selection=selection_of(self.drop, self.reviewed, self.wrong),
                is_skipping_missing=self.skip_missing,
                invalid=InvalidRows(is_skipping=self.skip_invalid),
            )
        except ColumnError as error:
            _show_columns(error)
            raise
        chosen = [path for path in (self.instances, self.drop) if path is not None]
        write_conversion(
            conversion,
            self.out,
            kind="hub",
            files=[*source_files(folder), *chosen, *files_in(self.reviewed)],
            options={"wrong": self.wrong},
            is_resuming=self.resume,
            overwrite=self.overwrite,
            as_json=self.as_json,
        )
        return 0

    def _store(self, files: list[Path]) -> int:
        """Write a data set of ours as it was before it was pushed or exported."""
        from cris.cli.data.console import command, show_dataset
        from cris.data.sources.hub.published import store_published
        from cris.errors import InputError

        chosen = (self.images, self.instances, self.drop, *self.reviewed)
        if any(each is not None for each in chosen) or self.skip_missing or self.skip_invalid:
            raise InputError(f"{self.source} is a data set of cris, which is taken whole: pass --out alone")
        manifest = store_published(
            files, self.out, command=command(), is_resuming=self.resume, overwrite=self.overwrite
        )
        show_dataset(self.out, manifest, as_json=self.as_json)
        return 0


def _show_columns(error: "ColumnError") -> None:
    """Print the columns side by side."""
    from rich.table import Table
    from rich.text import Text

    from cris.cli.console import show

    table = Table(title=Text(f"columns of {error.layout.name}"), title_justify="left")
    for header in ("column", "expected", "found", ""):
        table.add_column(header)
    for check in error.checks:
        cells = (check.name, check.expected, check.found, "" if check.is_right else "differs")
        table.add_row(*map(Text, cells))
    show(table)
