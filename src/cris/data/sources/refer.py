"""RefCOCO, RefCOCO+, RefCOCOg and gRefCOCO as their authors published them."""

from pathlib import Path

from cris.data.annotations.instances import read_instances
from cris.data.annotations.invalid import InvalidRows
from cris.data.annotations.references import data_set_of, read_references
from cris.data.annotations.selection import Selection
from cris.data.sources.conversion import Conversion, ImageFiles, join
from cris.data.sources.images import Images


def convert_refer(
    refs: Path,
    instances: Path,
    images: Path,
    *,
    data_set: str | None = None,
    selection: Selection | None = None,
    is_skipping_missing: bool = False,
    invalid: InvalidRows | None = None,
) -> Conversion:
    """Return the images of `refs(unc).p`, `refs(umd).p`, `refs(google).p` or `grefs(unc).json`.

    Args:
        refs: the references; only plain values are read from a pickle
        instances: COCO's instances.json that comes with them
        images: a folder or zip of COCO's 2014 images
        data_set: a key of SPLIT_SIZES to compare sizes with; by default derived from the name of `refs`
        selection: references to leave out or mark
        is_skipping_missing: go on without images that are not there
        invalid: policy for invalid rows and images; by default they are refused

    Raises:
        InputError: a file is malformed; names file, row and field.
    """
    invalid = invalid or InvalidRows()
    references = read_references(refs, invalid)
    return join(
        references,
        read_instances(instances, invalid),
        ImageFiles(Images(images)),
        data_set=data_set or data_set_of(refs, references),
        selection=selection or Selection(),
        is_skipping_missing=is_skipping_missing,
        invalid=invalid,
    )
