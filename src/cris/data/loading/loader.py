"""Training batches: views of images, prepared in worker processes, at a position that can be saved."""

import pickle
import shutil
import signal
import warnings
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import cv2
import numpy as np
import torch
from jaxtyping import Bool, Float, Float32, Int, Int64, UInt8
from torch import Tensor
from torch.utils.data import DataLoader, get_worker_info
from torch.utils.data import Dataset as MapDataset

from cris.data.dataset import Dataset, View
from cris.data.loading.resample import Target, cell_shares, quick_square
from cris.data.loading.sampling import SampleGroup, Stream
from cris.data.loading.transforms import SMALLEST_SHARE, Transform
from cris.errors import DamagedImageError, InputError
from cris.letterbox import CELL, Letterbox, normalisation
from cris.model.config import InferenceConfig
from cris.model.tokenizer import Tokenizer

_SHARED_MEMORY = "/dev/shm"
_TRIES = 32
"""Number of damaged images in a row after which the data set itself counts as damaged."""


@dataclass(frozen=True)
class Batch:
    """N sentences about B images."""

    images: UInt8[Tensor, "images 3 height width"]
    """RGB images in the network's square, channels last in memory; `inputs` is what the network reads."""
    tokens: Int[Tensor, "sentences tokens"]
    """Token ids of each sentence, padded with 0."""
    image_index: Int[Tensor, "sentences"]
    """Index of the image that each sentence is about."""
    masks: Float[Tensor, "sentences 1 rows columns"]
    """Share of each cell that the sentence's mask covers, on the grid of answers or finer."""
    on_image: Bool[Tensor, "images cells cells"]
    """Cells of the grid of answers that lie on the image, at least in part; the others are padding."""
    samples: Int[Tensor, "sentences"]
    """Data set index of each sample."""

    def to(self, device: torch.device) -> "Batch":
        """Return the batch on a device."""
        return Batch(**{name: part.to(device, non_blocking=True) for name, part in vars(self).items()})

    def pin_memory(self) -> "Batch":
        """Return the batch in memory that a GPU can fetch from; the loader calls this."""
        return Batch(**{name: part.pin_memory() for name, part in vars(self).items()})

    def inputs(self) -> Float[Tensor, "images 3 height width"]:
        """Return the images normalised on their device, to which only a quarter of the bytes had to go."""
        scale, shift = (
            torch.from_numpy(part).to(self.images.device)[:, None, None] for part in normalisation()
        )
        return self.images.float() * scale - shift


