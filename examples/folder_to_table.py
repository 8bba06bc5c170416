"""Segments a folder in bulk, then reads the answers as a table.

python examples/folder_to_table.py photos "the red car"
"""

import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq

from cris.masks import decode_rle

folder, *sentences = sys.argv[1:]
Path("sentences.txt").write_text("\n".join(sentences), encoding="utf-8")
# --resume: run again after an interruption, this goes on where it was
batch = [sys.executable, "-m", "cris", "batch", folder, "answers", "--sentences", "sentences.txt", "--resume"]
subprocess.run(batch, check=True)

for shard in sorted(Path("answers").glob("*.parquet")):
    for row in pq.read_table(shard).to_pylist():
        if row["error"]:
            print(f"{row['picture']}: {row['error']}")
        else:
            share = decode_rle(row["rle"]).mean()
            print(f"{row['picture']}: {row['sentence']}: score {row['score']:.2f}, {share:.0%} of the image")
