"""Re-releases of the RefCOCO family: Parquet in three layouts, and MDETR's JSON."""

from pathlib import Path

from cris.data.annotations.instances import Instances
from cris.data.annotations.invalid import InvalidRows
from cris.data.annotations.references import ReferenceRecord
from cris.data.annotations.selection import Selection
from cris.data.sources.conversion import Contents, Conversion, ImageFiles, join
from cris.data.sources.hub import image_rows, object_rows, reference_rows
from cris.data.sources.hub.mdetr import mdetr_files, read_mdetr
from cris.data.sources.hub.parquet import layout_of
from cris.data.sources.images import Images
from cris.errors import InputError

LAYOUTS = (object_rows.LAYOUT, reference_rows.LAYOUT, image_rows.LAYOUT)
_DATA_SETS = {"refcoco": "refcoco", "refcocoplus": "refcoco+", "refcocog": "refcocog-umd"}
"""Names of repositories → keys of SPLIT_SIZES."""


def convert_hub(
    folder: Path,
    *,
    images: Path | None = None,
    instances: Path | None = None,
    selection: Selection | None = None,
    is_skipping_missing: bool = False,
    invalid: InvalidRows | None = None,
) -> Conversion:
    """Return the images of a re-release in a folder, or in one file.

    Args:
        folder: Parquet files, directly or in subfolders, or MDETR's finetune_*.json; or one such file
        images: a folder or zip of COCO's 2014 images, for releases without images
        instances: COCO's instances_train2014.json, for MDETR's files, which have no masks
        selection: references to leave out or mark
        is_skipping_missing: go on without images that are not there
        invalid: policy for invalid rows and images; by default they are refused

    Raises:
        ColumnError: the columns are those of no known layout.
        InputError: a row is malformed; names file, row and field.
    """
    invalid = invalid or InvalidRows()
    remarks: list[str] = []
    contents: Contents
    data_set = _data_set(folder)
    references: list[ReferenceRecord]
    source: Instances
    if not folder.exists():
        raise InputError(f"there is no file or folder {folder}")
    if files := _parquet_files(folder):
        layout = layout_of(files, LAYOUTS)
        if layout is object_rows.LAYOUT:
            objects = object_rows.read_object_rows(files, invalid)
            references, source, contents = objects.references, objects.instances, objects.contents
            remarks = objects.remarks
        elif layout is image_rows.LAYOUT:
            embedded = image_rows.read_image_rows(files, invalid)
            references, source, contents = embedded.references, embedded.instances, embedded.contents
        else:
            references, source = reference_rows.read_reference_rows(files, invalid)
            contents = _image_files(images, layout.name)
    elif files := _mdetr_files(folder):
        references, source, data_set = read_mdetr(files, instances, invalid)
        contents = _image_files(images, "MDETR")
    else:
        raise InputError(f"{folder} has neither Parquet files nor MDETR's finetune_DATASET_SPLIT.json")
    conversion = join(
        references,
        source,
        contents,
        data_set=data_set,
        selection=selection or Selection(),
        is_skipping_missing=is_skipping_missing,
        invalid=invalid,
    )
    conversion.remarks.extend(remarks)
    return conversion


def source_files(folder: Path) -> list[Path]:
    """Return the files to read in a folder, or the one file."""
    return _parquet_files(folder) or _mdetr_files(folder)


def _parquet_files(folder: Path) -> list[Path]:
    if folder.is_file():
        return [folder] if folder.suffix == ".parquet" else []
    return sorted(path for path in folder.rglob("*.parquet") if path.is_file())


def _mdetr_files(folder: Path) -> list[Path]:
    if folder.is_file():
        return [folder] if folder.suffix == ".json" else []
    return mdetr_files(folder)


def _image_files(images: Path | None, name: str) -> ImageFiles:
    if images is None:
        raise InputError(f"files as those of {name} come without images: pass --images, COCO's of 2014")
    return ImageFiles(Images(images))


def _data_set(folder: Path) -> str | None:
    """Return the data set named by the folder, called as a repository with or without owner and revision."""
    name = folder.name.lower().partition("@")[0].rpartition("--")[2]
    return _DATA_SETS.get(name)
