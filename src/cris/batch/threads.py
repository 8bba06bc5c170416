"""The model of one worker, which leaves the other cores to the other workers."""

import warnings
from pathlib import Path

import cv2
import torch

from cris.segmenter import Segmenter


def segmenter_of(checkpoint: Path, device: str, *, threads: int) -> Segmenter:
    """The segmenter of this process, on so many threads; cut sentences were told of before."""
    torch.set_num_threads(threads)
    cv2.setNumThreads(threads)
    warnings.simplefilter("ignore", UserWarning)
    return Segmenter.from_pretrained(checkpoint, device)
