"""What is hidden, and what never is."""

import math

import pytest
import torch

from cris.data.loading.loader import Batch
from cris.model.config import BertTextConfig, ClipTextConfig
from cris.model.tokenizer import Tokenizer
from cris.training.config import ObjectivesConfig
from cris.training.masking import (
    HIDDEN_COLOUR,
    hidden_patches,
    hide_patches,
    hide_words,
    mask_batch,
)
from tests.fixtures.small import random_tokens
from tests.fixtures.wordpieces import PIECES

HIDDEN_WORD = 265


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def test_the_hidden_word_is_an_asterisk_in_every_vocabulary_of_clips_kind():
    for tokenizer in (Tokenizer(), Tokenizer().reduced(["the red ball"]), Tokenizer().reduced([])):
        hidden_word = ClipTextConfig(vocabulary=tokenizer.vocab_size).hidden_word
        assert tokenizer(["*"]).tolist()[0][1] == hidden_word


def test_the_hidden_word_is_berts_mask_in_every_vocabulary_of_its_kind():
    whole = Tokenizer.from_word_pieces(PIECES)
    for tokenizer in (whole, whole.reduced(["the red dog"]), whole.reduced([])):
        hidden_word = BertTextConfig(vocabulary=tokenizer.vocab_size).hidden_word
        assert tokenizer.pieces[hidden_word] == "[MASK]"
        assert hidden_word not in tokenizer(["the [MASK] dog"]).tolist()[0]


@pytest.mark.parametrize("share", [0.0, 0.3, 0.75, 1.0])
def test_of_each_image_the_same_number_of_patches_is_hidden(share):
    hidden = hidden_patches(50, (3, 5), share, seeded())
    assert hidden.sum(dim=(1, 2)).tolist() == [math.floor(share * 15)] * 50


def test_every_patch_is_hidden_equally_often():
    often = hidden_patches(4000, (2, 3), 0.5, seeded()).float().mean(dim=0)
    assert (often - 0.5).abs().max() < 0.04  # five standard deviations


@pytest.mark.parametrize(("height", "width"), [(64, 96), (96, 160)], ids=["whole patches", "cut patches"])
def test_hidden_patches_get_the_mean_colour_and_others_stay(height, width):
    images = torch.randint(256, (2, 3, height, width), dtype=torch.uint8)
    patch = 64 if height % 64 else 32
    rows, columns = math.ceil(height / patch), math.ceil(width / patch)
    hidden = torch.rand(2, rows, columns, generator=seeded()) < 0.5
    found = hide_patches(images, hidden, patch)
    for image in range(2):
        for y in range(height):
            for x in range(0, width, 7):
                is_hidden = hidden[image, y // patch, x // patch]
                expected = HIDDEN_COLOUR if is_hidden else tuple(images[image, :, y, x].tolist())
                assert tuple(found[image, :, y, x].tolist()) == expected


def test_start_end_and_padding_are_never_hidden():
    tokens = random_tokens([3, 6], 10)
    hidden = hide_words(
        tokens, torch.ones_like(tokens, dtype=torch.bool).index_fill(1, torch.tensor(1), False), HIDDEN_WORD
    )
    assert hidden[0].tolist() == [598, tokens[0, 1].item(), *[HIDDEN_WORD] * 2, 599, *[0] * 5]
    assert hidden[1].tolist() == [598, tokens[1, 1].item(), *[HIDDEN_WORD] * 5, 599, *[0] * 2]
    assert hidden.argmax(dim=1).tolist() == tokens.argmax(dim=1).tolist()


def test_a_sentence_that_would_lose_every_word_stays_whole():
    tokens = random_tokens([1, 2, 8], 10)
    assert hide_words(tokens, torch.ones_like(tokens, dtype=torch.bool), HIDDEN_WORD).equal(tokens)


@pytest.fixture
def batch():
    images = torch.randint(256, (4, 3, 96, 96), dtype=torch.uint8, generator=seeded())
    return Batch(
        images=images.contiguous(memory_format=torch.channels_last),
        tokens=random_tokens([5, 6, 7, 8, 8, 8], 12),
        image_index=torch.tensor([0, 1, 2, 3, 3, 3]),
        masks=torch.zeros(6, 1, 24, 24),
        samples=torch.arange(6),
        on_image=torch.ones(4, 24, 24, dtype=torch.bool),
    )


CONFIG = ObjectivesConfig(masked_regions=0.4, masked_words=0.3, masked_patch=32)


def test_a_batch_is_masked_as_its_generator_decides_and_stays_as_it_is(batch):
    before = batch.images.clone(), batch.tokens.clone()
    first, again, other = (mask_batch(batch, CONFIG, HIDDEN_WORD, seeded(seed)) for seed in (0, 0, 1))
    assert first.images.equal(again.images)
    assert first.tokens.equal(again.tokens)
    assert not first.images.equal(other.images)
    assert not first.tokens.equal(other.tokens)
    assert batch.images.equal(before[0])
    assert batch.tokens.equal(before[1])
    assert first.images.is_contiguous(memory_format=torch.channels_last)
    changed = (first.images != batch.images).any(dim=1).float().mean(dim=(1, 2))
    assert changed.tolist() == pytest.approx([3 / 9] * 4, abs=0.01)  # a pixel may have the mean colour itself


def test_without_shares_nothing_is_hidden(batch):
    masked = mask_batch(batch, ObjectivesConfig(masked_regions=0.0, masked_words=0.0), HIDDEN_WORD, seeded())
    assert masked.images is batch.images
    assert masked.tokens is batch.tokens
