"""Segmenter: an image and a sentence in, the pixels it refers to out."""

import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any, Union, cast, overload

import cv2
import numpy as np
from jaxtyping import Bool, UInt8

from cris.engines.engine import Engine, Features
from cris.engines.export_folder import is_exported
from cris.engines.formats import FORMATS, EngineName, Precision
from cris.errors import InputError
from cris.guided_filter import GuidedFilter
from cris.huggingface.descriptor import is_huggingface
from cris.image import ImageSource, read_image
from cris.letterbox import Letterbox, Placement, ceiling, normalise
from cris.model.config import InferenceConfig
from cris.model.output import ModelOutput
from cris.model.tokenizer import Tokenizer
from cris.prediction import Prediction
from cris.registry import DEFAULT_MODEL, hub_name, model_title, resolve
from cris.stream import Smoother, batches_of

if TYPE_CHECKING:
    from cris.model.cris import Cris
    from cris.model.encoders import OwnImageEncoder

Sentences = str | Sequence[str]
"""One referring expression, or several."""
_QUOTED = 120
"""Characters of a sentence that messages quote at most."""


class Segmenter:
    """Finder of the pixels that sentences refer to; one model on one device."""

    def __init__(
        self,
        model: Union["Cris", Engine],
        tokenizer: Tokenizer,
        inference: InferenceConfig,
        device: str = "auto",
        *,
        batch_size: int | None = None,
        is_strict: bool = False,
    ) -> None:
        """Wrap an engine, or a torch model, which is asked as it is at each time: in training, too.

        Args:
            model: with the weights to use; it is moved to the device, and put into evaluation mode.
            tokenizer: the one the model was trained with.
            inference: how images, sentences and answers are treated.
            device: of a torch model: "cpu", "cuda", "cuda:1", "mps"…, or "auto" for the first of CUDA,
                Apple's MPS and the CPU. An engine has its own.
            batch_size: images, and sentences, that go through the model at a time: less takes less memory;
                None for what suits the engine.
            is_strict: whether a sentence that is too long is an error; else it is cut, with a warning.

        Raises:
            InputError: no such device here, or model, tokenizer and inference do not fit each other.
        """
        if batch_size is not None and batch_size < 1:
            raise InputError(f"batch_size must be at least 1, got {batch_size}")
        text = model.config.text
        if tokenizer.vocab_size != text.vocabulary:
            raise InputError(
                f"the model knows {text.vocabulary} tokens, the tokenizer {tokenizer.vocab_size}: "
                "use the one it was trained with"
            )
        if not 3 <= inference.sentence_length <= text.context_length:
            raise InputError(
                f"sentence_length must be from 3 to the model's {text.context_length} tokens, "
                f"got {inference.sentence_length}"
            )
        with _memory_advice():
            self.engine = model if isinstance(model, Engine) else _torch_engine(model, device)
            """Engine that computes features and logits."""
        self.tokenizer = tokenizer
        """Tokenizer that the model was trained with."""
        self._set_up(self.engine.device, inference, batch_size or self.engine.batch_size, is_strict=is_strict)

    def _set_up(self, device: str, inference: InferenceConfig, batch_size: int, *, is_strict: bool) -> None:
        """Set what does not depend on whose model it is."""
        self.device = device
        self.inference = inference
        self.batch_size = batch_size
        self.is_strict = is_strict
        self.name: str | None = None
        """Name that the model was opened by; None for one that was given finished."""
        self.source: Path | None = None
        """Folder that the model was opened from; None for one that was given finished."""
        self._opened: tuple[Callable[..., Segmenter], tuple[object, ...], dict[str, object]] | None = None
        """Function that opens the model again, with its arguments."""

    def __repr__(self) -> str:
        """Return model, device and engine in one line."""
        name = "a model of your own" if self.name is None else self.name
        return f"{type(self).__name__}({name}, device {self.device}, {self._runner})"

    @property
    def _runner(self) -> str:
        """Return the name of what runs the model."""
        return type(self.engine).__name__

    def __reduce__(self) -> tuple[object, ...]:
        """Make another process open the model anew, by its name and options.

        Raises TypeError for a model that was given finished, as nothing says where it came from.
        """
        if self._opened is None:
            raise TypeError(
                "a Segmenter can be sent to other processes when it was opened by from_pretrained; "
                "this one was given a model: save that, and open it there"
            )
        return _reopen, (*self._opened, self.inference)

    @classmethod
    def from_pretrained(
        cls,
        name_or_folder: str | Path = DEFAULT_MODEL,
        device: str = "auto",
        *,
        engine: EngineName | None = None,
        precision: Precision | None = None,
        is_compiled: bool = False,
        batch_size: int | None = None,
        is_strict: bool = False,
        image_encoder: "OwnImageEncoder | None" = None,
        revision: str | None = None,
    ) -> "Segmenter":
        """Return a segmenter of a registered model, a checkpoint folder, or a folder from `cris export`.

        `OWNER/NAME` is a checkpoint on the Hugging Face hub, unless there is a path of that name;
        `hf:OWNER/NAME` opens a text-prompted model of others there: see docs/other-models.md.

        Args:
            name_or_folder: which model; the default knows photographs.
            device: as above; the engines onnx and openvino run on the CPU.
            engine: "torch", "onnx" or "openvino"; the last two export a checkpoint on first use, and keep
                that. None: torch for a checkpoint, its own for an exported folder.
            precision: "fp32", "bf16" (torch and openvino) or "int8" (onnx and openvino).
                None: fp32 for a checkpoint, its own for an exported folder.
            is_compiled: whether torch compiles the model: slower to start, faster on a GPU.
            batch_size: as above.
            is_strict: as above.
            image_encoder: of a model that was trained with an image encoder of the caller's, that encoder, as
                `build_cris` takes it; it gets the stored weights.
            revision: branch, tag or commit of a checkpoint on the hub; None for its branch main.

        Raises:
            InputError: no such model, the folder holds none that can be read, or it is of another engine or
                precision; otherwise as above.
        """
        from cris.engines.load import load_model

        options: dict[str, Any] = {"engine": engine, "precision": precision, "is_compiled": is_compiled}
        options |= {"batch_size": batch_size, "is_strict": is_strict, "image_encoder": image_encoder}
        if is_huggingface(folder := resolve(name_or_folder, revision=revision)):
            from cris.huggingface.segmenter import open_segmenter  # here, as it takes transformers

            with _memory_advice():
                found: Segmenter = open_segmenter(folder, device, **options)
            found._remember(name_or_folder, cls.from_pretrained, (folder, device), options)
            found.source = folder
            return found
        # the commit of a branch on the hub that was taken here is the one that other processes take
        place = name_or_folder if hub_name(name_or_folder) is None else folder
        with _memory_advice():
            model = load_model(
                _exported_for(engine, precision, place, image_encoder),
                device,
                engine=engine,
                precision=precision,
                is_compiled=is_compiled,
                image_encoder=image_encoder,
            )
        found = cls(
            model.engine, model.tokenizer, model.inference, batch_size=batch_size, is_strict=is_strict
        )
        found._remember(name_or_folder, cls.from_pretrained, (place, device), options)
        found.source = folder
        return found

    def push_to_hub(
        self,
        repository: str,
        *,
        private: bool | None = None,
        revision: str | None = None,
        commit_message: str | None = None,
        token: str | None = None,
    ) -> str:
        """Put the model's checkpoint on the Hugging Face hub, and return the commit's address.

        Args:
            repository: OWNER/NAME; made if need be.
            private: whether a repository that is made is private; None for what the owner has set there.
            revision: branch, made if need be; None for main.
            commit_message: first line of the commit's message.
            token: token of the hub; None for HF_TOKEN or the one stored by `hf auth login`.

        Raises:
            InputError: the model is no checkpoint's, or the hub refuses it.
            ConnectionError: the hub cannot be reached, or the connection broke; nothing is half there.
        """
        from cris.push import push_model

        return push_model(
            self,
            repository,
            private=private,
            revision=revision,
            commit_message=commit_message,
            token=token,
        )

    def _remember(
        self,
        name: str | Path,
        opener: Callable[..., "Segmenter"],
        arguments: tuple[object, ...],
        options: dict[str, object],
    ) -> None:
        """Keep the name and options that the model was opened by, for other processes to do the same."""
        self.name = model_title(str(name))
        self._opened = opener, arguments, options

    @overload
    def predict(self, image: ImageSource, sentences: str) -> Prediction: ...  # type: ignore[overload-overlap]
    @overload
    def predict(self, image: ImageSource, sentences: Sequence[str]) -> list[Prediction]: ...
    def predict(self, image: ImageSource, sentences: Sentences) -> Prediction | list[Prediction]:
        """Return what one sentence refers to in an image, or each of a list; the image is encoded once.

        Args:
            image: a path, a file's bytes, a Pillow image, or a uint8 RGB array (height, width, 3).
            sentences: one referring expression, or a sequence of them.

        Raises:
            InputError: not a whole image, a blank sentence, or what is no text.
            MemoryError: with advice.
        """
        return self.predict_batch([image], [sentences])[0]

    @overload
    def predict_batch(
        self, images: Iterable["ImageSource | EncodedImage"], sentences: list[str]
    ) -> list[Prediction]: ...
    @overload
    def predict_batch(
        self, images: Iterable["ImageSource | EncodedImage"], sentences: list[list[str]]
    ) -> list[list[Prediction]]: ...
    @overload
    def predict_batch(
        self, images: Iterable["ImageSource | EncodedImage"], sentences: Iterable[Sentences]
    ) -> Sequence[Prediction | list[Prediction]]: ...
    def predict_batch(
        self, images: Iterable["ImageSource | EncodedImage"], sentences: Iterable[Sentences]
    ) -> Sequence[Prediction | list[Prediction]]:
        """Return predictions for many images: for each its sentence, or its list of them, in the same shape.

        Images that were encoded before are not encoded again.
        Raises InputError also when there are not as many entries in `sentences` as there are images.
        """
        if isinstance(images, str | bytes | Path) or isinstance(sentences, str):
            raise InputError("images and sentences must be lists; for one image use predict")
        images, sentences = list(images), list(sentences)
        if len(images) != len(sentences):
            raise InputError(
                f"expected one sentence, or one list of them, for each image, "
                f"got {len(images)} images and {len(sentences)} entries of sentences"
            )
        for entry in sentences:
            self._check(entry)
        answers: list[Prediction | list[Prediction]] = []
        for start in range(0, len(images), self.batch_size):
            chunk = slice(start, start + self.batch_size)
            answers += self._answer(self.encode_batch(images[chunk]), sentences[chunk])
        return answers

    @overload
    def stream(  # type: ignore[overload-overlap]
        self, frames: Iterable[ImageSource], sentences: str, *, smoothing: float = 0.0
    ) -> Iterator[Prediction]: ...
    @overload
    def stream(
        self, frames: Iterable[ImageSource], sentences: Sequence[str], *, smoothing: float = 0.0
    ) -> Iterator[list[Prediction]]: ...
    def stream(
        self, frames: Iterable[ImageSource], sentences: Sentences, *, smoothing: float = 0.0
    ) -> Iterator[Prediction | list[Prediction]]:
        """Yield the predictions of each frame as frames come; memory does not grow with their number.

        Args:
            frames: uint8 RGB arrays (height, width, 3), or whatever `predict` takes.
            sentences: one referring expression, or a sequence of them, asked of every frame.
            smoothing: weight, from 0 to below 1, that the probability maps before have in each one's
                exponential average; a frame of another size begins anew.

        Raises:
            InputError: at once for smoothing or sentences, at a frame for that frame.
            MemoryError: with advice.
        """
        smoother = Smoother(smoothing, self.inference.threshold, self.inference.relative_threshold)
        batches = self.stream_batches(frames, [sentences] if isinstance(sentences, str) else sentences)
        found = (smoother(predictions) for batch in batches for predictions in batch)
        return (each[0] for each in found) if isinstance(sentences, str) else found

    def stream_batches(
        self, frames: Iterable[ImageSource], sentences: Sequence[str]
    ) -> Iterator[list[list[Prediction]]]:
        """Yield, batch by batch, each frame's predictions, as `stream` does without smoothing.

        A batch is what goes through the model together. Raises like `stream`.
        """
        self._check(sentences)
        size = 1 if self.device == "cpu" else self.batch_size  # on a CPU, more would only come later
        batches = batches_of(frames, size, len(sentences))
        found = (self._answer(self.encode_batch(each), [list(sentences)] * len(each)) for each in batches)
        return cast("Iterator[list[list[Prediction]]]", found)

    def encode(self, image: ImageSource) -> "EncodedImage":
        """Return the image, encoded once and for all sentences; raises like `predict`."""
        return self._encode([image])[0]

    def encode_batch(self, images: Sequence["ImageSource | EncodedImage"]) -> list["EncodedImage"]:
        """Encode many images; those that were encoded before stay as they are."""
        new = [image for image in images if not isinstance(image, EncodedImage)]
        encoded = iter(
            [
                one
                for start in range(0, len(new), self.batch_size)
                for one in self._encode(new[start : start + self.batch_size])
            ]
        )
        return [image if isinstance(image, EncodedImage) else next(encoded) for image in images]

    def _encode(self, images: Sequence[ImageSource]) -> list["EncodedImage"]:
        with _memory_advice():
            arrays = [read_image(image) for image in images]
            size, protocol = self.inference.input_size, self.inference.protocol
            letterboxes = [Letterbox(len(array), len(array[0]), size, protocol) for array in arrays]
            squares = np.stack([box.apply(array) for box, array in zip(letterboxes, arrays, strict=True)])
            features = self.engine.encode_image(normalise(squares))
            radius = self.inference.guided_radius
            filters = [
                GuidedFilter(box.cell_colours(square), radius) if radius else None
                for box, square in zip(letterboxes, squares, strict=True)
            ]
        return [
            EncodedImage(
                segmenter=self,
                image=array,
                letterbox=letterbox,
                features=known,
                guided_filter=guided_filter,
            )
            for array, letterbox, known, guided_filter in zip(
                arrays, letterboxes, features, filters, strict=True
            )
        ]

    def _answer(
        self, encoded: Sequence["EncodedImage"], sentences: Sequence[Sentences]
    ) -> list[Prediction | list[Prediction]]:
        asked = [
            (row, sentence)
            for row, entry in enumerate(sentences)
            for sentence in ([entry] if isinstance(entry, str) else entry)
        ]
        found: list[Prediction] = []
        with _memory_advice():
            for start in range(0, len(asked), self.batch_size):
                rows, texts = zip(*asked[start : start + self.batch_size], strict=True)
                outputs = self._segment(encoded, rows, texts)
                found += [
                    Prediction.from_output(
                        output,
                        sentence=sentence,
                        image=encoded[row].image,
                        letterbox=encoded[row].letterbox,
                        threshold=self.inference.threshold,
                        relative_threshold=self.inference.relative_threshold,
                        peak_threshold=self.inference.peak_threshold,
                        presence_threshold=self.inference.presence_threshold,
                        calibration=self.inference.calibration,
                        guided_filter=encoded[row].guided_filter,
                        certainty=certainty,
                    )
                    for row, sentence, (output, certainty) in zip(rows, texts, outputs, strict=True)
                ]
        rest = iter(found)
        return [
            next(rest) if isinstance(entry, str) else list(islice(rest, len(entry))) for entry in sentences
        ]

    def _segment(
        self, encoded: Sequence["EncodedImage"], rows: Sequence[int], sentences: Sequence[str]
    ) -> list[tuple[ModelOutput, float]]:
        """Return each sentence's answer about the image of its row, and the certainty of a detector."""
        used = sorted(set(rows))
        output = self.engine.segment(
            [encoded[row].features for row in used],
            self.tokenizer.encode(sentences, self.inference.sentence_length),
            np.searchsorted(used, rows),
        )
        return [(output.map(itemgetter(place)), 1.0) for place in range(len(sentences))]

    def cut(self, sentence: str) -> str | None:
        """Return the end of the (cleaned) sentence that the model does not read; None when it reads all."""
        return self.tokenizer.cut(sentence, self.inference.sentence_length)

    def ceiling(self, mask: Bool[np.ndarray, "height width"]) -> float:
        """Return the IoU that a perfect model with this model's grid would reach."""
        return ceiling(mask, self.inference.input_size, self.inference.protocol)

    def _check(self, sentences: Sentences) -> None:
        """Raise InputError, before any work, for what is no sentence, and warn of what will be cut."""
        if not isinstance(sentences, Sequence):
            raise InputError(f"expected a sentence or a list of them, got {sentences!r}")
        for sentence in [sentences] if isinstance(sentences, str) else sentences:
            if not isinstance(sentence, str):
                raise InputError(f"expected a sentence to be text, got {sentence!r}")
            try:
                sentence.encode("utf-8")
            except UnicodeEncodeError as error:  # surrogates, as of an argument in another encoding
                raise InputError(f"a sentence must be text in UTF-8, got {sentence!r}") from error
            cut = self.cut(sentence)
            if cut is None:
                continue
            limit = self.inference.sentence_length
            message = f"the sentence {_begun(sentence)!r} is longer than the model's {limit} tokens"
            if self.is_strict:
                raise InputError(f"{message}: shorten it by {_begun(cut)!r}")
            warnings.warn(f"{message}: {_begun(cut)!r} is not read", stacklevel=3)


