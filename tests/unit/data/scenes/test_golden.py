"""Samples of version 1 never change: images, masks and sentences hash to these values on every machine."""

import hashlib

import pytest

from cris.data.scenes import SceneKnobs, Scenes

GOLDEN = {
    "train": "5cd6bcccff794b35b2a05e5c88757113b9e3969e57548d6841975202c09363c2",
    "val": "71defd01b6819380ac3c258151d2d2f51dc8aae0358db36fe63c444a1a5b3c04",
    "test": "3bc7ac6864309f53f3bd538dcdcafdb47299acbb18e98e9fb08df229795aadc7",
}
GOLDEN_KNOBS = "9d423cb8a4328ac36c3ab782272fefe797bfaac905246280a887cbc4a1d78f89"


def fingerprint(scenes, indices):
    digest = hashlib.sha256()
    for index in indices:
        scene = scenes.scene(index, 4)
        digest.update(scene.image.tobytes())
        for expression in scene.expressions:
            told = (expression.sentence, expression.kind, expression.targets, expression.fitting)
            digest.update(repr(told).encode())
            digest.update(scene.mask(expression).tobytes())
    return digest.hexdigest()


@pytest.mark.parametrize("split", ["train", "val", "test"])
def test_standard_splits_hash_to_their_golden_value(split):
    scenes = Scenes(split)
    assert fingerprint(scenes, [*range(36), *range(len(scenes) - 4, len(scenes))]) == GOLDEN[split]


def test_knobs_seeds_and_sizes_hash_to_their_golden_value():
    knobs = SceneKnobs(
        ambiguous=0.2, mislabelled=0.2, no_target=0.2, several_targets=0.2, occluded=(0.2, 1.0)
    )
    assert fingerprint(Scenes("val", seed=3, size=96, knobs=knobs), range(20)) == GOLDEN_KNOBS
