"""How likely a sentence fits several things in a picture, without knowing what it means.

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
"""Up to so many say what kind of thing is meant, more say which; articles aside."""
_NOTHING = 0.02
"""Added to shares before their logarithm is taken."""


@dataclass(frozen=True, kw_only=True)
class Weights:
    """A line through the evidence, whose logistic function is the ambiguity."""

    rival: float
    """Of the logarithm of the rival's probability."""
    words: float
    """Of each word of the sentence that is no article."""
    disagreement: float = 0.0
    """Of the logarithm of 1 - agreement."""
    narrowing: float = 0.0
    """Of the narrowing of a check."""
    offset: float


# fitted with the embedded model on 1,000 scenes of split val and as many with ambiguous sentences, by
# python tools/fit_ambiguity.py
ALONE = Weights(rival=0.612, words=-1.389, offset=4.793)
"""For an answer alone."""
CHECKED = Weights(rival=0.460, words=-1.119, disagreement=1.276, narrowing=-0.967, offset=6.739)
"""For an answer that was checked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """How an answer takes small changes, see `cris.agreement`."""

    agreement: float
    """Mean overlap with the answers to a picture and a sentence that mean the same, 0 to 1."""
    narrowing: float
    """How much the answer changes, 0 to 1, without each word that is no article: the sum over them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What an ambiguity is made of."""

    rival: float
    """Highest probability in the second strongest region; 0 when there is one region or none."""
    words: int
    """Of the sentence, articles aside, and at least FEWEST_WORDS: who says more leaves less open."""
    check: Check | None
    """None when the answer was not checked."""

    def inputs(self) -> tuple[float, float, float, float, float]:
        """What the weights are for: rival, words, disagreement, narrowing, offset."""
        check = Check(agreement=1.0, narrowing=0.0) if self.check is None else self.check
        doubt = math.log(1 - check.agreement + _NOTHING)
        return math.log(self.rival + _NOTHING), float(self.words), doubt, check.narrowing, 1.0


def ambiguity(evidence: Evidence) -> float:
    """Chance that the sentence fits several things, 0 to 1, where every second sentence does."""
    one = ALONE if evidence.check is None else CHECKED
    weights = (one.rival, one.words, one.disagreement, one.narrowing, one.offset)
    line = sum(weight * value for weight, value in zip(weights, evidence.inputs(), strict=True))
    return 0.5 + 0.5 * math.tanh(0.5 * line)  # the sigmoid, without overflow


def gather(probability: Float32[np.ndarray, "rows columns"], sentence: str, check: Check | None) -> Evidence:
    """The evidence in one answer; the probabilities are those of the cells that lie on the picture."""
    words = sum(map(is_telling, sentence.split()))
    return Evidence(rival=rival(probability), words=max(FEWEST_WORDS, words), check=check)


def is_telling(word: str) -> bool:
    """Whether the word is more than an article."""
    return word.strip(".,!?").casefold() not in ARTICLES


def rival(probability: Float32[np.ndarray, "rows columns"]) -> float:
    """Highest probability in the second strongest of the regions that do not touch, 0 without one."""
    count, regions = cv2.connectedComponents((probability > LIT).astype(np.uint8), connectivity=8)
    peaks = np.zeros(max(count, 3))
    np.maximum.at(peaks, np.asarray(regions, dtype=np.intp), probability)
    return float(np.sort(peaks[1:])[-2])
