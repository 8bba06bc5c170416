"""Photographs and scenes come as the same samples and batches, whoever makes them and from wherever."""

import hashlib
import multiprocessing
import subprocess
import sys
from dataclasses import replace
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from pycocotools.coco import COCO
from torch.utils.data import DataLoader

from cris.data.loading.loader import Loader, Prepare, grid_mask
from cris.data.loading.resample import quick_square
from cris.data.loading.sampling import Stream
from cris.data.loading.transforms import ColourJitter, CropAroundTargets, HorizontalFlip
from cris.data.rendered import SceneDataset
from cris.data.scenes import Scenes
from cris.data.store.decode import decode_image
from cris.data.stored import StoredSplit
from cris.errors import InputError
from cris.image import read_image
from cris.letterbox import Letterbox, normalise
from cris.model.config import InferenceConfig
from cris.model.tokenizer import Tokenizer
from cris.training.loss import grid_target, text_to_pixel_loss
from tests.fixtures.real import SENTENCES_EACH, write_real
from tests.fixtures.small import small_cris
from tests.fixtures.stored import record, write

ROOT = Path(__file__).resolve().parents[2]
SIZE, LENGTH = 96, 17
ALL = (CropAroundTargets(), HorizontalFlip(), ColourJitter())


@pytest.fixture(scope="module")
def real(shared_real, tmp_path_factory):
    return StoredSplit(write_real(shared_real, tmp_path_factory.mktemp("data") / "real"), "train")


def loader(dataset, workers=0, transforms=ALL, sentences=2, tokenizer=None, **options):
    inference = InferenceConfig(input_size=SIZE, sentence_length=LENGTH)
    prepare = Prepare(tokenizer=tokenizer or Tokenizer(), inference=inference, transforms=transforms)
    stream = Stream(dataset.index, "k sentences per picture", sentences=sentences, seed=3)
    return Loader(dataset, stream, prepare, groups=4, workers=workers, **options)


def digests(batches):
    return [
        hashlib.sha256(
            b"".join(part.contiguous().numpy().tobytes() for part in vars(batch).values())
        ).hexdigest()
        for batch in batches
    ]


def test_samples_are_as_the_source_has_them(shared_real, real):
    coco = COCO(shared_real / "instances.json")
    for place in range(0, len(real), 400):
        sample = real[place]
        file = shared_real / "images" / coco.imgs[sample.picture_id]["file_name"]
        np.testing.assert_array_equal(sample.image, read_image(file))
        np.testing.assert_array_equal(sample.mask, coco.annToMask(coco.anns[sample.ref_id]).astype(bool))
    assert len(real) == SENTENCES_EACH * len(np.unique(real.index.entry))
    assert real[-1].sentence == real[len(real) - 1].sentence
    with pytest.raises(IndexError, match="got -"):
        real[-len(real) - 1]


def test_scenes_are_samples_as_any_other():
    scenes = Scenes("val", size=64)
    ours, theirs = SceneDataset(scenes)[-1], scenes[-1]
    assert ours.sentence == theirs.sentence
    assert ours.picture_id == len(scenes) - 1
    np.testing.assert_array_equal(ours.mask, theirs.mask)


def test_a_batch_holds_each_image_once_with_its_own_sentences_and_masks(real):
    batch = next(iter(loader(real, transforms=())))
    assert batch.image_index.tolist() == [0, 0, 1, 1, 2, 2, 3, 3]
    samples = [real[sample] for sample in batch.samples.tolist()]
    for row, sample in enumerate(samples):
        stored, place = real.rows()[int(real.index.image[batch.samples[row]])]
        decoded, _ = decode_image(stored.image(place).image, SIZE)
        image = batch.images[batch.image_index[row]].permute(1, 2, 0).numpy()
        np.testing.assert_array_equal(image, quick_square(decoded, Letterbox(*decoded.shape[:2], SIZE)))
        letterbox = Letterbox(*sample.image.shape[:2], SIZE)
        assert letterbox.cells == Letterbox(*decoded.shape[:2], SIZE).cells
        plain = torch.from_numpy(letterbox.apply_mask(sample.mask))[None, None]
        torch.testing.assert_close(
            batch.masks[row][None], grid_target(plain, (24, 24), "area"), atol=0.15, rtol=0
        )
    assert torch.equal(batch.tokens, Tokenizer()([sample.sentence for sample in samples], LENGTH))
    images = batch.images.permute(0, 2, 3, 1).contiguous().numpy()
    np.testing.assert_array_equal(batch.inputs().numpy(), normalise(images))
    assert batch.inputs().is_contiguous(memory_format=torch.channels_last)


def test_workers_and_processes_change_nothing(real):
    straight = list(islice(loader(real), 3))
    assert digests(islice(loader(real, workers=2), 3)) == digests(straight)
    halves = [list(islice(loader(real, rank=rank, processes=2), 3)) for rank in range(2)]
    for batch, *parts in zip(straight, *halves, strict=True):
        assert torch.equal(batch.images, torch.cat([part.images for part in parts]))
        assert torch.equal(batch.samples, torch.cat([part.samples for part in parts]))


