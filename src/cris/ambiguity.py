"""Chance that a sentence fits several things in an image, estimated without knowing what it means.

Read from the answer alone: how strongly a second region of the probability map competes with the first, and
how much the sentence says; where it is known, also from how the answer takes small changes
(`cris.agreement`). docs/ambiguity.md tells what each part is worth.
"""

import math
from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float32

LIT = 0.1
"""Probability above which cells belong to a region."""
ARTICLES = frozenset({"a", "an", "the"})
FEWEST_WORDS = 2
"""Number of words, articles aside, up to which a sentence tells only the kind of thing; more say which."""
_NOTHING = 0.02
"""Constant added to shares before their logarithm is taken."""


@dataclass(frozen=True, kw_only=True)
class Weights:
    """Linear weights of the evidence; their logistic function is the ambiguity."""

    rival: float
    """Weight of the logarithm of the rival's probability."""
    words: float
    """Weight of each word of the sentence that is no article."""
    disagreement: float = 0.0
    """Weight of the logarithm of 1 - agreement."""
    narrowing: float = 0.0
    """Weight of a check's narrowing."""
    offset: float


# fitted with the embedded model on 1,000 scenes of split val and as many with ambiguous sentences, by
# python tools/fit_ambiguity.py
ALONE = Weights(rival=0.612, words=-1.389, offset=4.793)
"""Weights for an answer alone."""
CHECKED = Weights(rival=0.460, words=-1.119, disagreement=1.276, narrowing=-0.967, offset=6.739)
"""Weights for an answer that was checked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """Stability of an answer under small changes, see `cris.agreement`."""

    agreement: float
    """Mean overlap with the answers to an image and a sentence that mean the same, 0 to 1."""
    narrowing: float
    """Change of the answer, 0 to 1, without each word that is no article: the sum over them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """Evidence that an ambiguity is computed from."""

    rival: float
    """Highest probability in the second strongest region; 0 when there is one region or none."""
    words: int
    """Number of words, articles aside, and at least FEWEST_WORDS: who says more leaves less open."""
    check: Check | None
    """Check of the answer; None when it was not checked."""

    def inputs(self) -> tuple[float, float, float, float, float]:
        """Return the inputs of the weights: rival, words, disagreement, narrowing, offset."""
        check = Check(agreement=1.0, narrowing=0.0) if self.check is None else self.check
        doubt = math.log(1 - check.agreement + _NOTHING)
        return math.log(self.rival + _NOTHING), float(self.words), doubt, check.narrowing, 1.0


def ambiguity(evidence: Evidence) -> float:
    """Return the chance that the sentence fits several things, 0 to 1, where every second sentence does."""
    one = ALONE if evidence.check is None else CHECKED
    weights = (one.rival, one.words, one.disagreement, one.narrowing, one.offset)
    line = sum(weight * value for weight, value in zip(weights, evidence.inputs(), strict=True))
    return 0.5 + 0.5 * math.tanh(0.5 * line)  # the sigmoid, without overflow


def gather(probability: Float32[np.ndarray, "rows columns"], sentence: str, check: Check | None) -> Evidence:
    """Return the evidence in one answer; the probabilities are those of the cells that lie on the image."""
    words = sum(map(is_telling, sentence.split()))
    return Evidence(rival=rival(probability), words=max(FEWEST_WORDS, words), check=check)


def is_telling(word: str) -> bool:
    """Return whether the word is more than an article."""
    return word.strip(".,!?").casefold() not in ARTICLES


def rival(probability: Float32[np.ndarray, "rows columns"]) -> float:
    """Return the highest probability in the second strongest of the separate regions; 0 without one."""
    count, regions = cv2.connectedComponents((probability > LIT).astype(np.uint8), connectivity=8)
    peaks = np.zeros(max(count, 3))
    np.maximum.at(peaks, np.asarray(regions, dtype=np.intp), probability)
    return float(np.sort(peaks[1:])[-2])
