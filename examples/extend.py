"""Adds an image encoder, a loss, a metric, a data source and a recipe: python examples/extend.py out.

Nothing of the package is edited or registered: each is a class or a function of this file, given to `train`,
`evaluate` and `export_model`. The model learns drawn discs for some seconds, is measured, exported and
reported on.
"""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from cris import Segmenter, evaluate, export_model, train
from cris.data.dataset import AnnotatedImage, AnnotatedObject, Dataset, Reference, SampleIndex
from cris.data.loading.loader import Batch
from cris.evaluation.metrics import METRICS, Metric, mean
from cris.evaluation.report.page import Subject, write_report
from cris.model.encoders import ImageEncoder
from cris.training.config import TrainConfig
from cris.training.recipes import RECIPES

COLOURS = {"red": (220, 40, 40), "green": (40, 170, 60), "blue": (40, 80, 220)}


class Discs(Dataset):
    """A data source: drawn discs of different colours; each is asked for by its colour."""

    def __init__(self, split: str, count: int) -> None:
        self.name, self.split = "discs", split
        self.identity = ["discs", split, count]
        self.index = SampleIndex.counted([len(COLOURS)] * count)

    def image(self, number: int) -> AnnotatedImage:
        """Draw an image, the same one for the same number."""
        random = np.random.default_rng([number, *self.split.encode()])
        image = np.full((96, 96, 3), 235, dtype=np.uint8)
        rows, columns = np.indices(image.shape[:2])
        places = random.permutation([(24, 24), (24, 72), (72, 24), (72, 72)])
        objects = []
        for (row, column), colour in zip(places, COLOURS.values(), strict=False):
            mask = (rows - row) ** 2 + (columns - column) ** 2 < random.integers(9, 20) ** 2
            image[mask] = colour
            objects.append(AnnotatedObject("disc", mask))
        return AnnotatedImage(
            name=f"{number}.png",
            picture_id=number,
            image=image,
            objects=tuple(objects),
            references=tuple(
                Reference(sample=sample, ref_id=sample, sentence=f"the {colour} disc", targets=(place,))
                for place, (sample, colour) in enumerate(
                    zip(self.index.of_image(number), COLOURS, strict=True)
                )
            ),
        )


class PatchEncoder(ImageEncoder):
    """An image encoder: patches of 8 × 8 pixels, and two steps down from there."""

    def __init__(self, joint_dim: int) -> None:
        super().__init__()
        self.channels = (32, 48, joint_dim)  # at strides 8, 16 and 32
        self.c3 = nn.Sequential(nn.Conv2d(3, 32, 8, 8), nn.GELU(), nn.Conv2d(32, 32, 3, 1, 1), nn.GELU())
        self.c4 = nn.Sequential(nn.Conv2d(32, 48, 3, 2, 1), nn.GELU())
        self.c5 = nn.Conv2d(48, joint_dim, 3, 2, 1)

    @property
    def blocks(self) -> list[nn.Module]:
        """Return the parts that can be frozen, or computed anew in the backward pass, one by one."""
        return [self.c3, self.c4, self.c5]

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return maps at strides 8, 16 and 32."""
        c3 = self.c3(images)
        c4 = self.c4(c3)
        return c3, c4, self.c5(c4)


def smoothness(logits: Tensor, batch: Batch) -> Tensor:
    """Return a loss: the mean difference between the probabilities of neighbouring cells."""
    probability = logits.sigmoid()
    return 0.1 * (probability.diff(dim=-1).abs().mean() + probability.diff(dim=-2).abs().mean())


small_things = Metric(
    name="small_iou",
    title="IoU of small",
    meaning="Mean IoU over things that cover less than 5 % of their image.",
    figure=lambda row: row.iou if row.true_area < 0.05 * row.height * row.width else None,
    aggregate=mean(),
)


def discs_recipe() -> TrainConfig:
    """Return a recipe: the smallest modern model on small images, for a few steps."""
    config = RECIPES["scenes-tiny-modern"]()
    return replace(
        config,
        # small enough for half a minute on one core, with its export
        recipe="discs",
        steps=60,
        log_every=20,
        inference=replace(config.inference, input_size=96),
        schedule=replace(config.schedule, warmup_steps=10),
        validation=replace(config.validation, every=60, samples=60),
    )


def main(out: Path) -> None:
    """Train, evaluate, export and report, each into a folder of its own below `out`."""
    data = {"train": Discs("train", 200), "val": Discs("val", 20), "test": Discs("test", 40)}
    torch.manual_seed(0)  # an encoder of one's own is made before training seeds itself
    outcome = train(discs_recipe, data=data, out=out / "run", losses=[smoothness], image_encoder=PatchEncoder)
    print(outcome)

    segmenter = Segmenter.from_pretrained(outcome.out, image_encoder=PatchEncoder)
    evaluation = evaluate(segmenter, data["test"], metrics=[*METRICS, small_things])
    print(evaluation)

    export_model(outcome.out, out / "onnx", format="onnx", image_encoder=PatchEncoder)
    image = data["test"].image(0)
    answer = Segmenter.from_pretrained(out / "onnx").predict(image.image, "the red disc")
    print(f"{answer} from {out / 'onnx'}, without this file")

    (out / "report").mkdir(exist_ok=True)
    subject = Subject(model="discs", data="discs", split="test", facts=("an example",), fingerprint="discs")
    for _ in write_report(out / "report", subject, evaluation, data["test"]):
        pass
    print(f"look at {out / 'report' / 'index.html'}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