def _begun(sentence: str) -> str:
    """Return a sentence as messages quote it: of a very long one the beginning."""
    return sentence if len(sentence) <= _QUOTED else f"{sentence[:_QUOTED]}…"


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class EncodedImage:
    """Image ready for any number of sentences."""

    segmenter: Segmenter
    """Segmenter that encoded it."""
    image: UInt8[np.ndarray, "height width 3"]
    """Image, upright, in RGB."""
    letterbox: Placement
    """Placement of the image in the model's answers."""
    features: Features
    """Features of the image, on the engine's device."""
    guided_filter: GuidedFilter | None = None
    """Filter that fits masks to the image's edges, where the model has one."""

    @property
    def nbytes(self) -> int:
        """Return the memory that keeping it takes, in bytes."""
        kept = (*self.features, *([self.guided_filter] if self.guided_filter else []))
        return self.image.nbytes + sum(int(each.nbytes) for each in kept)

    def __repr__(self) -> str:
        """Return the image's size and its segmenter, without the arrays."""
        height, width = self.image.shape[:2]
        return f"EncodedImage({width}×{height} pixels, {self.segmenter!r})"

    @overload
    def predict(self, sentences: str) -> Prediction: ...  # type: ignore[overload-overlap]
    @overload
    def predict(self, sentences: Sequence[str]) -> list[Prediction]: ...
    def predict(self, sentences: Sentences) -> Prediction | list[Prediction]:
        """Return predictions like `Segmenter.predict`, without encoding the image again."""
        self.segmenter._check(sentences)
        return self.segmenter._answer([self], [sentences])[0]


