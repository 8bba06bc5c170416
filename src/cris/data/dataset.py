"""Data sets: images with annotated objects and sentences about them, and the samples that these make."""

from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import cycle, islice
from typing import TYPE_CHECKING, Protocol, TypeVar, runtime_checkable

import numpy as np
from jaxtyping import Bool, Int64, UInt8

from cris.data.store.decode import Reduction

if TYPE_CHECKING:
    from cris.data.store.reading import StoredDataset

Mask = Bool[np.ndarray, "height width"]
_Item = TypeVar("_Item")
_Target = TypeVar("_Target", bound=Hashable)


class AnnotatedObject:
    """An annotated object of an image."""

    def __init__(self, category: str, mask: Mask | Callable[[], Mask]) -> None:
        """Take the mask, or a function that decodes it, which is called when the mask is first read."""
        self.category = category
        """Name of its category."""
        self._mask = mask

    @property
    def mask(self) -> Mask:
        """Return the mask, at the image's size.

        Raises:
            DamagedImageError: it cannot be decoded.
        """
        if not isinstance(self._mask, np.ndarray):
            self._mask = self._mask()
        return self._mask


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """One sentence about an image, and the objects that it means: one sample."""

    sample: int
    """Index of the sample in its data set."""
    ref_id: int
    """Id that sentences with the same meaning share."""
    sentence: str
    """Referring expression."""
    targets: tuple[int, ...]
    """Indices of the objects that are meant: none, one or several."""
    kind: str | None = None
    """Kind of the sentence, "ordinal" for example; None leaves it to the words."""
    visible: float | None = None
    """Visible share of the target, where that is known."""


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class AnnotatedImage:
    """An image with its objects and all that is said of them in one split."""

    name: str
    """File name in the source, or another name within the data set."""
    picture_id: int
    """Id, the same for the same image wherever it comes again."""
    image: UInt8[np.ndarray, "height width 3"]
    """RGB image."""
    objects: tuple[AnnotatedObject, ...]
    """All annotated objects, which references mean by their index."""
    references: tuple[Reference, ...]
    """Sentences about the image, in the order of their samples."""

    def mask(self, targets: Sequence[int]) -> Mask:
        """Return the union of these objects' masks; empty without any."""
        empty = np.zeros(self.image.shape[:2], dtype=bool)
        return reduce(np.logical_or, (self.objects[target].mask for target in targets), empty)

    def category(self, targets: Sequence[int]) -> str | None:
        """Return the category of these objects; None when there is none, or more than one."""
        categories = {self.objects[target].category for target in targets}
        return categories.pop() if len(categories) == 1 else None

    def distractors(self, targets: Sequence[int]) -> int:
        """Return the number of visible objects besides these that have their category."""
        category = self.category(targets)
        return sum(
            each.category == category and number not in targets and bool(each.mask.any())
            for number, each in enumerate(self.objects)
        )


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Sample:
    """One image, one sentence and one mask, at the image's own size."""

    image: UInt8[np.ndarray, "height width 3"]
    """RGB image."""
    sentence: str
    """Referring expression."""
    mask: Bool[np.ndarray, "height width"]
    """Mask of everything that the sentence means; empty when it means nothing in the image."""
    picture_id: int
    """Id of the image."""
    ref_id: int
    """Id that sentences with the same meaning share."""


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class View:
    """One image and some sentences about it, on their way to the network."""

    image: UInt8[np.ndarray, "image_height image_width 3"]
    """RGB image; each pixel stands for `reduction`² of the masks'."""
    sentences: tuple[str, ...]
    masks: tuple[Bool[np.ndarray, "height width"], ...]
    """Distinct masks that the sentences mean."""
    meant: tuple[int, ...]
    """Index of the mask that each sentence means."""
    reduction: Reduction = 1
    """Mask pixels, along each side, per image pixel."""

    @classmethod
    def of(
        cls,
        image: UInt8[np.ndarray, "height width 3"],
        sentences: Sequence[str],
        targets: Sequence[_Target],
        mask: Callable[[_Target], Mask],
        reduction: Reduction = 1,
    ) -> "View":
        """Return a view of sentences and what each means; the mask of each distinct meaning is made once."""
        distinct = list(dict.fromkeys(targets))
        return cls(
            image=image,
            sentences=tuple(sentences),
            masks=tuple(map(mask, distinct)),
            meant=tuple(map(distinct.index, targets)),
            reduction=reduction,
        )


