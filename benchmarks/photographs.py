"""Measures a model on annotated photographs: masks, what is absent, and words that training never had.

python -m benchmarks.photographs [--model MODEL] [--data DIR] [--json FILE]

DIR holds instances.json and images/, in COCO's format. A few minutes on one core for a hundred photographs.
"""

import io
import json
import random
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tyro
from jaxtyping import Bool

from cris.cli import main as cris
from cris.data.annotations.instances import ImageInfo, Instances, read_instances
from cris.data.expressions.nouns import noun_of
from cris.data.expressions.synonyms import HELD_OUT, HELD_OUT_LIKE
from cris.evaluation.metrics import auroc
from cris.masks import decode_rle
from cris.prediction import Prediction
from cris.segmenter import EncodedImage, Segmenter

SHARED = Path(__file__).resolve().parents[2] / "shared" / "real"
MIN_AREA = 0.01
"""Share of the image that a category covers at least, if "the X" is asked of it."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """Measures a model on annotated photographs."""

    model: str = "cris-photos"
    """Registered name or checkpoint folder."""
    data: Path = SHARED
    """Folder with instances.json, in COCO's format, and images."""
    photos: int | None = None
    """Take the first so many photographs only."""
    absent: int = 10
    """Categories that are not there, asked of each photograph."""
    seed: int = 0
    """Decides which."""
    device: str = "auto"
    """cpu, cuda, cuda:1, mps."""
    json: Path | None = None
    """Write the figures to this file, too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Photo:
    """A photograph, encoded once, and where its categories are."""

    encoded: EncodedImage
    masks: dict[str, list[Bool[np.ndarray, "height width"]]]
    """Noun → the mask of each thing, regions of many included."""
    crowded: frozenset[str]
    """Nouns with regions of many."""
    is_complete: bool
    """True if all categories are annotated."""

    def share(self, noun: str) -> float:
        """Return the share of the image that the category covers."""
        return float(np.logical_or.reduce(self.masks[noun]).mean()) if noun in self.masks else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Presence:
    """Answers to "the X" where X is in the photograph, or is not."""

    is_present: Bool[np.ndarray, "n"]
    is_empty: Bool[np.ndarray, "n"]
    scores: np.ndarray
    peaks: np.ndarray
    """Highest probability of each answer's grid."""
    presents: np.ndarray
    """Probability that anything is meant; of models that do not tell, the peaks."""

    def figures(self) -> dict[str, Any]:
        """Return the counts, the AUROCs of both signals and the shares of empty masks."""
        return {
            "present": int(self.is_present.sum()),
            "absent": int((~self.is_present).sum()),
            "score_auroc": auroc(self.scores, self.is_present),
            "peak_auroc": auroc(self.peaks, self.is_present),
            "presence_auroc": auroc(self.presents, self.is_present),
            "present_empty": _mean(self.is_empty[self.is_present]),
            "absent_empty": _mean(self.is_empty[~self.is_present]),
        }


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure everything, print it as Markdown, and write it as JSON on request."""
    options = tyro.cli(Options, args=arguments)
    with tempfile.TemporaryDirectory() as folder:
        instances = _chosen(options, Path(folder) / "instances.json")
        figures = {"model": options.model, "masks": measure_masks(options, instances, Path(folder))}
        photos = list(photographs(options, read_instances(instances)))
    figures["presence"] = measure_presence(photos, options).figures()
    figures["held_out"] = measure_held_out(photos)
    tell(figures)
    if options.json is not None:
        options.json.write_text(json.dumps(figures, indent=2), encoding="utf-8")
    return 0


def measure_masks(options: Options, instances: Path, folder: Path) -> dict[str, Any]:
    """Return what `cris eval` says of the sentences that `cris data coco` makes of all photographs."""
    data, out = str(folder / "data"), folder / "out"
    making = ["--instances", str(instances), "--images", str(options.data / "images")]
    _run("data", "coco", *making, "--split-shares", "0", "0", "1", "--out", data)
    _run("eval", options.model, data, "--out", str(out), "--processes", "1", "--device", options.device)
    found = json.loads((out / "_results.json").read_text(encoding="utf-8"))
    fields = ("count", "mean_iou", "pr50", "ceiling")
    areas = {name: {each: one[each] for each in fields} for name, one in found["breakdowns"]["area"].items()}
    return {**{each: found[each] for each in fields}, "areas": areas}


def photographs(options: Options, instances: Instances) -> Iterator[Photo]:
    """Yield the photographs, encoded."""
    segmenter = Segmenter.from_pretrained(options.model, options.device)
    for info in sorted(instances.images.values(), key=lambda info: info.id):
        yield _photo(segmenter, options.data / "images" / info.file_name, info, instances)


def measure_presence(photos: Sequence[Photo], options: Options) -> Presence:
    """Ask "the X" for categories that are in completely annotated photographs and for ones that are not."""
    nouns = sorted({noun for photo in photos for noun in photo.masks})
    draw = random.Random(options.seed)
    asked: list[tuple[bool, Prediction]] = []
    for photo in photos:
        if not photo.is_complete:
            continue
        away = [noun for noun in nouns if noun not in photo.masks]
        wanted = [(True, noun) for noun in sorted(photo.masks) if photo.share(noun) >= MIN_AREA]
        wanted += [(False, noun) for noun in draw.sample(away, min(options.absent, len(away)))]
        if wanted:
            answers = photo.encoded.predict([f"the {noun}" for _, noun in wanted])
            asked.extend((is_there, each) for (is_there, _), each in zip(wanted, answers, strict=True))
    return Presence(
        is_present=np.array([is_there for is_there, _ in asked], dtype=bool),
        is_empty=np.array([not each.mask.any() for _, each in asked], dtype=bool),
        scores=np.array([each.score for _, each in asked], dtype=np.float64),
        peaks=np.array([each.peak for _, each in asked], dtype=np.float64),
        presents=np.array([each.peak if each.present is None else each.present for _, each in asked]),
    )


def measure_held_out(photos: Sequence[Photo]) -> dict[str, Any]:
    """Return the mean IoU of words that no sentence for training has, beside the words that have their place.

    Asked are photographs with exactly one thing of the category, of 1 % of the image or more.
    """
    words: dict[str, dict[str, Any]] = {}
    all_held_out: list[float] = []
    all_trained: list[float] = []
    for word, noun in HELD_OUT.items():
        trained = HELD_OUT_LIKE.get(word, noun)
        pairs = []
        for photo in photos:
            things = photo.masks.get(noun, [])
            if len(things) == 1 and noun not in photo.crowded and photo.share(noun) >= MIN_AREA:
                answers = photo.encoded.predict([f"the {word}", f"the {trained}"])
                pairs.append([_iou(each.mask, things[0]) for each in answers])
        held_out_ious, trained_ious = zip(*pairs, strict=True) if pairs else ((), ())
        all_held_out += held_out_ious
        all_trained += trained_ious
        words[word] = {
            "trained": trained,
            "photos": len(pairs),
            "mean_iou": _mean(held_out_ious),
            "trained_mean_iou": _mean(trained_ious),
        }
    mean_iou, trained_mean_iou = _mean(all_held_out), _mean(all_trained)
    return {
        "words": words,
        "count": len(all_held_out),
        "mean_iou": mean_iou,
        "trained_mean_iou": trained_mean_iou,
        "ratio": mean_iou / trained_mean_iou if mean_iou is not None and trained_mean_iou else None,
    }


def tell(figures: dict[str, Any]) -> None:
    """Print the figures as Markdown."""
    masks, presence, held_out = figures["masks"], figures["presence"], figures["held_out"]
    _say(f"# {figures['model']}\n\n## Made sentences, by the share of the image that is meant\n")
    rows = [*masks["areas"].items(), ("all", masks)]
    fields = ("count", "mean_iou", "pr50", "ceiling")
    _table(
        ("share", "sentences", "mean IoU", "Pr@50", "ceiling"),
        [(n, *(m[f] for f in fields)) for n, m in rows],
    )
    _say(f"## Presence: {presence['present']} categories that are there, {presence['absent']} that are not\n")
    _table(
        ("AUROC of the score", "of the peak", "of presence", "empty where present", "empty where absent"),
        [
            [
                presence[each]
                for each in ("score_auroc", "peak_auroc", "presence_auroc", "present_empty", "absent_empty")
            ]
        ],
    )
    _say("## Words that no sentence for training has\n")
    fields = ("trained", "photos", "mean_iou", "trained_mean_iou")
    rows = [(word, *(one[each] for each in fields)) for word, one in held_out["words"].items()]
    rows.append(("all", "", held_out["count"], held_out["mean_iou"], held_out["trained_mean_iou"]))
    _table(("word", "trained", "photos", "mean IoU", "of the trained word"), rows)
    _say(f"Ratio of the means: {_cell(held_out['ratio'])}")


def _chosen(options: Options, out: Path) -> Path:
    """Write the annotations of the photographs that are asked for, and return the file."""
    content = json.loads((options.data / "instances.json").read_text(encoding="utf-8"))
    images = sorted(content["images"], key=lambda image: image["id"])[: options.photos]
    ids = {image["id"] for image in images}
    content["images"] = images
    content["annotations"] = [each for each in content["annotations"] if each["image_id"] in ids]
    out.write_text(json.dumps(content), encoding="utf-8")
    return out


def _photo(segmenter: Segmenter, path: Path, info: ImageInfo, instances: Instances) -> Photo:
    masks: dict[str, list[np.ndarray]] = {}
    crowded: set[str] = set()
    for each in instances.of_image(info.id):
        noun = noun_of(each.category)
        if info.annotated is not None and each.category not in info.annotated:
            continue
        masks.setdefault(noun, []).append(decode_rle(each.object(info).rle))
        if each.is_crowd:
            crowded.add(noun)
    return Photo(
        encoded=segmenter.encode(path),
        masks=masks,
        crowded=frozenset(crowded),
        is_complete=info.annotated is None,
    )


def _run(*arguments: str) -> None:
    """Run a command of the package without its output."""
    with redirect_stdout(io.StringIO()):
        code = cris(list(arguments))
    if code:
        raise SystemExit(code)


def _iou(mask: Bool[np.ndarray, "height width"], truth: Bool[np.ndarray, "height width"]) -> float:
    return float(np.count_nonzero(mask & truth) / np.count_nonzero(mask | truth))


def _mean(values: Any) -> float | None:
    return float(np.mean(values)) if len(values) else None


def _table(headers: Sequence[str], rows: Any) -> None:
    _say(f"| {' | '.join(headers)} |\n|{'---|' * len(headers)}")
    for row in rows:
        _say(f"| {' | '.join(map(_cell, row))} |")
    _say("")


def _cell(value: object) -> str:
    if value is None:
        return "–"
    return f"{value:.3f}" if isinstance(value, float) else str(value)


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
