"""Builds src/cris/model/assets/tokenizer.json from CLIP's merge table.

pip download --no-deps open_clip_torch
unzip -j open_clip_torch-*.whl open_clip/bpe_simple_vocab_16e6.txt.gz
python tools/build_tokenizer.py bpe_simple_vocab_16e6.txt.gz
"""

import argparse
import gzip
import hashlib
from pathlib import Path

from cris.files import sha256_of
from cris.model.tokenizer import CLIP_TABLE, Tokenizer

SOURCE_SHA256 = "924691ac288e54409236115652ad4aa250f48203de50a9e4722a6ecd48d6804a"
VOCABULARY = 49408
"""CLIP's tokens: two per byte, the merges, two control tokens; the source lists more merges than it uses."""


def main() -> None:
    """Read the merge table, check that it is CLIP's, and write the tokenizer."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("merges", type=Path, help="bpe_simple_vocab_16e6.txt.gz")
    parser.add_argument("--out", type=Path, default=CLIP_TABLE)
    arguments = parser.parse_args()

    compressed = arguments.merges.read_bytes()
    if (digest := hashlib.sha256(compressed).hexdigest()) != SOURCE_SHA256:
        raise SystemExit(f"{arguments.merges} must have sha256 {SOURCE_SHA256}, got {digest}")
    lines = gzip.decompress(compressed).decode("utf-8").split("\n")[1:]
    pairs = [line.split() for line in lines[: VOCABULARY - 2 * 256 - 2]]
    tokenizer = Tokenizer.from_merges([(left, right) for left, right in pairs])
    assert tokenizer.vocab_size == VOCABULARY
    tokenizer.save(arguments.out)
    print(f"{arguments.out}: sha256 {sha256_of(arguments.out)}")


if __name__ == "__main__":
    main()
