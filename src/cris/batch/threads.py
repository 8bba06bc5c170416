"""Model of one worker, which leaves the other cores to the other workers."""

import os
import sys
import warnings
from pathlib import Path

import cv2

from cris.segmenter import Segmenter


def segmenter_of(checkpoint: Path, device: str, *, threads: int) -> Segmenter:
    """Return this process's segmenter on so many threads; warnings about cut sentences came earlier."""
    os.environ["OMP_NUM_THREADS"] = str(threads)  # which the engines of exported models read
    cv2.setNumThreads(threads)
    warnings.simplefilter("ignore", UserWarning)
    segmenter = Segmenter.from_pretrained(checkpoint, device)
    if "torch" in sys.modules:  # exported models do without it
        sys.modules["torch"].set_num_threads(threads)
    return segmenter
