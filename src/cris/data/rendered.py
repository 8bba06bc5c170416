"""Scenes as a data set like any other."""

from collections.abc import Sequence

import numpy as np

from cris.data.dataset import AnnotatedImage, AnnotatedObject, Dataset, Reference, SampleIndex, View
from cris.data.scenes import SCENES_VERSION, Scenes

SCENES = "scenes"
"""Name of rendered scenes, accepted in place of a folder."""


class SceneDataset(Dataset):
    """Scenes with one sentence each, rendered when they are asked for; views say more about a scene."""

    def __init__(self, scenes: Scenes) -> None:
        self.scenes = scenes
        self.name = SCENES
        self.split = scenes.split
        numbers = np.arange(len(scenes))
        self.index = SampleIndex(image=numbers, entry=numbers)
        self.identity = [SCENES, SCENES_VERSION, self.split, repr(scenes.knobs), scenes.seed, len(self)]

    def image(self, number: int) -> AnnotatedImage:
        """Render a scene."""
        if not 0 <= number < len(self):
            raise IndexError(f"number must be within {len(self)} scenes, got {number}")
        scene = self.scenes[number]
        reference = Reference(
            sample=number,
            ref_id=number,
            sentence=scene.sentence,
            kind=scene.kind,
            targets=scene.targets,
            visible=scene.visibility if scene.targets else None,
        )
        return AnnotatedImage(
            name=f"{self.split}/{number}",
            picture_id=number,
            image=scene.image,
            objects=tuple(AnnotatedObject(each.category, each.mask) for each in scene.objects),
            references=(reference,),
        )

    def view(self, samples: Sequence[int], longest: int | None = None, *, sentences: int = 0) -> View:
        """Return a scene with that many distinct sentences, if so many can be made of it."""
        (number,) = samples
        scene = self.scenes.scene(number, max(1, sentences))
        masks = {each.targets: scene.mask(each) for each in scene.expressions}
        return View.of(
            scene.image,
            [each.sentence for each in scene.expressions],
            [each.targets for each in scene.expressions],
            masks.__getitem__,
        )
