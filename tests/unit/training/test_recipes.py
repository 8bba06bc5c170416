"""Every recipe is complete; `released` is the released code's, and each other differs by named options."""

from dataclasses import replace
from math import isclose

import pytest

from cris.config_file import StoredConfig
from cris.data.scenes import vocabulary
from cris.model.config import InferenceConfig
from cris.model.efficientnet_lite import EfficientNetLite
from cris.model.tokenizer import Tokenizer
from cris.training.config import changed_options, flat, resolved
from cris.training.optim import learning_rate
from cris.training.recipes import (
    RECIPES,
    ablation_rows,
    finetune,
    fixed,
    modern,
    released,
    scenes_tokenizer,
)
from tests.fixtures.small import KINDS

OBJECTS = {
    "refcoco": 42_404,
    "refcoco+": 42_278,
    "refcocog-umd": 42_226,
    "refcocog-google": 44_822,
    "refcoco-union": 100_003,
}
"""Of an epoch; the union's is any number."""


def test_there_is_a_recipe_for_every_data_set_backbone_and_family():
    names = {
        f"{data}-{backbone}-{family}"
        for data in OBJECTS
        for backbone in ("rn50", "rn101")
        for family in ("released", "fixed", "modern")
    }
    names |= {f"{data}-vitb16-{family}" for data in OBJECTS for family in ("fixed", "modern")}
    tiny = {"scenes-tiny-released", "scenes-tiny-fixed", "scenes-tiny-modern"}
    generalised = {"grefcoco-rn50-modern", "grefcoco-rn101-modern"}
    assert RECIPES.keys() == names | tiny | generalised | {"cris-photos", "cris-scenes"}


def test_the_recipes_of_grefcoco_are_modern_and_learn_whether_anything_is_meant():
    config, other = RECIPES["grefcoco-rn101-modern"](), modern("refcocog-umd", "rn101")
    options = changed_options(other, replace(config, recipe=other.recipe))
    assert options == [
        "--model.presence-heads=4",
        "--sampling.no-target-share=0.2",
        "--objectives.peak-weight=0.1",
        "--objectives.presence-weight=0.1",
    ]


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_bears_its_name_and_has_a_length(name: str):
    config = RECIPES[name]()
    assert config.recipe == name
    assert resolved(config, 42_404).length > 0


def test_scenes_are_read_by_clips_tokenizer_reduced_to_their_words():
    assert scenes_tokenizer().pieces == Tokenizer().reduced(sorted(vocabulary())).pieces