@dataclass(frozen=True, slots=True, eq=False)
class SampleIndex:
    """Images and entries of a data set's samples; samples of one image, and of one entry, are adjacent."""

    image: Int64[np.ndarray, "samples"]
    """Number of the image, counted through the data set from 0 without gaps."""
    entry: Int64[np.ndarray, "samples"]
    """Number of the referred object (or objects), counted likewise."""
    targets: Int64[np.ndarray, "samples"] | None = None
    """Number of objects that each sample means; None where samples are made as they are asked for."""

    @classmethod
    def counted(cls, sentences: Sequence[int]) -> "SampleIndex":
        """Return the index of images with that many sentences each, every one about something else."""
        image = np.repeat(np.arange(len(sentences)), sentences)
        return cls(image=image, entry=np.arange(len(image)))

    def __len__(self) -> int:
        """Return the number of samples."""
        return len(self.image)

    def of_image(self, number: int) -> range:
        """Return the samples of an image."""
        first, last = np.searchsorted(self.image, [number, number + 1])
        return range(int(first), int(last))


@runtime_checkable
class Dataset(Protocol):
    """One split of images with objects and sentences: what is learned from and measured on.

    A sample is one sentence about one image. A data set of your own is a subclass that sets the four
    attributes and has `image`; everything else follows. It must be picklable for several processes.

    ```python
    class Labelled(Dataset):
        def __init__(self, folder: Path) -> None:
            self.files = sorted(folder.glob("*.json"))
            self.told = [json.loads(file.read_text()) for file in self.files]
            self.name, self.split = "labelled", "test"
            self.identity = ["labelled", self.told]
            self.index = SampleIndex.counted([len(one["sentences"]) for one in self.told])

        def image(self, number: int) -> AnnotatedImage:
            file, told = self.files[number], self.told[number]
            return AnnotatedImage(
                name=file.stem,
                picture_id=number,
                image=read_image(file.with_suffix(".jpg")),
                objects=tuple(AnnotatedObject(one["name"], decode_rle(one["rle"])) for one in told["things"]),
                references=tuple(
                    Reference(sample=sample, ref_id=sample, sentence=one["text"], targets=tuple(one["means"]))
                    for sample, one in zip(self.index.of_image(number), told["sentences"])
                ),
            )
    ```
    """

    name: str
    """Name for people: "scenes", or the folder."""
    split: str
    """Part of the data that this is."""
    identity: object
    """Identity of the samples, in plain JSON: other samples have another."""
    index: SampleIndex

    def image(self, number: int) -> AnnotatedImage:
        """Return an image with its objects and references.

        Raises:
            DamagedImageError: the image cannot be decoded, or what a sentence means has no mask.
        """
        ...

    def __len__(self) -> int:
        """Return the number of samples."""
        return len(self.index)

    @property
    def image_count(self) -> int:
        """Return the number of images."""
        return int(self.index.image[-1]) + 1 if len(self.index) else 0

    def images(self) -> Iterator[AnnotatedImage]:
        """Yield all images in their order."""
        return map(self.image, range(self.image_count))

    def __getitem__(self, sample: int) -> Sample:
        """Return the sample at that index; negative ones count from the end."""
        if not -len(self) <= sample < len(self):
            raise IndexError(f"index must be within {len(self)} samples of {self.split!r}, got {sample}")
        sample %= len(self)
        image = self.image(int(self.index.image[sample]))
        (reference,) = (each for each in image.references if each.sample == sample)
        return Sample(
            image=image.image,
            sentence=reference.sentence,
            mask=image.mask(reference.targets),
            picture_id=image.picture_id,
            ref_id=reference.ref_id,
        )

    def view(self, samples: Sequence[int], longest: int | None = None, *, sentences: int = 0) -> View:
        """Return distinct samples of one image, which is read once.

        Args:
            samples: their indices.
            longest: pixels that the longer side needs; an image with twice as many or more may come reduced.
            sentences: number of sentences to return, where that is more than the samples: a data set that
                makes its own says more about the image while it can, others repeat the samples in turn.

        Raises:
            DamagedImageError: the image or a mask cannot be decoded.
        """
        image = self.image(int(self.index.image[samples[0]]))
        references = {each.sample: each for each in image.references}
        told = [references[sample] for sample in in_turn(samples, sentences)]
        targets = [each.targets for each in told]
        return View.of(image.image, [each.sentence for each in told], targets, image.mask)

    def rows(self) -> "list[tuple[StoredDataset, int]] | None":
        """Return the stored data set and row of each image; None unless all images are stored."""
        return None


def in_turn(items: Sequence[_Item], count: int) -> list[_Item]:
    """Return the items, repeated in turn where more are wanted than there are."""
    return list(islice(cycle(items), max(count, len(items))))


def numbered(groups: Int64[np.ndarray, "samples"]) -> Int64[np.ndarray, "samples"]:
    """Return adjacent groups counted from 0 without gaps, in their order."""
    return np.cumsum(np.diff(groups, prepend=groups[:1]) != 0)
