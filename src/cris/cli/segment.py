"""`cris segment`: masks of what sentences refer to, in one image or in many."""

import sys
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from cris.cli.console import show
from cris.cli.errors import UsageError
from cris.cli.images import find_images, is_image_file
from cris.cli.saving import FILES, OUT, check_share, saved_forms, warn_of_domain
from cris.errors import InputError
from cris.filenames import result_names
from cris.jobs import Job, model_sha256, sha256_if_readable, to_json, write_record, written_together
from cris.progress import track
from cris.registry import DEFAULT_MODEL, resolve
from cris.video.reading import is_video, is_video_file

if TYPE_CHECKING:
    from cris.prediction import Prediction
    from cris.segmenter import EncodedImage, Segmenter

CLASSES = "classes.txt"
"""File that explains the numbers of YOLO's labels, a sentence a line."""
_MASK_BYTES = 2**28  # of all masks held at a time
_SMALL_WORDS = {"a", "an", "the", "of", "in", "on", "with", "to", "at", "from", "and", "is", "by", "my"}


@dataclass(frozen=True, kw_only=True)
class Command:
    """Light up what each sentence refers to, in one image or in many, in a video, or before a camera.

    Write NAME.mask.png (255 where the sentence means the pixel, 0 elsewhere, at the image's own size) and
    NAME.overlay.png for each image and sentence, and results.json, whose fields docs/json.md describes. Of a
    video: NAME.frames.jsonl with a line for each frame, and an overlay video for each sentence.
    """

    image: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="IMAGE")]
    """Image: a file, a folder, or a pattern in quotes such as "photos/*.jpg". Or a video file, or the number
    of a camera, from 0, until Ctrl-C."""
    sentences: Annotated[
        tuple[str, ...],
        tyro.conf.Positional,
        tyro.conf.arg(metavar="SENTENCE…", help_behavior_hint="(one or more)"),
    ]
    """Sentences to look for, each in quotes: "the man in red" "left dog"."""
    model: str = DEFAULT_MODEL
    """Registered name, checkpoint folder or run's folder; `cris models` lists the names."""
    out: Annotated[
        Path | None,
        tyro.conf.arg(metavar="DIR", help_behavior_hint=f"(default: {OUT}, or {OUT}-2 …; with --json none)"),
    ] = None
    """Folder for the results."""
    save: Annotated[str, tyro.conf.arg(metavar="FORM,…")] = "mask,overlay"
    """Files to write: mask, overlay, cutout (PNG, the rest transparent), polygons (in results.json) and yolo
    (IMAGE.txt and classes.txt), with commas between."""
    as_json: Annotated[bool, tyro.conf.arg(name="json")] = False
    """Print the content of results.json, and nothing else; without --out nothing is written."""
    device: str = "auto"
    """Device: cpu, cuda, cuda:1, mps; auto takes the fastest that is there."""
    threshold: Annotated[
        float | None, tyro.conf.arg(metavar="SHARE", help_behavior_hint="(default: the model's)")
    ] = None
    """Probability above which a pixel is found, 0 to 1; a lower one finds more."""
    min_score: float = 0.0
    """Answer that nothing is found where the score is lower, 0 to 1."""
    smoothing: Annotated[float, tyro.conf.arg(metavar="SHARE")] = 0.0
    """Weight of the frames before in each frame of a video, 0 to below 1: more makes masks steadier, and
    later."""
    max_frames: Annotated[int | None, tyro.conf.arg(metavar="N", help_behavior_hint="(default: all)")] = None
    """Frames of a video or camera to segment at most."""
    strict: bool = False
    """Refuse a sentence longer than the model reads, instead of cutting it with a warning."""
    overwrite: bool = False
    """Replace the results of another job in DIR."""

    def run(self) -> int:
        """Segment everything; return 1 when some images could not be read. To find nothing is no failure."""
        if not self.sentences:
            raise UsageError('expected a sentence after the image, such as "the man in red", got none')
        for sentence in self.sentences:
            if not sentence.strip():
                raise InputError('expected words to find, such as "the man in red", got a blank sentence')
            if is_image_file(sentence):
                raise UsageError(
                    f"expected sentences after the image, {sentence} is another image: "
                    f"name a folder, or put the pattern in quotes"
                )
            if is_video_file(sentence):
                raise UsageError(
                    f"expected sentences after the image, {sentence} is another video: name one at a time"
                )
        check_share("--min-score", self.min_score)
        check_share("--threshold", self.threshold)
        saved_forms(self.save)
        _hint_at_quotes(self.sentences)
        if is_video(self.image):
            from cris.cli.videos import segment_frames

            return segment_frames(self)
        if self.smoothing or self.max_frames is not None:
            raise UsageError(
                f"--smoothing and --max-frames are for videos and cameras, {self.image} is neither"
            )
        images = find_images(self.image)
        record, out = self._segment(images)
        if self.as_json:
            sys.stdout.write(to_json(record))
        else:
            for entry in record["pictures"]:
                for result in entry["results"]:
                    show(_line(entry["picture"], result, out))
        return 1 if record["failures"] else 0

    def _segment(self, images: list[Path]) -> tuple[dict[str, Any], Path | None]:
        """Write all results; return what results.json says, and their folder."""
        from cris.segmenter import Segmenter

        checkpoint = resolve(self.model)
        segmenter = Segmenter.from_pretrained(checkpoint, self.device, is_strict=self.strict)
        # an image that cannot be read is told before anything is said of the folder
        first = segmenter.encode(images[0]) if len(images) == 1 else None
        job = Job(
            "segment",
            {
                "model": model_sha256(checkpoint),
                "pictures": [(str(image), sha256_if_readable(image)) for image in images],
                "sentences": self.sentences,
                "save": sorted(saved_forms(self.save)),
                "threshold": self.threshold,
                "min_score": self.min_score,
            },
        )
        warn_of_domain(self.model, checkpoint)
        if self.out is None and self.as_json:
            return self._record(job, segmenter, images, first, None), None
        names = result_names((image.stem, sentence) for image in images for sentence in self.sentences)
        out = self.out or job.free_folder(OUT)
        job.check_free(out, self._files(images, names), overwrite=self.overwrite)
        with written_together(out) as folder:
            record = self._record(job, segmenter, images, first, folder)
            write_record(folder, record)
        return record, out

    def _files(self, images: list[Path], names: list[str]) -> list[str]:
        """Return the names of all files of the job but its record."""
        forms = saved_forms(self.save)
        files = [f"{name}{FILES[form]}" for name in names for form in FILES if form in forms]
        if "yolo" in forms:
            labels = [CLASSES, *(f"{image.stem}.txt" for image in images)]
            if len({label.casefold() for label in labels}) < len(labels):
                raise InputError(
                    "YOLO's labels have their images' names, of which two are alike, or one is "
                    f"{CLASSES}: rename one, or leave yolo out of --save"
                )
            files += labels
        return sorted(files)

    def _record(
        self,
        job: Job,
        segmenter: "Segmenter",
        images: list[Path],
        first: "EncodedImage | None",
        folder: Path | None,
    ) -> dict[str, Any]:
        """Segment every image, write to the folder if there is one, and return what was found."""
        names = result_names((image.stem, sentence) for image in images for sentence in self.sentences)
        entries, failures = [], []
        for place, image in enumerate(track(images, total=len(images), what="images")):
            try:
                encoded = first or segmenter.encode(image)
            except InputError as error:
                warnings.warn(f"left out: {error}", stacklevel=1)
                failures.append({"picture": str(image), "error": str(error)})
                continue
            start = place * len(self.sentences)
            of_image = names[start : start + len(self.sentences)]
            results = self._results(encoded, of_image, image.stem, folder)
            height, width = encoded.image.shape[:2]
            entries.append({"picture": str(image), "width": width, "height": height, "results": results})
        if not entries:
            raise InputError(f"none of the {len(images)} images of {self.image} could be read")
        if folder is not None and "yolo" in saved_forms(self.save):
            classes = [" ".join(each.split()) for each in self.sentences]  # whatever breaks lines
            (folder / CLASSES).write_text("".join(f"{each}\n" for each in classes), encoding="utf-8")
        return job.record(
            [] if folder is None else sorted(path.name for path in folder.iterdir()),
            model=self.model,
            threshold=segmenter.inference.threshold if self.threshold is None else self.threshold,
            min_score=self.min_score,
            pictures=entries,
            failures=failures,
        )

    def _results(
        self, encoded: "EncodedImage", names: list[str], stem: str, folder: Path | None
    ) -> list[dict[str, Any]]:
        from cris.conversions import to_png, yolo_lines

        forms = saved_forms(self.save)
        results: list[dict[str, Any]] = []
        labels: list[str] = []
        for place, (name, prediction) in enumerate(zip(names, self._predict(encoded), strict=True)):
            result = prediction.to_dict() | {"ambiguity": prediction.ambiguity}
            if "polygons" in forms:
                result["polygons"] = [outline.ravel().tolist() for outline in prediction.polygons()]
            if folder is not None:
                for form, suffix in FILES.items():
                    if form in forms:
                        result[form] = f"{name}{suffix}"
                        (folder / result[form]).write_bytes(to_png(prediction.render(form)))
                if "yolo" in forms:
                    labels += yolo_lines(prediction, place)
            results.append(result)
        if folder is not None and "yolo" in forms:
            (folder / f"{stem}.txt").write_text("".join(labels), encoding="utf-8")
        return results

    def _predict(self, encoded: "EncodedImage") -> Iterator["Prediction"]:
        """Return the predictions of all sentences, asked a few at a time when masks are large."""
        step = max(1, _MASK_BYTES // (encoded.image.shape[0] * encoded.image.shape[1]))
        for start in range(0, len(self.sentences), step):
            for found in encoded.predict(self.sentences[start : start + step]):
                chosen = found if self.threshold is None else found.at_threshold(self.threshold)
                yield chosen.at_least(self.min_score)


def _hint_at_quotes(sentences: tuple[str, ...]) -> None:
    """Warn that several words without quotes are each asked by itself."""
    small = [each for each in sentences if each.casefold() in _SMALL_WORDS]
    if len(sentences) > 1 and small and all(len(each.split()) == 1 for each in sentences):
        warnings.warn(
            f"each of these {len(sentences)} words is asked by itself, {small[0]!r} too: "
            f'put a sentence in quotes, "{" ".join(sentences)}"',
            stacklevel=1,
        )


def _line(image: str, result: dict[str, Any], out: Path | None) -> str:
    box = result["box"]
    where = f"box {' '.join(map(str, box))}" if box else "nothing found"
    files = [result[form] for form in FILES if form in result]
    file = f"  {out / files[0]}" if out is not None and files else ""
    return f"{image}  “{result['sentence']}”  score {result['score']:.2f}  {where}{file}"
