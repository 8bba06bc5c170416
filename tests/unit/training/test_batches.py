"""Batches of scenes say what the scenes say."""

import numpy as np
import torch

from cris.data.scenes import Scenes, vocabulary
from cris.letterbox import normalise
from cris.model.config import InferenceConfig
from cris.model.tokenizer import Tokenizer
from cris.training.batches import scene_batch


def test_a_batch_holds_each_picture_once_and_all_its_sentences():
    scenes, tokenizer = Scenes("val", size=96), Tokenizer().reduced(sorted(vocabulary()))
    inference = InferenceConfig(input_size=96, sentence_length=24)
    batch = scene_batch(scenes, [3, 5], sentences=3, tokenizer=tokenizer, inference=inference)
    pictures = [scenes.scene(index, 3) for index in (3, 5)]
    texts = [expression.sentence for scene in pictures for expression in scene.expressions]
    assert batch.image_index.tolist() == [row for row, one in enumerate(pictures) for _ in one.expressions]
    np.testing.assert_array_equal(batch.images.numpy(), normalise(np.stack([one.image for one in pictures])))
    assert torch.equal(batch.tokens, tokenizer(texts, 24)[:, : batch.tokens.shape[1]])
    assert (batch.tokens[:, -1] == tokenizer.end_id).any()
    np.testing.assert_array_equal(batch.masks[0, 0].numpy() > 0.5, scenes[3].mask)