def _reopen(
    opener: Callable[..., Segmenter],
    arguments: tuple[object, ...],
    options: dict[str, object],
    inference: InferenceConfig,
) -> Segmenter:
    """Open a model as another process had it."""
    segmenter = opener(*arguments, **options)
    segmenter.inference = inference
    return segmenter


def _exported_for(
    engine: EngineName | None,
    precision: Precision | None,
    name_or_folder: str | Path,
    image_encoder: "OwnImageEncoder | None",
) -> str | Path:
    """Return the folder to load: the model itself, or its export for an engine that needs one."""
    formats = {info.engine: name for name, info in FORMATS.items() if info.is_made_on_use}
    if engine is None or engine not in formats:
        return name_or_folder
    folder = resolve(name_or_folder)
    if is_exported(folder):
        return folder
    if image_encoder is not None:
        raise InputError(
            f"engine {engine} needs an export of {folder}, which is made on first use only where the image "
            f"encoder is of cris: pass the folder of cris.export_model(…, image_encoder=…)"
        )
    from cris.export.cache import cached_export  # here, as it takes torch

    return cached_export(folder, formats[engine], precision or "fp32")


def _torch_engine(model: "Cris", device: str) -> Engine:
    from cris.engines.torch_engine import TorchEngine  # here, as exported models do without torch

    return TorchEngine(model, device)


@contextmanager
def _memory_advice() -> Iterator[None]:
    """Turn every library's out-of-memory error into one MemoryError that says what helps."""
    try:
        yield
    except (MemoryError, RuntimeError, cv2.error) as error:
        words = str(error).lower()
        if not isinstance(error, MemoryError) and "out of memory" not in words and "allocate" not in words:
            raise
        raise MemoryError(
            "out of memory: take fewer images and sentences at a time (batch_size), smaller images, "
            'a model with a smaller input, or device="cpu"'
        ) from error
