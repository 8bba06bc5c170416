"""The model of one worker, which leaves the other cores to the other workers."""

import os
import warnings
from pathlib import Path

import cv2
import torch

from cris.segmenter import Segmenter


def segmenter_of(checkpoint: Path, device: str, *, threads: int) -> Segmenter:
    """The segmenter of this process, on so many threads; cut sentences were told of before."""
    os.environ["OMP_NUM_THREADS"] = str(threads)  # which the engines of exported models read
    torch.set_num_threads(threads)
    cv2.setNumThreads(threads)
    warnings.simplefilter("ignore", UserWarning)
    return Segmenter.from_pretrained(checkpoint, device)
