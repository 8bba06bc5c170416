"""Measures the three causes of failure and the calibration of scores on Scenes; draws the plots of the docs.

python benchmarks/failure_causes.py [--model MODEL] [--share S]

Prints the tables of docs/ambiguity.md, docs/calibration.md, docs/occlusion.md and docs/wrong-labels.md as
Markdown, and draws docs/images/{ambiguity,calibration,occlusion}.svg. About ten minutes on one core;
--share 0.1 takes a tenth of the samples.
"""

import json
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tyro

from cris.ambiguity import ambiguity
from cris.cli import main as cris
from cris.segmenter import Segmenter
from cris.studies.ambiguity import aurocs, aurocs_by_kind, judge_scenes
from cris.studies.charts import draw_separation

PLOTS = Path(__file__).resolve().parents[1] / "docs" / "images"
AMBIGUITY, CALIBRATION, OCCLUSION, LABELS = 500, 2_000, 200, 1_500
"""Scenes of the test split (of train for labels)."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """Measures everything that the docs tell of failures."""

    model: str = "cris-scenes"
    """Registered name or checkpoint folder."""
    share: float = 1.0
    """Share of the samples that is measured."""
    steps: int = 100
    """Optimiser steps of each of the two models that audit labels."""


def main() -> None:
    """Everything, one after the other."""
    options = tyro.cli(Options)
    PLOTS.mkdir(exist_ok=True)
    tell_ambiguity(options)
    with tempfile.TemporaryDirectory() as folder:
        tell_calibration(options, Path(folder))
        tell_occlusion(options, Path(folder))
        tell_labels(options, Path(folder))


def tell_ambiguity(options: Options) -> None:
    """AUROC of each part of the evidence, and against each kind of sentence."""
    count = some(AMBIGUITY, options)
    judged = list(judge_scenes(Segmenter.from_pretrained(options.model), "test", count))
    say(f"\n## Ambiguity: {count} scenes of test, and {count} with ambiguous sentences\n")
    table(("from", "AUROC"), aurocs(judged).items())
    table(("ambiguous against", "AUROC"), aurocs_by_kind(judged).items())
    clear, unclear = (
        np.array([ambiguity(one.evidence) for one in judged if one.is_ambiguous == wanted])
        for wanted in (False, True)
    )
    (PLOTS / "ambiguity.svg").write_text(draw_separation(clear, unclear), encoding="utf-8")


def tell_calibration(options: Options, folder: Path) -> None:
    """Measure the calibration that the model has, on test."""
    found = run(
        folder / "calibration",
        ["calibrate", options.model, "scenes", "--check", "--split", "test"],
        ["--limit", str(some(CALIBRATION, options))],
    )
    say(f"\n## Calibration: {found['count']} scenes of test, {found['calibration']}\n")
    say(f"expected calibration error {found['ece']:.3f}, mean risk {found['area']:.3f}\n")
    table(
        ("least score", "answered", "of these bad"),
        [(f"{one['min_score']:.2f}", one["coverage"], one["risk"]) for one in found["risk_coverage"][9::10]],
    )
    keep(folder / "calibration", "calibration.svg")


def tell_occlusion(options: Options, folder: Path) -> None:
    """IoU by what shows of the target."""
    found = run(
        folder / "occlusion",
        ["occlusion", options.model, "scenes", "--split", "test"],
        ["--limit", str(some(OCCLUSION, options))],
    )
    say("\n## Occlusion\n")
    rows = [
        (name, f"{one['low']:g} to {one['high']:g}", one["count"], one["mean_iou"], one["interval"])
        for name in ("on", "beside", "scenes")
        for one in found[name]
    ]
    table(("patch", "visible", "samples", "mean IoU", "95 %"), rows)
    keep(folder / "occlusion", "occlusion.svg")


def tell_labels(options: Options, folder: Path) -> None:
    """Return the number of planted wrong labels found, by the model alone and cross-fitted."""
    count = some(LABELS, options)
    say(f"\n## Wrong labels: {count} scenes of train, 10 % planted\n")
    rows = []
    for steps in (0, options.steps):
        found = run(
            folder / f"labels-{steps}",
            ["audit", "scenes", "--from", options.model, "--plant", "0.1", "--show", "0"],
            ["--limit", str(count), "--folds", "2", "--steps", str(steps)],
        )
        rows.append((steps, found["precision_at_top"]))
    table(("steps of each fold's model", "planted among the first tenth"), rows)


def run(out: Path, *arguments: list[str]) -> dict[str, Any]:
    """Run a command and return its results.json."""
    code = cris([*(each for part in arguments for each in part), "--out", str(out)])
    if code:
        raise SystemExit(code)
    return json.loads((out / "results.json").read_text(encoding="utf-8"))  # type: ignore[no-any-return]


def keep(folder: Path, name: str) -> None:
    """Put a plot where the docs look for it."""
    (PLOTS / name).write_bytes((folder / name).read_bytes())


def some(count: int, options: Options) -> int:
    """Return this share of the data."""
    return max(20, round(options.share * count))


def table(headers: tuple[str, ...], rows: Any) -> None:
    """As Markdown; numbers with three digits."""
    say(f"| {' | '.join(headers)} |\n|{'---|' * len(headers)}")
    for row in rows:
        say(f"| {' | '.join(map(shown, row))} |")
    say("")


def shown(value: object) -> str:
    """Return a cell of the table."""
    if isinstance(value, list):
        return " to ".join(map(shown, value))
    return f"{value:.3f}" if isinstance(value, float) else str(value)


def say(text: str) -> None:
    """To stdout, at once."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
