"""Images that are in several splits, or occur several times."""

import hashlib
from collections.abc import Iterator

import cv2
import numpy as np
from jaxtyping import Int64, UInt8, UInt64

from cris.data.inspection.findings import NOTE, WARNING, Finding
from cris.data.records import ImageRecord
from cris.data.store.manifest import SourceInfo

NEAR_BITS = 8
"""Differing bits, of the 128 of `image_hash`, up to which images look alike."""
_SIDE = 8
_ROWS_AT_ONCE = 1024
_GOOGLE = ("refcocog-google", "refs(google)")


class Leaks:
    """Memory of each image's splits and hash."""

    def __init__(self, source: SourceInfo) -> None:
        # RefCOCOg's google partition was made by objects, not by images.
        told = [*map(str, source.options.values()), *source.files]
        self._is_by_design = any(name in each for each in told for name in _GOOGLE)
        self._names: list[str] = []
        self._splits: list[frozenset[str]] = []
        self._digests: list[bytes] = []
        self._hashes: list[np.ndarray] = []

    def add(self, record: ImageRecord) -> Iterator[Finding]:
        """Remember an image; yield a finding when it is itself in several splits."""
        splits = frozenset(entry.split for entry in record.entries)
        name = f"{record.file_name} (image {record.picture_id})"
        grey = _small_grey(record.image)
        if grey is not None:  # an image that does not decode is another check's
            self._names.append(name)
            self._splits.append(splits)
            self._digests.append(hashlib.sha256(record.image).digest())
            self._hashes.append(image_hash(grey))
        if _is_leak(splits, splits):
            what = f"the image is in {' and '.join(sorted(splits))}"
            if self._is_by_design:
                what += "; the google partition of RefCOCOg leaks so by design: use umd to compare models"
            yield Finding("leak", NOTE if self._is_by_design else WARNING, name, what)

    def found(self) -> Iterator[Finding]:
        """Yield pairs of images that are the same, or look alike."""
        if not self._hashes:
            return
        for first, second in near_pairs(np.stack(self._hashes)):
            is_same = self._digests[first] == self._digests[second]
            is_leak = _is_leak(self._splits[first], self._splits[second])
            likeness = "is the same file as" if is_same else "looks like"
            what = f"it {likeness} {self._names[second]}"
            if is_leak:
                splits = sorted(self._splits[first] | self._splits[second])
                what += f", and they are in {' and '.join(splits)}"
            check = "leak" if is_same and is_leak else "near-duplicate"
            yield Finding(check, WARNING, self._names[first], what)


def image_hash(grey: UInt8[np.ndarray, "height width"]) -> UInt64[np.ndarray, "2"]:
    """Return 128 bits: whether each of 8×8 cells is brighter than the one to its right and the one below."""
    cells = cv2.resize(grey, (_SIDE + 1, _SIDE + 1), interpolation=cv2.INTER_AREA).astype(np.int16)
    across = cells[:_SIDE, :_SIDE] > cells[:_SIDE, 1:]
    down = cells[:_SIDE, :_SIDE] > cells[1:, :_SIDE]
    return np.packbits(np.stack([across, down]).reshape(2, -1), axis=1).view(np.uint64)[:, 0]


def near_pairs(hashes: UInt64[np.ndarray, "n 2"]) -> Iterator[tuple[int, int]]:
    """Yield pairs of indices whose hashes differ in NEAR_BITS or fewer; every pair is compared."""
    for start in range(0, len(hashes), _ROWS_AT_ONCE):
        rows = hashes[start : start + _ROWS_AT_ONCE, None]
        distance: Int64[np.ndarray, "rows n"] = np.bitwise_count(rows ^ hashes[None, start:]).sum(
            -1, dtype=np.int64
        )
        for first, second in np.argwhere(distance <= NEAR_BITS).tolist():
            if first < second:
                yield start + first, start + second


def _is_leak(one: frozenset[str], other: frozenset[str]) -> bool:
    """Check whether one is in train and the other is in anything else."""
    return ("train" in one and bool(other - {"train"})) or ("train" in other and bool(one - {"train"}))


def _small_grey(data: bytes) -> UInt8[np.ndarray, "rows columns"] | None:
    """Return the image at half its size; None where it does not decode."""
    try:
        return cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_REDUCED_GRAYSCALE_2)
    except cv2.error:  # of no bytes at all
        return None
