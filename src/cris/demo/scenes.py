"""Scenes that the gallery shows."""

from collections import Counter
from itertools import islice

from cris.data.scenes import Scenes, SceneSample

SCENES_SHOWN = 12
SCENES_LOOKED_AT = 60  # enough for every kind
SCENE_SIDE = 320  # pixels: larger than the model reads, so that the gallery looks sharp


def gallery_scenes() -> list[SceneSample]:
    """Return a dozen scenes of the test split, chosen by kind alone: the first of each, then the second."""
    seen: Counter[str] = Counter()
    places = []
    for index, sample in enumerate(islice(Scenes("test"), SCENES_LOOKED_AT)):
        places.append((seen[sample.kind], index))
        seen[sample.kind] += 1
    large = Scenes("test", size=SCENE_SIDE)
    return [large[index] for _, index in sorted(places)[:SCENES_SHOWN]]
