"""Measures the three causes of failure and the calibration of scores on Scenes; draws the plots of the docs.

python benchmarks/failure_causes.py [--model MODEL] [--share S]

Prints the tables of docs/ambiguity.md, docs/calibration.md, docs/occlusion.md and docs/wrong-labels.md as
Markdown, and draws docs/images/{ambiguity,calibration,occlusion}.svg. About ten minutes on one core;
--share 0.1 takes a tenth of the samples.
"""

import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import tyro

from cris import studies

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
    tell_calibration(options)
    tell_occlusion(options)
    with tempfile.TemporaryDirectory() as folder:
        tell_labels(options, Path(folder))


def tell_ambiguity(options: Options) -> None:
    """AUROC of each part of the evidence, and against each kind of sentence."""
    count = some(AMBIGUITY, options)
    found = studies.measure_ambiguity(options.model, count=count)
    say(f"\n## Ambiguity: {count} scenes of test, and {count} with ambiguous sentences\n")
    table(("from", "AUROC"), found.by_evidence.items())
    table(("ambiguous against", "AUROC"), found.by_kind.items())
    (PLOTS / "ambiguity.svg").write_text(found.plot(), encoding="utf-8")


def tell_calibration(options: Options) -> None:
    """Measure the calibration that the model has, on test."""
    count = some(CALIBRATION, options)
    found = studies.calibrate(options.model, "scenes", check=True, split="test", limit=count)
    measured = found.measured
    say(f"\n## Calibration: {measured.count} scenes of test, {asdict(found.calibration)}\n")
    say(f"expected calibration error {measured.ece:.3f}, mean risk {measured.area:.3f}\n")
    table(
        ("least score", "answered", "of these bad"),
        [(f"{one.min_score:.2f}", one.coverage, one.risk) for one in measured.risk_coverage[9::10]],
    )
    (PLOTS / "calibration.svg").write_text(found.plot(), encoding="utf-8")


def tell_occlusion(options: Options) -> None:
    """IoU by what shows of the target."""
    found = studies.occlusion(options.model, "scenes", limit=some(OCCLUSION, options))
    say("\n## Occlusion\n")
    rows = [
        (name, f"{one.low:g} to {one.high:g}", one.count, one.mean_iou, list(one.interval or ()))
        for name, several in found.levels.items()
        for one in several
    ]
    table(("patch", "visible", "samples", "mean IoU", "95 %"), rows)
    (PLOTS / "occlusion.svg").write_text(found.plot(), encoding="utf-8")


def tell_labels(options: Options, folder: Path) -> None:
    """Return the number of planted wrong labels found, by the model alone and cross-fitted."""
    count = some(LABELS, options)
    say(f"\n## Wrong labels: {count} scenes of train, 10 % planted\n")
    rows = []
    for steps in (0, options.steps):
        found = studies.audit(
            "scenes",
            out=folder / f"labels-{steps}",
            start=options.model,
            plant=0.1,
            show=0,
            limit=count,
            folds=2,
            steps=steps,
        )
        rows.append((steps, found.precision_at_top))
    table(("steps of each fold's model", "planted among the first tenth"), rows)


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
