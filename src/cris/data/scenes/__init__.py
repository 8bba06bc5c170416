"""Scenes: rendered images with referring expressions and exact masks, made from an index and a seed."""

from cris.data.scenes.grammar import KINDS
from cris.data.scenes.records import Scene, SceneExpression, SceneKnobs, SceneObject, SceneSample
from cris.data.scenes.samples import SCENES_VERSION, Scenes
from cris.data.scenes.words import vocabulary

__all__ = [
    "KINDS",
    "SCENES_VERSION",
    "Scene",
    "SceneExpression",
    "SceneKnobs",
    "SceneObject",
    "SceneSample",
    "Scenes",
    "vocabulary",
]
