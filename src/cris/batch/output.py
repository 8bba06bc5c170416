"""Output folder of a bulk job, local or in an object store: whole shards and a manifest naming the job."""

import hashlib
import io
import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from cris.batch.job import SCHEMA_VERSION, BulkJob
from cris.batch.storage import explained, is_local, open_url, write_whole
from cris.errors import InputError
from cris.lock import LOCK, locked

MANIFEST = "_manifest.json"
"""Name of the manifest; readers of Parquet folders skip names that begin with an underscore."""
_ROWS = r"rows-\d+-of-\d+\.parquet"
_UNFINISHED = rf"\.\w+-({_ROWS}|{re.escape(MANIFEST)})"
"""Pattern of the partial files that a run leaves when it is killed while writing."""


@contextmanager
def alone_in(url: str) -> Iterator[None]:
    """Keep other jobs out of a folder, where it is local: an object store has no locks.

    Raises:
        InputError: another process writes there.
    """
    filesystem, path = open_url(url)
    if not is_local(filesystem) or Path(path).is_file():
        yield
        return
    with locked(Path(path)):
        yield


class Output:
    """Folder in which a job's shards gather; only one process writes to it."""

    def __init__(
        self,
        url: str,
        job: BulkJob,
        about: Mapping[str, Any],
        *,
        is_resuming: bool = False,
        overwrite: bool = False,
    ) -> None:
        """Begin the job in this folder, or go on with it.

        Args:
            url: folder to create, or a URL such as s3://bucket/folder.
            job: the job whose shards are written.
            about: further fields of the manifest.
            is_resuming: go on with what an earlier run of the same job left.
            overwrite: replace what another job, or an earlier run, left.

        Raises:
            InputError: the folder holds other files, or a job that must not be touched.
        """
        self.url = url
        self._job = job
        self._about = dict(about)
        with explained(url):
            self._filesystem, self._path = open_url(url)
            self._check_apart(job.source)
            self._begin(is_resuming=is_resuming, overwrite=overwrite)
            names = self._names()
        self.finished = {shard.number for shard in job.shards if self._name(shard.number) in names}
        """Numbers of the shards that are already written."""

    def add(self, number: int, content: bytes) -> None:
        """Write a shard, whole or not at all."""
        with explained(self.url):
            write_whole(self._filesystem, self._at(self._name(number)), content)
        self.finished.add(number)

    def complete(self) -> dict[str, Any]:
        """Write the manifest of the finished job and return it; all shards must be there.

        Raises InputError when a shard differs from what was written.
        """
        shards = []
        for shard in self._job.shards:
            with explained(self.url):
                content = self._filesystem.cat_file(self._at(self._name(shard.number)))
            shards.append(_shard_info(self._name(shard.number), content, shard.rows))
        manifest = self._manifest() | {
            "is_complete": True,
            "errors": sum(shard["errors"] for shard in shards),
            "shards": shards,
        }
        self._write(manifest)
        return manifest

    def _begin(self, *, is_resuming: bool, overwrite: bool) -> None:
        if is_local(self._filesystem) and Path(self._path).exists() and not Path(self._path).is_dir():
            raise InputError(f"OUT must name a folder, {self.url} is a file")
        names = self._names()
        unfinished = {name for name in names if re.fullmatch(_UNFINISHED, name)}
        names -= unfinished
        found = self._read() if MANIFEST in names else {}
        if names and found.get("job") != "batch":
            raise InputError(f"{self.url} holds other things than a bulk job: choose another OUT")
        is_same = found.get("fingerprint") == self._job.fingerprint
        if is_same and is_resuming:
            self._remove(unfinished)
            return
        if found and not overwrite:
            if not is_same:
                raise InputError(
                    f"{self.url} holds another job (model, images, sentences or size of shards differ): "
                    "choose another OUT, or pass --overwrite"
                )
            state = "finished" if found.get("is_complete") else "begun"
            raise InputError(
                f"this job was {state} in {self.url}: pass --resume, or --overwrite to begin anew"
            )
        # The old manifest stays until the new one takes its place: a run killed here leaves a folder of ours.
        self._remove(unfinished | {name for name in names if re.fullmatch(_ROWS, name)})
        if is_local(self._filesystem):
            Path(self._path).mkdir(parents=True, exist_ok=True)
        self._write(self._manifest())

    def _check_apart(self, source: str) -> None:
        """Check that our shards would not become images of the job."""
        filesystem, path = open_url(source)
        if type(filesystem) is type(self._filesystem) and f"{self._path}/".startswith(f"{path}/"):
            raise InputError(f"OUT must not be inside IN, got {self.url} inside {source}")

    def _names(self) -> set[str]:
        self._filesystem.invalidate_cache()
        if not self._filesystem.isdir(self._path):
            return set()
        names = {path.rpartition("/")[2] for path in self._filesystem.ls(self._path, detail=False)}
        return names - {"", LOCK}

    def _remove(self, names: set[str]) -> None:
        for name in names:
            self._filesystem.rm_file(self._at(name))

    def _manifest(self) -> dict[str, Any]:
        return {
            "schema_version": SCHEMA_VERSION,
            "job": "batch",
            "fingerprint": self._job.fingerprint,
            "is_complete": False,
            **self._about,
            "pictures": self._job.images,
            "rows": self._job.rows,
        }

    def _read(self) -> dict[str, Any]:
        try:
            content = json.loads(self._filesystem.cat_file(self._at(MANIFEST)))
        except ValueError:
            return {}
        return content if isinstance(content, dict) else {}

    def _write(self, manifest: Mapping[str, Any]) -> None:
        with explained(self.url):
            write_whole(
                self._filesystem, self._at(MANIFEST), (json.dumps(manifest, indent=2) + "\n").encode()
            )

    def _at(self, name: str) -> str:
        return f"{self._path.rstrip('/')}/{name}"

    def _name(self, number: int) -> str:
        return f"rows-{number:05d}-of-{len(self._job.shards):05d}.parquet"


def _shard_info(name: str, content: bytes, rows: int) -> dict[str, Any]:
    try:
        errors = pq.read_table(io.BytesIO(content), columns=["error"])["error"]
    except (OSError, ValueError) as error:
        raise InputError(f"{name} is damaged ({error}): delete it, and pass --resume") from error
    if len(errors) != rows:
        raise InputError(
            f"{name} must have {rows:,} rows, it has {len(errors):,}: delete it, and pass --resume"
        )
    return {
        "name": name,
        "rows": rows,
        "errors": rows - errors.null_count,
        "bytes": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
    }
