"""Evaluation on a CPU at RN50, 416: a batch-1 loop that encodes the image for every sentence, against cris.

python -m benchmarks.eval_cpu [--images N] [--sentences N] [--turns N]

Five sentences on each image by default, 500 on 100 images. Weights are random, images are scenes.
"""

import argparse
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch

from benchmarks.straightforward import predict_plainly
from benchmarks.turns import ratio, take_turns
from cris.data.dataset import AnnotatedImage, AnnotatedObject, Reference
from cris.data.scenes import Scenes
from cris.engines.torch_engine import TorchEngine
from cris.evaluation.ask import measure
from cris.evaluation.metrics import intersection_and_union, iou
from cris.letterbox import Letterbox, normalise
from cris.model import BACKBONES, Cris, build_cris
from cris.model.config import InferenceConfig
from cris.model.fuse import fuse
from cris.model.output import ModelOutput
from cris.model.tokenizer import Tokenizer
from cris.prediction import Prediction
from cris.segmenter import Segmenter

INFERENCE = InferenceConfig(threshold=0.5)
"""Random weights answer around 0.5, so masks are neither empty nor full."""


@dataclass(frozen=True)
class Work:
    """Options of the benchmark."""

    images: int
    sentences: int
    """Over all images."""

    def examples(self) -> Iterator[AnnotatedImage]:
        """Scenes with several sentences each."""
        each = -(-self.sentences // self.images)
        left = self.sentences
        for place in range(self.images):
            scene = Scenes("test", size=320).scene(place, min(each, left))
            told = scene.expressions
            left -= len(told)
            yield AnnotatedImage(
                name=str(place),
                picture_id=place,
                image=scene.image,
                objects=tuple(AnnotatedObject(category=one.category, mask=one.mask) for one in scene.objects),
                references=tuple(
                    Reference(
                        sample=number,
                        ref_id=number,
                        sentence=one.sentence,
                        kind=one.kind,
                        targets=one.targets,
                    )
                    for number, one in enumerate(told)
                ),
            )


def model() -> Cris:
    """RN50 with random weights, the same in every process."""
    torch.manual_seed(0)
    return build_cris(BACKBONES["RN50"]).eval()


def plainly(network: Cris, examples: list[AnnotatedImage]) -> float:
    """Mean IoU by a loop over sentences, each with its image, one at a time."""
    tokenizer, ious = Tokenizer(), []
    for example in examples:
        for truth in example.references:
            height, width = example.image.shape[:2]
            letterbox = Letterbox(height, width, INFERENCE.input_size)
            image = torch.from_numpy(normalise(letterbox.apply(example.image)))[None]
            tokens = tokenizer([truth.sentence], INFERENCE.sentence_length)
            with torch.inference_mode():
                logits = predict_plainly(network, image, tokens)
            found = Prediction.from_output(
                ModelOutput(logits[0].numpy()),
                sentence=truth.sentence,
                image=example.image,
                letterbox=letterbox,
                threshold=INFERENCE.threshold,
            )
            ious.append(iou(*map(float, intersection_and_union(found.mask, example.mask(truth.targets)))))
    return float(np.mean(ious))


def prepare_work(path: str, work: Work, folder: Path) -> Callable[[], None]:
    """Run the whole evaluation, by the plain loop or ours, and leave its mean IoU in the folder."""
    examples, network = list(work.examples()), model()
    segmenter = (
        Segmenter(TorchEngine(fuse(network), "cpu"), Tokenizer(), INFERENCE) if path == "cris" else None
    )

    def evaluate() -> None:
        if segmenter is None:
            mean = plainly(network, examples)
        else:
            mean = float(np.mean([row.iou for row in measure(segmenter, examples)]))
        (folder / path).write_text(str(mean))

    return evaluate


def main() -> None:
    """Print the line for the docs, and how far the two mean IoUs are apart."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=100)
    parser.add_argument("--sentences", type=int, default=500, help="over all images")
    parser.add_argument("--turns", type=int, default=1, help="of each")
    asked = parser.parse_args()
    work = Work(asked.images, asked.sentences)
    count = sum(len(example.references) for example in work.examples())
    paths = ("plain", "cris")
    with TemporaryDirectory() as folder:
        prepared = {path: partial(prepare_work, path, work, Path(folder)) for path in paths}
        # what the first call costs more is nothing beside hundreds of sentences
        measured = take_turns(prepared, asked.turns, uncounted=0)
        means = {path: float((Path(folder) / path).read_text()) for path in paths}
    print(f"RN50, {INFERENCE.input_size}×{INFERENCE.input_size}, fp32, {torch.get_num_threads()} threads")
    print("| sentences | images | plain loop, s | cris, s | time | mean IoU, plain | mean IoU, cris |")
    print("|---|---|---|---|---|---|---|")
    print(
        f"| {count} | {work.images} | {measured['plain'].median:.1f} | {measured['cris'].median:.1f} "
        f"| {ratio(measured, 'cris', 'plain'):.2f} | {means['plain']:.4f} | {means['cris']:.4f} |"
    )


if __name__ == "__main__":
    main()
