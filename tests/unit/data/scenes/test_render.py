import collections

import numpy as np

from cris.data.scenes import Scenes
from cris.data.scenes.draws import Draws
from cris.data.scenes.ground import PATTERNS, draw_ground
from cris.data.scenes.render import RGB, draw_light


def nearest_colour(pixels):
    names = list(RGB)
    distances = [np.abs(pixels - np.array(RGB[name])).sum() for name in names]
    return names[int(np.argmin(distances))]


def test_plain_objects_show_their_colour():
    scenes, right, total = Scenes("test"), 0, 0
    for index in range(50):
        scene = scenes.scene(index, 1)
        for thing in scene.objects:
            if thing.texture == "plain":
                total += 1
                right += nearest_colour(np.median(scene.image[thing.mask], axis=0)) == thing.colour
    assert total > 60
    assert right / total > 0.97


def test_textured_objects_are_less_even_than_plain_ones():
    scenes, spread = Scenes("test"), collections.defaultdict(list)
    for index in range(40):
        scene = scenes.scene(index, 1)
        for thing in scene.objects:
            spread[thing.texture].append(scene.image[thing.mask].astype(float).std(axis=0).max())
    plain = np.median(spread.pop("plain"))
    assert all(np.median(values) > 1.3 * plain for values in spread.values())


def test_shadows_fall_away_from_the_light():
    for index in range(20):
        light = draw_light(Draws("light", index))
        assert light.y < 0
        assert 0.99 < light.x**2 + light.y**2 < 1.01


def test_grounds_are_muted_and_of_several_patterns():
    assert len(PATTERNS) >= 4
    means = []
    for index in range(60):
        ground = draw_ground(160, Draws("ground", index), "ground", index)
        assert ground.shape == (3, 160, 160)
        assert ground.min() > 20
        assert ground.max() < 255
        mean = ground.mean(axis=(1, 2))
        assert mean.max() - mean.min() < 70
        means.append(mean)
    assert np.std(means, axis=0).min() > 10


def test_images_hold_sensor_noise():
    image = Scenes("val")[0].image.astype(int)
    assert np.abs(np.diff(image, axis=1)).mean() > 1
