"""Opening a data set of 20,000 images, each time in a new process: seconds, and memory beyond the cache.

    python benchmarks/data_open.py

Writes 20,000 images of 20 kB, with 2 objects, 2 entries and 6 sentences each, to a temporary folder. The
first opening comes after the files were dropped from the page cache where the system can. Opening is all up
to the samples of a split and one image.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from cris.data.records import ImageRecord, ObjectRecord, ReferringEntry
from cris.data.store.manifest import SourceInfo
from cris.data.store.writing import write_dataset
from cris.masks import encode_rle

IMAGES, IMAGE_BYTES = 20_000, 20_000
TIMES = 5
OPEN = """
import sys, time
from cris.process_memory import peak_bytes
from cris.data.store.reading import StoredDataset

def anonymous_mib():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("RssAnon")) / 1024

before, start, cpu = anonymous_mib(), time.perf_counter(), time.process_time()
dataset = StoredDataset(sys.argv[1])
samples = dataset.samples("train")
dataset.image(int(samples.image[len(samples) // 2]))
seconds, cpu, taken = time.perf_counter() - start, time.process_time() - cpu, anonymous_mib() - before
peak = peak_bytes() / 2**20
print(f"{seconds:.3f} s ({cpu:.3f} of a CPU), {taken:.1f} MiB of its own "
      f"(with imports {anonymous_mib():.0f}, with mapped pages {peak:.0f}), {len(samples):,} samples")
"""


def images(start: int) -> Iterator[ImageRecord]:
    """Images of the usual size, of random bytes."""
    draws = np.random.default_rng(0)
    mask = np.zeros((480, 640), dtype=bool)
    mask[100:300, 200:400] = True
    rle = encode_rle(mask)
    for number in range(start, IMAGES):
        ids = (2 * number, 2 * number + 1)
        yield ImageRecord(
            picture_id=number,
            file_name=f"COCO_train2014_{number:012d}.jpg",
            height=480,
            width=640,
            image=draws.bytes(IMAGE_BYTES),
            objects=tuple(
                ObjectRecord(
                    id=each,
                    category="dog",
                    box=(200.0, 100.0, 200.0, 200.0),
                    rle=rle,
                    area=4e4,
                    is_crowd=False,
                )
                for each in ids
            ),
            entries=tuple(
                ReferringEntry(
                    ref_id=each,
                    object_ids=(each,),
                    sentences=("left dog", "the dog on the left", "dog that looks away"),
                    split="val" if number % 10 == 0 else "train",
                )
                for each in ids
            ),
        )


def drop_from_cache(folder: Path) -> None:
    """Make the next reader read from the disk."""
    for path in folder.iterdir():
        with path.open("rb") as file:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def main() -> None:
    """Write, open five times, print."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "data"
        write_dataset(folder, images, SourceInfo(kind="benchmark"), command="data_open.py")
        drop_from_cache(folder)
        for time in range(TIMES):
            line = subprocess.run(
                [sys.executable, "-c", OPEN, str(folder)], check=True, capture_output=True, text=True
            ).stdout
            print(f"{'cold' if time == 0 else 'warm'}: {line}", end="")


if __name__ == "__main__":
    main()
