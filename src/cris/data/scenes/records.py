"""Records of scenes: objects, expressions, samples, and the knobs that change them."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, UInt8

from cris.errors import InputError


@dataclass(frozen=True, kw_only=True)
class SceneKnobs:
    """Options that the standard splits leave out; shares are of expressions, 0 to 1."""

    ambiguous: float = 0.0
    """Share of expressions whose sentence fits two objects or more, the target being one of them."""
    mislabelled: float = 0.0
    """Share of expressions whose target is another object than the one the sentence describes."""
    no_target: float = 0.0
    """Share of expressions whose sentence fits nothing."""
    several_targets: float = 0.0
    """Share of expressions that mean all of two objects or more."""
    occluded: tuple[float, float] | None = None
    """Range of the targets' visible share, for example (0.1, 0.6)."""

    def __post_init__(self) -> None:
        """Raise an error for options that cannot be drawn."""
        shares = (self.ambiguous, self.mislabelled, self.no_target, self.several_targets)
        if min(shares) < 0 or sum(shares) > 1 + 1e-9:
            raise InputError(f"shares must be at least 0 and sum to at most 1, got {shares}")
        if self.occluded is not None and not 0 < self.occluded[0] < self.occluded[1] <= 1:
            raise InputError(f"occluded must be a range within 0 to 1, got {self.occluded}")


@dataclass(frozen=True, slots=True, eq=False)
class SceneObject:
    """An object of a scene and its visible part."""

    category: str
    colour: str
    size: str
    """Size class: "small", "medium" or "large"."""
    texture: str
    mask: Bool[np.ndarray, "height width"]
    """Mask of its visible pixels."""
    box: tuple[int, int, int, int]
    """Box of the visible pixels: left, top, right, bottom, the last two just outside."""
    visibility: float
    """Visible share of its outline, 0 to 1, as counted at 160 pixels."""


@dataclass(frozen=True, slots=True)
class SceneExpression:
    """A sentence about a scene."""

    sentence: str
    kind: str
    targets: tuple[int, ...]
    """Indices of the objects in the mask."""
    fitting: tuple[int, ...]
    """Indices of the objects that the sentence truly fits: the targets, except where a knob breaks that."""


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """An image and its expressions."""

    image: UInt8[np.ndarray, "height width 3"]
    objects: tuple[SceneObject, ...]
    expressions: tuple[SceneExpression, ...]

    def mask(self, expression: SceneExpression) -> Bool[np.ndarray, "height width"]:
        """Return the visible pixels of an expression's targets."""
        mask = np.zeros(self.image.shape[:2], dtype=bool)
        for target in expression.targets:
            mask |= self.objects[target].mask
        return mask


@dataclass(frozen=True, slots=True, eq=False)
class SceneSample:
    """An image, a sentence and its mask."""

    image: UInt8[np.ndarray, "height width 3"]
    """RGB image."""
    sentence: str
    """Referring expression."""
    mask: Bool[np.ndarray, "height width"]
    """Visible pixels of the targets."""
    kind: str
    """Kind of the sentence, one of `KINDS`."""
    objects: tuple[SceneObject, ...]
    """All objects of the scene."""
    targets: tuple[int, ...]
    """Indices of the objects in the mask."""
    fitting: tuple[int, ...]
    """Indices of the objects that the sentence truly fits."""
    visibility: float
    """Mean visible share of the targets, 1 when there is none."""
