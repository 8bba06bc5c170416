"""Makes the embedded model from a finished run: picks threshold and calibration, measures, writes the card.

python tools/release_scenes.py RUN
"""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np

import cris
from cris.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from cris.data.scenes import SCENES_VERSION
from cris.evaluation.calibration import answers, fit, reliability
from cris.evaluation.evaluate import evaluate
from cris.evaluation.examples import SceneExamples
from cris.evaluation.metrics import GOOD_IOU, Summary
from cris.evaluation.results import Evaluation
from cris.evaluation.threshold import choose_threshold
from cris.letterbox import CELL
from cris.model.config import InferenceConfig
from cris.segmenter import Segmenter
from cris.training.recipes import cris_scenes
from cris.training.state import last_checkpoint

TARGET = Path(cris.__file__).parent / "models" / "cris-scenes"
VALIDATION_SCENES = 500

CARD = """# cris-scenes

A small CRIS (CLIP-Driven Referring Image Segmentation, CVPR 2022) that ships with the `cris` package:
it finds objects in rendered scenes from sentences such as "the striped ring left of the blue star". It
knows those scenes and their words only; for photographs, train a model of your own.

- **Size**: {parameters:.2f} M parameters, stored as float16; letterbox {size}×{size}, masks drawn on
  {cells}×{cells} cells and enlarged.
- **Threshold**: {threshold:.2f}, the best on {validation} scenes of the validation split.
- **Score**: the chance that a mask is good (IoU above 0.5), fitted on the {calibrated} scenes of that split;
  its expected calibration error on the test split is {ece:.3f}.
- **Weights**: from scratch (nothing of CLIP's), the moving average over the run's last steps.
- **Data**: Scenes version {version}, split train, made on the fly: {pictures} pictures per step with up to
  {sentences} sentences each.
- **Made by** two runs of the recipe `cris-scenes`, about 150 minutes of two shared cores. The first took
  5,602 steps and was mended under way (turned triangles, learning rate, and a stem widened from 8, 8, 16 to
  32 channels because textures had not been learned); it reached 0.538. The second went on from its weights
  for 2,100 steps: `cris train cris-scenes --from cris-scenes --seed 1 --max-steps 2100 --processes 2`
  (begun with 4,400, and shortened to 2,800 and 2,100 under way).
- **Licence**: Apache-2.0, as the package.

## Measured

On the {count} samples of the standard test split, by

    cris eval cris-scenes scenes --split test

| expressions | samples | mean IoU | overall IoU | Pr@50 | Pr@70 | Pr@90 | ceiling |
|---|---|---|---|---|---|---|---|
{rows}

The ceiling is the mean IoU of the true masks drawn on the model's own grid. The score tells good masks
(IoU above 0.5) from bad ones with an AUROC of {auroc:.3f}.
"""


def main() -> None:
    """Writes the embedded model's folder."""
    checkpoint = load_checkpoint(last_checkpoint(Path(sys.argv[1])))
    segmenter = Segmenter(checkpoint.model, checkpoint.tokenizer, checkpoint.inference, device="cpu")
    choice = choose_threshold(segmenter, SceneExamples("val", VALIDATION_SCENES))
    inference = replace(checkpoint.inference, threshold=choice.best)
    chosen = Segmenter(segmenter.engine, checkpoint.tokenizer, inference)
    calibration = fit(*answers(chosen, SceneExamples("val"), is_raw=True))
    inference = replace(inference, calibration=calibration)
    parts = (TARGET, checkpoint.model, checkpoint.tokenizer, inference)
    save_checkpoint(*parts, card="", dtype="float16", overwrite=True)
    measured = Evaluation(list(evaluate(Segmenter.from_pretrained(TARGET), SceneExamples("test"))))
    card = write_card(checkpoint, inference, measured)
    save_checkpoint(*parts, card=card, dtype="float16", overwrite=True)
    print(card)


def write_card(checkpoint: Checkpoint, inference: InferenceConfig, measured: Evaluation) -> str:
    """The model card, with the figures as measured."""
    recipe = cris_scenes()
    rows = [("all", measured.total), *measured.kinds.items()]
    scores = np.array([row.score for row in measured.rows])
    ious = np.array([row.iou for row in measured.rows])
    return CARD.format(
        parameters=sum(parameter.numel() for parameter in checkpoint.model.parameters()) / 1e6,
        size=inference.input_size,
        cells=inference.input_size // CELL,
        threshold=inference.threshold,
        validation=VALIDATION_SCENES,
        calibrated=len(SceneExamples("val")),
        ece=reliability(scores, ious > GOOD_IOU).ece,
        version=SCENES_VERSION,
        pictures=recipe.sampling.pictures,
        sentences=recipe.sampling.sentences,
        count=measured.total.count,
        rows="\n".join(table_row(name, summary) for name, summary in rows),
        auroc=measured.total.score_auroc,
    )


def table_row(name: str, one: Summary) -> str:
    """One line of the card's table."""
    figures = (one.mean_iou, one.overall_iou, one.pr50, one.pr70, one.pr90, one.ceiling)
    return f"| {name} | {one.count} | " + " | ".join(f"{figure:.3f}" for figure in figures) + " |"


if __name__ == "__main__":
    main()
