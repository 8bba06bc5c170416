"""What the gallery shows: a dozen scenes, and a photograph."""

from collections import Counter
from importlib.resources import files
from itertools import islice

from cris.data.scenes import Scenes, SceneSample

SCENES_SHOWN = 12
SCENES_LOOKED_AT = 60  # enough for every kind
SCENE_SIDE = 320  # pixels: larger than the model reads, so that the gallery looks sharp
PHOTOGRAPH_SENTENCES = ("the red cup", "the silver spoon on the right", "the orange circle")
CREDIT = (
    "Photograph: Rachel Michetti, courtesy of Pikolo Espresso Bar; dedicated to the public domain by the "
    "photographer (CC0 1.0)."
)


def photograph() -> bytes:
    """A cup of coffee, as JPEG; see NOTICE.md beside it."""
    return (files("cris.demo") / "coffee.jpg").read_bytes()


def gallery_scenes() -> list[SceneSample]:
    """A dozen of the test split, chosen by kind alone: the first of each, then the second of each."""
    seen: Counter[str] = Counter()
    places = []
    for index, sample in enumerate(islice(Scenes("test"), SCENES_LOOKED_AT)):
        places.append((seen[sample.kind], index))
        seen[sample.kind] += 1
    large = Scenes("test", size=SCENE_SIDE)
    return [large[index] for _, index in sorted(places)[:SCENES_SHOWN]]