@pytest.mark.parametrize("data", OBJECTS)
def test_released_learning_rates_are_the_released_ones_in_every_epoch_and_group(data: str):
    config = resolved(released(data, "rn50"), OBJECTS[data])
    wrong = []
    for step in range(config.length):
        rates = learning_rate(config, step, "backbone"), learning_rate(config, step, "head")
        # where two epochs meet in a step, it has the rates of one of them
        epochs = {1 + sample // OBJECTS[data] for sample in (64 * step, 64 * step + 63)}
        if not any(all(map(isclose, rates, released_rates(epoch))) for epoch in epochs):
            wrong.append((step, epochs, rates))
    assert not wrong
    assert 1 + (64 * (config.length - 1)) // OBJECTS[data] == 50


def released_rates(epoch):
    """Of backbone and head, in an epoch counted from 1."""
    return 1e-4 if epoch == 1 else 1e-5 if epoch <= 35 else 1e-6, 1e-4 if epoch <= 35 else 1e-5


def test_fixed_learning_rates_are_as_meant_from_the_first_step():
    config = resolved(fixed("refcoco", "rn50"), 42_404)
    assert learning_rate(config, 0, "backbone") == pytest.approx(1e-5)
    assert learning_rate(config, 0, "head") == pytest.approx(1e-4)


@pytest.mark.parametrize("backbone", ["rn50", "rn101"])
@pytest.mark.parametrize("data", OBJECTS)
def test_fixed_differs_from_released_by_an_option_for_each_defect(data: str, backbone: str):
    theirs, ours = flat(released(data, backbone)), flat(fixed(data, backbone))
    differing = {name: (theirs[name], ours[name]) for name in theirs if theirs[name] != ours[name]}
    del differing["recipe"]
    assert differing == {
        "optimizer.full_backbone_share": (0.02, 0.0),
        "optimizer.positions": ("head", "backbone"),
        "objectives.target": ("nearest", "area"),
        "objectives.padding": ("counted", "ignored"),
        "validation.sentences": ("first", "all"),
    }


def test_released_is_the_released_codes():
    config = flat(released("refcocog-umd", "rn101"))
    expected = {
        "start": "RN101",
        "epochs": 50,
        "precision": "fp16",
        "ema_decay": 0.0,
        "model.padding": "zero_id",
        "model.image.layers": (3, 4, 23, 3),
        "model.decoder.layers": 3,
        "model.projector.kernel_size": 3,
        "inference.input_size": 416,
        "inference.sentence_length": 22,
        "inference.threshold": 0.35,
        "inference.protocol": "released",
        "sampling.rule": "one sentence per object",
        "sampling.pictures": 64,
        "sampling.flip_probability": 0.0,
        "sampling.smallest_crop": 1.0,
        "objectives.dice_weight": 0.0,
        "objectives.consistency_weight": 0.0,
        "optimizer.name": "adam",
        "optimizer.weight_decay": 0.0,
        "optimizer.gradient_clip": 0.0,
        "validation.choose_threshold": False,
    }
    assert {name: config[name] for name in expected} == expected


@pytest.mark.parametrize(
    ("data", "length"), [("refcoco", 17), ("refcoco+", 17), ("refcocog-umd", 22), ("refcocog-google", 22)]
)
def test_sentences_have_the_released_lengths(data: str, length: int):
    assert released(data, "rn50").inference.sentence_length == length


def sentences(config):
    return config.sampling.pictures * config.sampling.sentences


def test_modern_sees_as_many_sentences_a_step():
    assert sentences(modern("refcoco", "rn50")) == sentences(released("refcoco", "rn50"))


def test_the_small_recipes_have_one_model_and_one_number_of_sentences():
    configs = [RECIPES[f"scenes-tiny-{family}"]() for family in ("released", "fixed", "modern")]
    assert len({sentences(config) * config.length for config in configs}) == 1
    assert len({replace(config.model, padding="after_end") for config in configs}) == 1
    assert len({config.inference.input_size for config in configs}) == 1


def test_the_ablation_has_the_papers_seven_rows():
    rows = ablation_rows(fixed("refcoco", "rn50"))
    made = [(row.model.projector.head, row.model.decoder.layers) for row in rows.values()]
    assert made == [
        ("classifier", 0),
        ("contrastive", 0),
        ("classifier", 1),
        ("contrastive", 1),
        ("contrastive", 2),
        ("contrastive", 3),
        ("contrastive", 4),
    ]
    assert len({row.recipe for row in rows.values()}) == 7


@pytest.mark.parametrize("family", ["fixed", "modern"])
def test_vision_transformers_have_the_recipes_of_resnets_but_for_the_encoder_and_layer_decay(family: str):
    theirs, ours = (flat(RECIPES[f"refcoco-{name}-{family}"]()) for name in ("rn50", "vitb16"))
    differing = {name for name in theirs | ours if theirs.get(name) != ours.get(name)}
    assert {name for name in differing if not name.startswith("model.")} == {
        *("recipe", "start", "optimizer.layer_decay")
    }
    assert (ours["start"], ours["optimizer.layer_decay"]) == ("ViT-B-16", 0.8)


def test_finetuning_spares_a_vision_transformer():
    config = finetune(StoredConfig(model=KINDS["vit"], inference=InferenceConfig(input_size=64)))
    assert (config.optimizer.backbone_factor, config.optimizer.layer_decay) == (0.1, 0.8)
    assert config.optimizer.frozen_image_blocks == 0


@pytest.mark.parametrize("kind", ["clip", "lite"])
def test_finetuning_keeps_encoders_that_know_much(kind: str):
    inference = InferenceConfig(input_size=64, sentence_length=16, threshold=0.4, peak_threshold=0.7)
    config = finetune(StoredConfig(model=KINDS[kind], inference=inference))
    assert config.model == KINDS[kind]
    assert config.inference == replace(inference, peak_threshold=0.0)
    kept = config.freeze_encoder_norms, config.optimizer.freeze_text, config.optimizer.backbone_factor
    assert kept == ((True, True, 0.1) if kind == "lite" else (False, False, 1.0))
    assert config.optimizer.frozen_image_blocks == KINDS[kind].image.frozen_when_finetuned
    assert (config.optimizer.frozen_image_blocks > 0) == (kind == "lite")


def test_late_blocks_of_the_default_models_image_encoder_learn():
    config = RECIPES["cris-photos"]()
    blocks = EfficientNetLite(config.model.image, config.model.joint_dim).blocks
    assert 0 < config.optimizer.frozen_image_blocks < len(blocks) == 23
