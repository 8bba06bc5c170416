"""Detection of ambiguous sentences on Scenes, and the fit of its weights."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from cris.agreement import check_agreement
from cris.ambiguity import Check, Evidence, Weights, ambiguity, gather
from cris.data.scenes import SceneKnobs, Scenes
from cris.errors import InputError
from cris.evaluation.metrics import auroc
from cris.progress import track
from cris.segmenter import Segmenter
from cris.studies.charts import draw_separation
from cris.studies.logistic import fit_line
from cris.tables import TextTable, as_text, html

_RIDGE = 1.0
"""Pull of the weights towards 0, in samples."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """One scene, one sentence about it, and the evidence in the answer."""

    kind: str
    evidence: Evidence
    """Evidence, with the check."""

    @property
    def check(self) -> Check:
        """Return the check of the answer."""
        assert self.evidence.check is not None
        return self.evidence.check

    @property
    def is_ambiguous(self) -> bool:
        """Return whether the sentence fits several objects."""
        return self.kind == "ambiguous"

    @property
    def alone(self) -> Evidence:
        """Return the evidence that is known without asking again."""
        return replace(self.evidence, check=None)


@dataclass(frozen=True)
class AmbiguityDetection:
    """Sentences of scenes, judged, and the chance that an ambiguous one gets the higher ambiguity (AUROC)."""

    judged: Sequence[Judged]
    """Sentences, each with the evidence for its ambiguity."""

    @cached_property
    def by_evidence(self) -> dict[str, float | None]:
        """Return part of the evidence, and ambiguity as a whole → AUROC."""
        return aurocs(self.judged)

    @cached_property
    def by_kind(self) -> dict[str, float | None]:
        """Return kind of unambiguous sentences → AUROC against them."""
        return aurocs_by_kind(self.judged)

    @property
    def tables(self) -> tuple[TextTable, TextTable]:
        """Return the AUROC by evidence, and by kind."""
        return _auroc_table("from", self.by_evidence), _auroc_table("ambiguous against", self.by_kind)

    def plot(self) -> str:
        """Return the numbers of sentences with each ambiguity, as SVG."""
        clear, unclear = (
            np.array([ambiguity(one.evidence) for one in self.judged if one.is_ambiguous == wanted])
            for wanted in (False, True)
        )
        return draw_separation(clear, unclear)

    def __str__(self) -> str:
        """Return the tables as text."""
        return as_text(*self.tables)

    def _repr_html_(self) -> str:
        return html(self.plot(), *self.tables)


def measure_ambiguity(
    model: str | Path, *, split: str = "test", count: int = 500, device: str = "auto", progress: bool = True
) -> AmbiguityDetection:
    """Measure how well a model tells ambiguous sentences about scenes from others.

    Args:
        model: registered name or checkpoint folder.
        split: scenes to take.
        count: scenes with their own sentence, and as many with an ambiguous one.
        device: cpu, cuda, cuda:1, mps; auto takes the fastest that is there.
        progress: show a progress bar on stderr.

    Raises:
        InputError: there is no such model, or there are not as many scenes.
    """
    judged = judge_scenes(Segmenter.from_pretrained(model, device), split, count)
    return AmbiguityDetection(list(track(judged, total=2 * count, what="scenes", is_shown=progress)))


def judge_scenes(segmenter: Segmenter, split: str, count: int) -> Iterator[Judged]:
    """Yield the first `count` scenes with their own sentences, then as many with ambiguous ones.

    Raises:
        InputError: there are not as many scenes.
    """
    if not 1 <= count <= len(Scenes(split)):
        raise InputError(f"count must be 1 to {len(Scenes(split))} scenes of {split}, got {count}")
    for share in (0.0, 1.0):
        scenes = Scenes(split, knobs=SceneKnobs(ambiguous=share))
        for index in range(count):
            sample = scenes[index]
            (found,) = check_agreement(segmenter, [segmenter.predict(sample.image, sample.sentence)])
            cells = found.grid[found.letterbox.cells]
            yield Judged(kind=sample.kind, evidence=gather(cells, found.sentence, found.check))


def fit_weights(judged: list[Judged], *, is_checked: bool) -> Weights:
    """Return the maximum-likelihood weights for ambiguity; unless checked, they leave checks out."""
    inputs = np.array([(one.evidence if is_checked else one.alone).inputs() for one in judged])
    targets = np.array([one.is_ambiguous for one in judged], dtype=np.float64)
    if not is_checked:
        inputs[:, 2] = 0.0
    rival, words, disagreement, narrowing, offset = fit_line(inputs, targets, np.zeros(5), _RIDGE).tolist()
    return Weights(rival=rival, words=words, disagreement=disagreement, narrowing=narrowing, offset=offset)


def aurocs(judged: Sequence[Judged]) -> dict[str, float | None]:
    """Return the chance that an ambiguous sentence ranks higher: by each part of the evidence, and by all."""
    parts: dict[str, list[float]] = {
        "rival": [one.evidence.rival for one in judged],
        "few words": [-float(one.evidence.words) for one in judged],
        "disagreement": [-one.check.agreement for one in judged],
        "little narrowing": [-one.check.narrowing for one in judged],
        "ambiguity": [ambiguity(one.alone) for one in judged],
        "ambiguity, checked": [ambiguity(one.evidence) for one in judged],
    }
    truth = np.array([one.is_ambiguous for one in judged])
    return {name: auroc(np.array(values), truth) for name, values in parts.items()}


def aurocs_by_kind(judged: Sequence[Judged]) -> dict[str, float | None]:
    """Return unambiguous kind → chance that an ambiguous sentence has a higher ambiguity, checked."""
    kinds = sorted({one.kind for one in judged if not one.is_ambiguous})
    return {kind: _against(judged, kind) for kind in kinds}


def _against(judged: Sequence[Judged], kind: str) -> float | None:
    compared = [one for one in judged if one.is_ambiguous or one.kind == kind]
    values = [ambiguity(one.evidence) for one in compared]
    return auroc(np.array(values), np.array([one.is_ambiguous for one in compared]))


def _auroc_table(name: str, figures: dict[str, float | None]) -> TextTable:
    rows = [(each, "–" if value is None else f"{value:.3f}") for each, value in figures.items()]
    return TextTable(title="Ambiguous sentences told from others", columns=(name, "AUROC"), rows=rows)
