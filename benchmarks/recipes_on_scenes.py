"""Compares the families of recipes on Scenes: the same small model, as many sentences, several seeds each.

python -m benchmarks.recipes_on_scenes --out runs/recipes

Trains and measures what is not there yet, and prints the table of docs/training.md. A run takes about ten
minutes of one core.
"""

from dataclasses import dataclass
from pathlib import Path
from statistics import mean

import tyro

from cris import open_dataset, train
from cris.evaluation.saved import evaluate_to
from cris.jobs import read_record
from cris.training.recipes import FAMILIES
from cris.training.state import last_checkpoint


@dataclass(frozen=True, kw_only=True)
class Options:
    """Compares the families of recipes on Scenes."""

    out: Path
    """Folder of the runs."""
    seeds: tuple[int, ...] = (0, 1, 2)
    """One run of each family for each."""
    split: str = "test"
    """Scenes to measure on."""


def main() -> None:
    """Every run, then the table."""
    options = tyro.cli(Options)
    print("| family | mean IoU of each seed | mean | spread | Pr@50 | ceiling | threshold |")
    print("|---|---|---|---|---|---|---|")
    for family in FAMILIES:
        records = [measured(options, family, seed) for seed in options.seeds]
        ious = [record["mean_iou"] for record in records]
        figures = [mean(record[name] for record in records) for name in ("pr50", "ceiling", "threshold")]
        each = ", ".join(f"{iou:.3f}" for iou in ious)
        spread = max(ious) - min(ious)
        told = " | ".join(f"{figure:.3f}" for figure in (mean(ious), spread, *figures))
        print(f"| `{family}` | {each} | {told} |", flush=True)


def measured(options: Options, family: str, seed: int) -> dict[str, float]:
    """Return the figures of a run, trained and measured unless it was before."""
    run = options.out / f"{family}-{seed}"
    results = run / "eval"
    train(f"scenes-tiny-{family}", out=run, seed=seed, resume=True)
    checkpoint, scenes = last_checkpoint(run), open_dataset("scenes", options.split)
    evaluate_to(
        results,
        checkpoint,
        scenes,
        model=str(checkpoint),
        data="scenes",
        split=options.split,
        resume=True,
        overwrite=True,
    )
    return read_record(results)


if __name__ == "__main__":
    main()