def test_a_saved_position_goes_on_with_the_very_next_batch(real):
    straight = digests(islice(loader(real), 5))
    stopped, seen = loader(real, workers=2), []
    for batch in stopped:  # the workers have read ahead by now
        seen.append(batch)
        if len(seen) == 2:
            break
    resumed = loader(real)
    resumed.load_state_dict(stopped.state_dict())
    assert digests(seen) + digests(islice(resumed, 3)) == straight


def test_a_position_in_other_data_is_refused(real):
    state = loader(real).state_dict()
    with pytest.raises(ValueError, match="cannot be used"):
        loader(real, sentences=3).load_state_dict(state)
    with pytest.raises(ValueError, match="over 3 processes, got 4"):
        loader(real, processes=3)


def test_views_of_one_image_differ_from_epoch_to_epoch(real):
    stream = loader(real)
    views = stream.views
    group = stream.stream.group(0)
    again = type(group)(group.position + stream.stream.groups_per_epoch, group.samples)
    images = [views[each].prepared.image for each in (group, group, again)]
    assert np.array_equal(images[0], images[1])
    assert not np.array_equal(images[0], images[2])


@pytest.fixture(scope="module")
def partly_damaged(tmp_path_factory):
    """Eight images, one of which is no image, one cut off, and one with a mask that is none."""
    made = [record(number) for number in range(8)]
    made[2] = replace(made[2], image=b"no image at all")
    made[5] = replace(made[5], image=made[5].image[:200])
    broken = ({**each.rle, "counts": "no runs"} for each in made[7].objects)
    made[7] = replace(
        made[7],
        objects=tuple(replace(each, rle=rle) for each, rle in zip(made[7].objects, broken, strict=True)),
    )
    folder = tmp_path_factory.mktemp("damaged") / "set"
    write(folder, made)
    return StoredSplit(folder, "train")


@pytest.mark.parametrize("workers", [0, 2])
def test_images_that_cannot_be_decoded_are_passed_over_and_told_of_once(partly_damaged, workers):
    made = loader(partly_damaged, workers)
    with pytest.warns(UserWarning, match="passed over in training") as told:
        batches = list(islice(made, 6))
    damaged = {"street-2.png", "street-5.png", "street-7.png"}
    assert len(told) == len(made.damaged) == 3
    assert {name for name in damaged for warning in told if name in str(warning.message)} == damaged
    assert {len(batch.images) for batch in batches} == {4}
    seen = partly_damaged.index.image[torch.cat([batch.samples for batch in batches]).numpy()]
    assert set(seen.tolist()) == {0, 1, 3, 4, 6}


@pytest.mark.filterwarnings("ignore:passed over")
def test_what_takes_a_damaged_image_s_place_follows_from_the_position(partly_damaged):
    straight = digests(islice(loader(partly_damaged), 5))
    assert digests(islice(loader(partly_damaged, workers=2), 5)) == straight
    resumed = loader(partly_damaged)
    resumed.load_state_dict({**resumed.state_dict(), "position": 8})
    assert digests(islice(resumed, 3)) == straight[2:]
    parts = [list(islice(loader(partly_damaged, rank=rank, processes=2), 3)) for rank in range(2)]
    for batch, *halves in zip(islice(loader(partly_damaged), 3), *parts, strict=True):
        assert torch.equal(batch.images, torch.cat([half.images for half in halves]))


def test_a_data_set_without_one_image_that_decodes_ends_in_one_line(tmp_path):
    write(tmp_path / "set", [replace(record(0), image=b"none")])
    with pytest.raises(InputError, match=r"32 images .* street-0\.png: .*; cris data check lists"):
        next(iter(loader(StoredSplit(tmp_path / "set", "train"))))


@pytest.mark.parametrize("workers", [0, 1])
def test_what_is_wrong_of_the_data_set_is_the_same_one_line_from_a_worker(workers, monkeypatch):
    def view(self, samples, longest=None, *, sentences=0):
        raise InputError("a shard is missing")

    monkeypatch.setattr(SceneDataset, "view", view)
    scenes = SceneDataset(Scenes(split="val"))
    with pytest.raises(InputError, match=r"^a shard is missing$"):
        next(iter(loader(scenes, workers)))


@pytest.mark.parametrize("has_bug", [False, True])
def test_workers_end_with_the_batches_even_where_a_traceback_is_kept(has_bug, monkeypatch):
    def view(self, samples, longest=None, *, sentences=0):
        raise RuntimeError("a bug")

    if has_bug:
        monkeypatch.setattr(SceneDataset, "view", view)
    batches = iter(loader(SceneDataset(Scenes(split="val")), workers=2, sentences=1))
    kept = None
    try:
        next(batches)
        assert len(multiprocessing.active_children()) == 2
        batches.close()
    except RuntimeError as error:
        kept = error
    assert (kept is not None) == has_bug
    assert not multiprocessing.active_children()