@dataclass(frozen=True, slots=True, eq=False)
class Prepared:
    """One image and its sentences, ready to be put into a batch."""

    image: UInt8[np.ndarray, "size size 3"]
    tokens: Int64[np.ndarray, "sentences tokens"]
    masks: Float32[np.ndarray, "sentences rows columns"]
    on_image: Bool[np.ndarray, "cells cells"]
    samples: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class Prepare:
    """Preparation of a view: its image in the network's square, its sentences as tokens."""

    tokenizer: Tokenizer
    inference: InferenceConfig
    """Input size, sentence length and resampling protocol."""
    target: Target = "area"
    transforms: Sequence[Transform] = ()
    """Transforms applied to the view before, in this order."""

    @property
    def longest(self) -> int | None:
        """Return the pixels needed on an image's longer side; None for all it has."""
        if self.inference.protocol == "released":
            return None
        return round(
            self.inference.input_size / SMALLEST_SHARE if self.transforms else self.inference.input_size
        )

    def __call__(self, view: View, samples: Sequence[int], random: np.random.Generator) -> Prepared:
        """Prepare a view on the CPU, from transforms to tokens."""
        for transform in self.transforms:
            view = transform(view, random)
        size, protocol = self.inference.input_size, self.inference.protocol
        height, width = view.image.shape[:2]
        masks = np.stack([grid_mask(mask, size, protocol, self.target) for mask in view.masks])
        letterbox = Letterbox(height, width, size, protocol)
        on_image = np.zeros((size // CELL, size // CELL), dtype=bool)
        on_image[letterbox.cells] = True
        return Prepared(
            image=quick_square(view.image, letterbox),
            tokens=self.tokenizer.encode(view.sentences, self.inference.sentence_length),
            masks=masks[list(view.meant)],
            on_image=on_image,
            samples=tuple(samples[: len(view.sentences)]),
        )


def grid_mask(
    mask: Bool[np.ndarray, "height width"],
    size: int,
    protocol: Literal["default", "released"],
    target: Target,
) -> Float32[np.ndarray, "cells cells"]:
    """Return the mask on the grid of answers: `Letterbox.apply_mask` for the loss, or exact shares."""
    height, width = mask.shape
    letterbox = Letterbox(height, width, size, protocol)
    if target == "nearest":
        return np.ascontiguousarray(letterbox.apply_mask(mask)[::CELL, ::CELL])
    cells = size // CELL
    rows, columns = (part.stop - part.start for part in letterbox.cells)
    if protocol == "released" or rows > height or columns > width:
        fine = letterbox.apply_mask(mask).reshape(cells, CELL, cells, CELL)
        return np.asarray(fine.mean(axis=(1, 3), dtype=np.float32))
    grid = np.zeros((cells, cells), dtype=np.float32)
    # in one step: a cell's share of the mask's own pixels, not of resampled ones
    grid[letterbox.cells] = cell_shares(mask, rows, columns)
    return grid


def collate(parts: Sequence[Prepared]) -> Batch:
    """Return the batch of these images and all their sentences."""
    counts = [len(part.tokens) for part in parts]
    return Batch(
        images=torch.from_numpy(np.stack([part.image for part in parts])).permute(0, 3, 1, 2),
        tokens=torch.from_numpy(np.concatenate([part.tokens for part in parts])),
        image_index=torch.arange(len(parts)).repeat_interleave(torch.tensor(counts)),
        masks=torch.from_numpy(np.concatenate([part.masks for part in parts]))[:, None],
        on_image=torch.from_numpy(np.stack([part.on_image for part in parts])),
        samples=torch.tensor([sample for part in parts for sample in part.samples]),
    )


class Loader:
    """Endless batches for one process of a run, from its current position.

    A batch's contents depend on the seed and the position alone: not on the number of workers, nor on the
    processes beside this one. The position counts what was handed out, not what workers have read ahead.

    Workers hand batches over in shared memory; where that is full, as in a container with Docker's 64 MB,
    through a pipe, which is slower.

    An image that cannot be decoded is skipped, with a warning the first time: the next image of the
    stream takes its place, so the batch still follows from the seed and the position alone.
    """

    damaged: set[str]
    """Names of the images that were skipped."""

    def __init__(
        self,
        dataset: Dataset,
        stream: Stream,
        prepare: Prepare,
        *,
        groups: int,
        workers: int = 0,
        rank: int = 0,
        processes: int = 1,
    ) -> None:
        """Take `groups` groups per batch over all processes, of which this one is number `rank`."""
        if groups < 1 or groups % processes:
            raise InputError(f"a batch must divide evenly over {processes} processes, got {groups} groups")
        self.views = _Views(dataset, prepare, stream)
        self.stream = stream
        self.groups = groups
        self.workers = workers
        self.rank, self.processes = rank, processes
        self.position = 0
        self.damaged = set()

    def __iter__(self) -> Generator[Batch, None, None]:
        """Yield batches from the position on; workers end with it, however it ends.

        Raises:
            InputError: the data set is damaged, or workers cannot be started.
        """
        batches: DataLoader[_Loaded] = DataLoader(
            self.views,
            batch_sampler=self.stream.batches(self.position, self.groups, self.rank, self.processes),
            num_workers=self.workers,
            collate_fn=_collate,
            worker_init_fn=_start_worker,
            pin_memory=torch.cuda.is_available(),
            generator=torch.Generator(),  # else the loader would draw from the one that dropout draws from
        )
        try:
            made = iter(batches)
        except OSError as error:  # there is no room even for the workers' semaphores
            raise InputError(
                f"{self.workers} workers cannot be started: {error}; {_SHARED_MEMORY} has {_room()}: give it "
                "more, or pass --sampling.workers 0"
            ) from error
        try:
            is_told = False
            for batch, damaged in made:
                self.pass_over(damaged)
                if isinstance(batch, InputError):
                    raise batch
                if isinstance(batch, bytes):
                    if not is_told:
                        _tell_of_pipe(len(batch))
                    is_told = True
                    batch = _unpickled(batch)
                self.position += self.groups
                yield batch
        finally:
            # a traceback may keep the iterator, and a program that ends waits for workers that ignore SIGTERM
            if self.workers:
                made._shutdown_workers()  # type: ignore[attr-defined]  # torch has no public name for it

    def pass_over(self, damaged: Sequence[DamagedImageError]) -> None:
        """Warn of images that cannot be decoded, once for each, and count them."""
        for error in damaged:
            if error.image not in self.damaged:
                warnings.warn(f"passed over in training: {error}", stacklevel=3)
            self.damaged.add(error.image)

    def state_dict(self) -> dict[str, Any]:
        """Return the run's position and everything it depends on."""
        return {"position": self.position, **self._identity()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from a saved state; the batch and the number of processes may differ.

        Raises:
            InputError: it was saved with another seed, rule or data set.
        """
        saved = {name: value for name, value in state.items() if name != "position"}
        if saved != self._identity():
            raise InputError(f"the position was saved in {saved}, it cannot be used in {self._identity()}")
        self.position = state["position"]

    def _identity(self) -> dict[str, Any]:
        stream = self.stream
        return {
            "seed": stream.seed,
            "rule": stream.rule,
            "sentences": stream.sentences,
            "samples": len(stream.index),
            "groups_per_epoch": stream.groups_per_epoch,
            "collage_share": stream.collage_share,
        }


@dataclass(frozen=True, slots=True)
class _Loaded:
    """One image of a batch, and the errors of those that it replaces."""

    prepared: Prepared | InputError
    """Prepared image, or a user's error, returned as torch would put a traceback into a raised one."""
    damaged: tuple[DamagedImageError, ...]


class _Views(MapDataset[_Loaded]):
    """Prepared groups, each with its own generator."""

    def __init__(self, dataset: Dataset, prepare: Prepare, stream: Stream) -> None:
        self.dataset = dataset
        self.prepare = prepare
        self.stream = stream

    def __getitem__(self, group: SampleGroup) -> _Loaded:
        """Return the group, or, where its image is damaged, the next one whose image is not."""
        damaged: list[DamagedImageError] = []
        for position in range(group.position + 1, group.position + _TRIES + 1):
            try:
                return _Loaded(self._prepared(group), tuple(damaged))
            except DamagedImageError as error:
                damaged.append(error)
                group = self.stream.group(position)
            except InputError as error:
                return _Loaded(error, tuple(damaged))
        told = f"{_TRIES} images that follow each other cannot be decoded, the last is {damaged[-1]}"
        return _Loaded(InputError(told), ())

    def _prepared(self, group: SampleGroup) -> Prepared:
        random = np.random.default_rng((self.stream.seed, group.position, len(group.samples)))
        distinct = list(dict.fromkeys(group.samples))
        view = self.dataset.view(distinct, self.prepare.longest, sentences=len(group.samples))
        return self.prepare(view, group.samples, random)


def _collate(parts: Sequence[_Loaded]) -> tuple[Batch | InputError | bytes, tuple[DamagedImageError, ...]]:
    damaged = tuple(error for part in parts for error in part.damaged)
    error = next((part.prepared for part in parts if isinstance(part.prepared, InputError)), None)
    if error is not None:
        return error, damaged
    batch = collate([part.prepared for part in parts if isinstance(part.prepared, Prepared)])
    return batch if get_worker_info() is None else _to_hand_over(batch), damaged


def _to_hand_over(batch: Batch) -> Batch | bytes:
    """Return a worker's batch in shared memory, or as bytes where that has no room.

    Left to torch, a batch without room is lost in a thread of the worker, and training waits forever.
    """
    try:
        for part in vars(batch).values():
            part.share_memory_()
    except (RuntimeError, OSError):
        return pickle.dumps(batch)
    return batch


def _unpickled(content: bytes) -> Batch:
    batch: Batch = pickle.loads(content)  # of a worker of ours
    return batch.pin_memory() if torch.cuda.is_available() else batch


def _tell_of_pipe(size: int) -> None:
    warnings.warn(
        f"a batch of {size / 1e6:,.1f} MB found no room in shared memory, {_SHARED_MEMORY} with {_room()}: "
        "workers hand batches over through pipes, more slowly; give it more (docker run --shm-size 8g), or "
        "pass --sampling.workers 0",
        stacklevel=3,
    )


def _room() -> str:
    """Return the amount of shared memory, for people."""
    try:
        usage = shutil.disk_usage(_SHARED_MEMORY)
    except OSError:
        return "no folder"
    return f"{usage.free / 1e6:,.1f} of {usage.total / 1e6:,.1f} MB free"


def _start_worker(worker: int) -> None:
    cv2.setNumThreads(0)
    for number in (signal.SIGINT, signal.SIGTERM):  # sent to all of a run, they are for its main process
        signal.signal(number, signal.SIG_IGN)
