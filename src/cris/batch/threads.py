"""Model of one worker, which leaves the other cores to the other workers."""

import warnings
from pathlib import Path

import cv2

from cris.segmenter import Segmenter
from cris.workers import limit_threads


def segmenter_of(checkpoint: Path, device: str, *, threads: int) -> Segmenter:
    """Return this process's segmenter on so many threads; warnings about cut sentences came earlier."""
    limit_threads(threads)
    cv2.setNumThreads(threads)
    warnings.simplefilter("ignore", UserWarning)
    return Segmenter.from_pretrained(checkpoint, device)