@pytest.mark.parametrize("error", [RuntimeError("unable to allocate shared memory(shm)"), OSError(24, "fds")])
def test_where_shared_memory_is_full_batches_come_through_a_pipe(real, monkeypatch, error):
    def share_memory_(self):
        raise error

    straight = digests(islice(loader(real), 3))
    monkeypatch.setattr(torch.Tensor, "share_memory_", share_memory_)
    with pytest.warns(UserWarning, match="no room in shared memory.* through pipes") as told:
        assert digests(islice(loader(real, workers=2), 3)) == straight
    assert len(told) == 1


def test_a_batch_larger_than_shared_memory_does_not_hang(tmp_path):
    code = """
import sys
from itertools import islice
sys.path.insert(0, sys.argv[1])
from tests.integration.test_loader import SIZE, loader
from cris.data.rendered import SceneDataset
from cris.data.scenes import Scenes
made = loader(SceneDataset(Scenes(split="val")), workers=1)
print(sum(batch.images.nbytes for batch in islice(made, 3)), 3 * 4 * 3 * SIZE**2)
"""
    mounted = 'mount -t tmpfs -o size=64k tmpfs /dev/shm || exit 99; exec "$@"'
    command = ["unshare", "-m", "sh", "-c", mounted, "sh", sys.executable, "-c", code, str(ROOT)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    except FileNotFoundError:
        pytest.skip("needs unshare")
    if done.returncode in (1, 99) and "Traceback" not in done.stderr:
        pytest.skip("may not mount")
    assert done.returncode == 0, done.stderr
    got, expected = done.stdout.split()
    assert got == expected
    assert "no room in shared memory" in done.stderr


def test_workers_that_cannot_be_started_are_told_of(real, monkeypatch):
    def start(self):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(DataLoader, "__iter__", start)
    with pytest.raises(InputError, match=r"2 workers cannot be started: .* pass --sampling\.workers 0"):
        next(iter(loader(real, workers=2)))


SHAPES = pytest.mark.parametrize("shape", [(20, 30), (150, 90), (120, 207)])


def some_mask(shape):
    mask = np.zeros(shape, dtype=bool)
    mask[shape[0] // 4 : shape[0] // 2, shape[1] // 3 :] = True
    return mask


@pytest.mark.parametrize(
    ("protocol", "target"), [("default", "nearest"), ("released", "nearest"), ("released", "area")]
)
@SHAPES
def test_masks_on_the_grid_are_what_the_loss_would_make_of_them(protocol, target, shape):
    mask = some_mask(shape)
    plain = torch.from_numpy(Letterbox(*shape, SIZE, protocol).apply_mask(mask))[None, None]
    ours = torch.from_numpy(grid_mask(mask, SIZE, protocol, target))
    torch.testing.assert_close(ours, grid_target(plain, (24, 24), target)[0, 0], atol=1e-6, rtol=0)


@SHAPES
def test_anti_aliased_masks_are_the_exact_share_of_each_cell(shape):
    mask, cells = some_mask(shape), Letterbox(*shape, SIZE).cells
    rows, columns = (part.stop - part.start for part in cells)
    fine = np.repeat(np.repeat(mask, rows, axis=0), columns, axis=1)
    expected = np.zeros((24, 24), dtype=np.float32)
    expected[cells] = fine.reshape(rows, shape[0], columns, shape[1]).mean(axis=(1, 3))
    np.testing.assert_allclose(grid_mask(mask, SIZE, "default", "area"), expected, atol=1e-5)


def test_reduced_decoding_looks_like_the_whole_image_shrunk(shared_real):
    photograph = cv2.imread(str(min((shared_real / "images").iterdir())))[:416, :416]
    data = cv2.imencode(".jpg", photograph)[1]
    whole, one = decode_image(data.tobytes())
    half, two = decode_image(data.tobytes(), 208)
    assert (one, two) == (1, 2)
    ours, halved = (Letterbox(*image.shape[:2], SIZE).apply(image).astype(int) for image in (whole, half))
    aliased = Letterbox(*whole.shape[:2], SIZE, "released").apply(whole).astype(int)
    assert np.abs(ours - halved).mean() < 0.2 * np.abs(ours - aliased).mean()
    assert decode_image(data.tobytes(), 209)[1] == 1


def test_one_training_step_on_real_photographs_lowers_the_loss(real):
    batch = next(iter(loader(real, tokenizer=Tokenizer().reduced([]))))
    model = small_cris().train()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    losses = []
    for _ in range(2):
        logits = model(batch.inputs(), batch.tokens, batch.image_index).logits
        loss = text_to_pixel_loss(logits, batch.masks, "area")
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[1] < losses[0]
