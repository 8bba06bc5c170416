"""`cris segment`: masks of what sentences refer to, in one picture or in many."""

import sys
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from cris.card import DOMAIN, read_front_matter
from cris.cli.console import progress, show
from cris.cli.errors import UsageError
from cris.cli.naming import result_names
from cris.cli.output import (
    check_free,
    fingerprint,
    model_sha256,
    new_record,
    sha256_of,
    to_json,
    write_record,
    written_together,
)
from cris.cli.pictures import find_pictures, is_picture_file
from cris.errors import InputError
from cris.registry import DEFAULT_MODEL, resolve

if TYPE_CHECKING:
    from cris.prediction import Prediction
    from cris.segmenter import EncodedPicture

_MASK_BYTES = 2**28  # of all masks held at a time


@dataclass(frozen=True, kw_only=True)
class Command:
    """Lights up what each sentence refers to, in one picture or in many.

    Writes NAME.mask.png (255 where the sentence means the pixel, 0 elsewhere, at the picture's own size) and
    NAME.overlay.png for each picture and sentence, and results.json, whose fields docs/json.md describes.
    """

    picture: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="PICTURE")]
    """A file, a folder, or a pattern in quotes such as "photos/*.jpg"."""
    sentences: Annotated[
        tuple[str, ...],
        tyro.conf.Positional,
        tyro.conf.arg(metavar="SENTENCE…", help_behavior_hint="(one or more)"),
    ]
    """What to find, each in quotes: "the man in red" "left dog"."""
    model: str = DEFAULT_MODEL
    """Registered name or checkpoint folder; `cris models` lists the names."""
    out: Annotated[Path, tyro.conf.arg(metavar="DIR")] = Path("cris-out")
    """Folder for the results."""
    as_json: Annotated[bool, tyro.conf.arg(name="json")] = False
    """Print the content of results.json, and nothing else."""
    device: str = "auto"
    """cpu, cuda, cuda:1, mps; auto takes the fastest that is there."""
    min_score: float = 0.0
    """Answer that nothing is found where the score is lower, 0 to 1."""
    strict: bool = False
    """Refuse a sentence longer than the model reads, instead of cutting it with a warning."""
    overwrite: bool = False
    """Replace the results of another job in DIR."""

    def run(self) -> int:
        """Segments everything; 1 when some pictures could not be read. To find nothing is no failure."""
        if not self.sentences:
            raise UsageError('expected a sentence after the picture, such as "the man in red", got none')
        for sentence in self.sentences:
            if is_picture_file(sentence):
                raise UsageError(
                    f"expected sentences after the picture, {sentence} is another picture: "
                    f"name a folder, or put the pattern in quotes"
                )
        if not 0 <= self.min_score <= 1:
            raise UsageError(f"--min-score must be from 0 to 1, got {self.min_score}")
        pictures = find_pictures(self.picture)
        names = result_names((picture.stem, sentence) for picture in pictures for sentence in self.sentences)
        record = self._segment(pictures, names)
        if self.as_json:
            sys.stdout.write(to_json(record))
        else:
            for entry in record["pictures"]:
                for result in entry["results"]:
                    show(_line(entry["picture"], result, self.out))
        return 1 if record["failures"] else 0

    def _segment(self, pictures: list[Path], names: list[str]) -> dict[str, Any]:
        """Writes all results; returns what results.json says."""
        from cris.segmenter import Segmenter

        checkpoint = resolve(self.model)
        segmenter = Segmenter.from_pretrained(checkpoint, self.device, is_strict=self.strict)
        job = fingerprint(
            job="segment",
            model=model_sha256(checkpoint),
            pictures=[(str(picture), sha256_of(picture)) for picture in pictures],
            sentences=self.sentences,
            min_score=self.min_score,
        )
        files = sorted(file for name in names for file in _files(name).values())
        check_free(self.out, files, job, overwrite=self.overwrite)
        if domain := read_front_matter(checkpoint).get(DOMAIN):
            warnings.warn(
                f"{self.model} knows {domain} alone: on other images it is often wrong", stacklevel=1
            )
        entries, failures = [], []
        with written_together(self.out) as folder:
            for place, picture in enumerate(progress(pictures, total=len(pictures), what="pictures")):
                try:
                    encoded = segmenter.encode(picture)
                except InputError as error:
                    if len(pictures) == 1:
                        raise
                    warnings.warn(f"left out: {error}", stacklevel=1)
                    failures.append({"picture": str(picture), "error": str(error)})
                    continue
                first = place * len(self.sentences)
                of_picture = zip(names[first:], self._predict(encoded), strict=False)
                results = [
                    _write(prediction.at_least(self.min_score), name, folder)
                    for name, prediction in of_picture
                ]
                height, width = encoded.picture.shape[:2]
                entries.append(
                    {"picture": str(picture), "width": width, "height": height, "results": results}
                )
            if not entries:
                raise InputError(f"none of the {len(pictures)} pictures of {self.picture} could be read")
            answers = [one for entry in entries for one in entry["results"]]
            record = new_record(
                "segment",
                job,
                [file for one in answers for file in (one["mask"], one["overlay"])],
                model=self.model,
                min_score=self.min_score,
                pictures=entries,
                failures=failures,
            )
            write_record(folder, record)
        return record

    def _predict(self, encoded: "EncodedPicture") -> Iterator["Prediction"]:
        """All sentences, a few at a time when masks are large."""
        step = max(1, _MASK_BYTES // (encoded.picture.shape[0] * encoded.picture.shape[1]))
        for start in range(0, len(self.sentences), step):
            yield from encoded.predict(list(self.sentences[start : start + step]))


def _files(name: str) -> dict[str, str]:
    return {"mask": f"{name}.mask.png", "overlay": f"{name}.overlay.png"}


def _write(prediction: "Prediction", name: str, folder: Path) -> dict[str, Any]:
    files = _files(name)
    prediction.save(folder / files["mask"])
    prediction.overlay().save(folder / files["overlay"])
    return prediction.to_dict() | {"ambiguity": prediction.ambiguity} | files


def _line(picture: str, result: dict[str, Any], out: Path) -> str:
    box = result["box"]
    where = f"box {' '.join(map(str, box))}" if box else "nothing found"
    return f"{picture}  “{result['sentence']}”  score {result['score']:.2f}  {where}  {out / result['mask']}"
