"""Downloads of the RefCOCO family, now that its own server is gone."""

import zipfile
from dataclasses import dataclass
from pathlib import Path

from cris.errors import InputError
from cris.files import atomic_file
from cris.weights import cache_folder, download

ARCHIVE = "https://web.archive.org/web"
"""The Internet Archive; `id_` after a date gives the original bytes."""
SERVER = "https://bvisionweb1.cs.unc.edu/licheng/referit/data"


@dataclass(frozen=True, slots=True, kw_only=True)
class Download:
    """A file on a server."""

    url: str
    sha256: str
    size: int
    """Size in bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DataSet:
    """A data set inside an archive of annotations."""

    archive: Download
    refs: str
    """Path of the references in the archive."""
    instances: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Annotations:
    """Files of a data set on the disk."""

    refs: Path
    instances: Path


# the hashes and sizes that several public projects give for the archived files
_REFCOCO = Download(
    url=f"{ARCHIVE}/20220413011718id_/{SERVER}/refcoco.zip",
    sha256="7f924bb7ed8dc4568058e4ff626281918d56e5206f4c868c5a80f088f38c8bf0",
    size=53_993_993,
)
_REFCOCO_PLUS = Download(
    url=f"{ARCHIVE}/20220413011656id_/{SERVER}/refcoco+.zip",
    sha256="5f1238112d63199e68da54a28f201471909b21ded7ed79a57d51b4c1443c6b45",
    size=45_613_210,
)
_REFCOCOG = Download(
    url=f"{ARCHIVE}/20220413012904id_/{SERVER}/refcocog.zip",
    sha256="3d1f7e5b2ff2205940bf59de55f861f5f2cc1403fb980669933a7f9af1aa8211",
    size=56_712_951,
)
# as TensorFlow Datasets gives them
TRAIN_2014 = Download(
    url="http://images.cocodataset.org/zips/train2014.zip",
    sha256="ede4087e640bddba550e090eae701092534b554b42b05ac33f0300b984b31775",
    size=13_510_573_713,
)
DATA_SETS = {
    "refcoco": DataSet(archive=_REFCOCO, refs="refcoco/refs(unc).p", instances="refcoco/instances.json"),
    "refcoco+": DataSet(
        archive=_REFCOCO_PLUS, refs="refcoco+/refs(unc).p", instances="refcoco+/instances.json"
    ),
    "refcocog-umd": DataSet(
        archive=_REFCOCOG, refs="refcocog/refs(umd).p", instances="refcocog/instances.json"
    ),
    "refcocog-google": DataSet(
        archive=_REFCOCOG, refs="refcocog/refs(google).p", instances="refcocog/instances.json"
    ),
}


def download_annotations(name: str) -> Annotations:
    """Return the annotations of one of DATA_SETS, downloaded from the Internet Archive unless they are there.

    Raises:
        ConnectionError: they cannot be downloaded; the message says which file to put where.
        InputError: the download is a different file.
    """
    data_set = DATA_SETS[name]
    archive = _fetch(data_set.archive)
    return Annotations(refs=_unpack(archive, data_set.refs), instances=_unpack(archive, data_set.instances))


def download_images() -> Path:
    """Return the zip of COCO's 2014 training images (13.5 GB), downloaded unless it is there; see above."""
    return _fetch(TRAIN_2014)


def _fetch(source: Download) -> Path:
    path = cache_folder() / "data" / source.url.rpartition("/")[2]
    return download(source.url, path, sha256=source.sha256, size=source.size)


def _unpack(archive: Path, member: str) -> Path:
    """Return the member unpacked beside the archive, under a name of ours, not the archive's."""
    path = archive.parent / member
    try:
        with zipfile.ZipFile(archive) as opened:
            size = opened.getinfo(member).file_size
            if not path.exists() or path.stat().st_size != size:
                path.parent.mkdir(parents=True, exist_ok=True)
                with atomic_file(path) as partial:
                    partial.write_bytes(opened.read(member))
    except (zipfile.BadZipFile, KeyError) as error:
        raise InputError(f"{archive} must hold {member}: {error}") from error
    return path
