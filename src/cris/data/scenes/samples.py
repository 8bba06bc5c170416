"""The Scenes data set: rendered images, sentences about them, exact masks."""

from collections.abc import Iterator

import numpy as np
from jaxtyping import Int

from cris.data.scenes.draws import Draws
from cris.data.scenes.facts import Facts, members
from cris.data.scenes.grammar import Grammar
from cris.data.scenes.layout import REFERENCE_SIDE, SceneLayout, make_layout, paste
from cris.data.scenes.records import Scene, SceneExpression, SceneKnobs, SceneObject, SceneSample
from cris.data.scenes.render import render
from cris.errors import InputError

SCENES_VERSION = 1
"""Version of the scenes, which goes up when any sample changes."""
LENGTHS: dict[str, int] = {"train": 1_000_000, "val": 1_000, "test": 2_000}
SMALLEST_SIDE = 64
MOST_FAILURES = 6
"""Number of expressions in a row that fail, after which a scene has no more."""
MOST_LAYOUTS = 1_000
STANDARD = SceneKnobs()


class Scenes:
    """Samples made from (version, split, seed, index, knobs) alone, the same forever.

    `size` is the images' side in pixels; layout and sentences do not depend on it.
    """

    def __init__(self, split: str, *, seed: int = 0, size: int = 160, knobs: SceneKnobs = STANDARD) -> None:
        if split not in LENGTHS:
            raise InputError(f"split must be one of {sorted(LENGTHS)}, got {split!r}")
        if size < SMALLEST_SIDE:
            raise InputError(f"size must be at least {SMALLEST_SIDE} pixels, got {size}")
        self.split = split
        """Part of the scenes: train, val or test."""
        self.seed = seed
        """Seed; another one gives other scenes."""
        self.size = size
        """Side of the images, in pixels."""
        self.knobs = knobs
        """Options that change what scenes are like."""

    def __len__(self) -> int:
        """Return the number of samples in the split."""
        return LENGTHS[self.split]

    def __iter__(self) -> Iterator[SceneSample]:
        """Yield all samples in order."""
        return (self[index] for index in range(len(self)))

    def __getitem__(self, index: int) -> SceneSample:
        """Return the sample at an index; negative ones count from the end."""
        scene = self.scene(index, 1)
        expression = scene.expressions[0]
        shares = [scene.objects[target].visibility for target in expression.targets]
        return SceneSample(
            image=scene.image,
            sentence=expression.sentence,
            mask=scene.mask(expression),
            kind=expression.kind,
            objects=scene.objects,
            targets=expression.targets,
            fitting=expression.fitting,
            visibility=sum(shares) / len(shares) if shares else 1.0,
        )

    def scene(self, index: int, expressions: int = 8) -> Scene:
        """Return an image and up to `expressions` distinct sentences; fewer ones are the first of more."""
        if not -len(self) <= index < len(self):
            raise IndexError(f"index must be within {len(self)} samples of split {self.split!r}, got {index}")
        if expressions < 1:
            raise InputError(f"expressions must be at least 1, got {expressions}")
        key = (SCENES_VERSION, self.split, self.seed, index % len(self))
        layout, told = self._tell(key, expressions)
        patches = layout.patches
        if self.size != REFERENCE_SIDE:
            patches = tuple(item.draw(self.size) for item in layout.items)
        image = render(layout.items, patches, self.size, Draws(*key, "light"), *key)
        owner = np.full((self.size, self.size), -1, dtype=np.int8)
        for place, patch in enumerate(patches):
            paste(owner, patch, place)
        objects = tuple(_seen_object(layout, owner, place) for place in range(len(layout.items)))
        return Scene(image, objects, told)

    def _tell(
        self, key: tuple[str | int, ...], count: int
    ) -> tuple[SceneLayout, tuple[SceneExpression, ...]]:
        """Return the first layout that has a first expression, and its expressions."""
        for attempt in range(MOST_LAYOUTS):
            layout = make_layout(Draws(*key, "layout", attempt), self.knobs.occluded)
            if layout is None:
                continue
            expressions: list[SceneExpression] = []
            for expression in self._expressions(layout, key, attempt):
                expressions.append(expression)
                if len(expressions) == count:
                    break
            if expressions:
                return layout, tuple(expressions)
        raise InputError(f"no scene within {MOST_LAYOUTS} layouts allows {self.knobs}; widen the knobs")

    def _expressions(
        self, layout: SceneLayout, key: tuple[str | int, ...], attempt: int
    ) -> Iterator[SceneExpression]:
        """Yield distinct expressions about a layout; none when the first cannot be made."""
        facts = Facts(layout)
        targets = self._possible_targets(layout, facts)
        grammar = Grammar(facts, targets, Draws(*key, "words", attempt))
        told: set[str] = set()
        failures = place = 0
        while failures < MOST_FAILURES:
            # Which knob acts is drawn apart from the layout, so that its share comes out exactly.
            expression = self._express(grammar, Draws(*key, "knob", place))
            place += 1
            if expression is None or expression.sentence.lower() in told:
                failures += 1
                if not told:
                    return
                continue
            failures = 0
            told.add(expression.sentence.lower())
            yield expression

    def _possible_targets(self, layout: SceneLayout, facts: Facts) -> int:
        if self.knobs.occluded is None:
            return facts.clear
        low, high = self.knobs.occluded
        return sum(1 << place for place, share in enumerate(layout.visibility) if low <= share <= high)

    def _express(self, grammar: Grammar, draws: Draws) -> SceneExpression | None:
        knobs = self.knobs
        shares = (knobs.ambiguous, knobs.mislabelled, knobs.no_target, knobs.several_targets)
        named = ("ambiguous", "mislabelled", "no_target", "plural", "standard")
        wanted = draws.weighted(named, (*shares, max(0.0, 1 - sum(shares)))) if any(shares) else "standard"
        if wanted in ("ambiguous", "no_target", "plural"):
            draft = grammar.of_kind(wanted)
            if draft is None:
                return None
            sentence, objects = draft
            fitting = tuple(members(objects))
            chosen = (
                (draws.pick(tuple(members(objects & grammar.targets))),) if wanted == "ambiguous" else fitting
            )
            return SceneExpression(sentence, wanted, chosen, fitting)
        told = grammar.standard()
        if told is None:
            return None
        kind, sentence, objects = told
        fitting = tuple(members(objects))
        if wanted == "standard":
            return SceneExpression(sentence, kind, fitting, fitting)
        wrong = tuple(members(grammar.targets & ~objects))
        return SceneExpression(sentence, kind, (draws.pick(wrong),), fitting) if wrong else None


def _seen_object(layout: SceneLayout, owner: Int[np.ndarray, "side side"], place: int) -> SceneObject:
    item, mask, box = layout.items[place], owner == place, (0, 0, 0, 0)
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    if len(rows):  # a barely visible object may have no pixel in a small image
        box = (int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1)
    return SceneObject(
        category=item.category,
        colour=item.colour,
        size=item.size,
        texture=item.texture,
        mask=mask,
        box=box,
        visibility=layout.visibility[place],
    )
