"""Which weights learn how fast."""

from dataclasses import replace

import pytest

from cris.errors import InputError
from cris.training.config import OptimizerConfig, ScheduleConfig
from cris.training.optim import build_optimizer, freeze_encoders, learning_rate, parameter_groups
from cris.training.recipes import cris_scenes
from tests.fixtures.small import KINDS, small_cris
from tests.fixtures.training import trainer_of

CONFIG = replace(
    cris_scenes(),
    steps=100,
    optimizer=OptimizerConfig(learning_rate=1.0, backbone_factor=0.1),
    schedule=ScheduleConfig(warmup_steps=10, decay_share=0.4),
)


@pytest.mark.parametrize(
    ("step", "rate"), [(0, 0.1), (4, 0.5), (9, 1.0), (60, 1.0), (80, 0.5), (100, 0.0), (200, 0.0)]
)
def test_a_cosine_rises_stays_and_falls_to_nothing(step: int, rate: float):
    assert learning_rate(CONFIG, step, "head") == pytest.approx(rate, abs=1e-9)
    assert learning_rate(CONFIG, step, "backbone") == pytest.approx(0.1 * rate, abs=1e-9)


@pytest.mark.parametrize(("step", "rate"), [(0, 1.0), (29, 1.0), (30, 0.5), (69, 0.5), (70, 0.25)])
def test_milestones_lower_the_rate_from_their_step_on(step: int, rate: float):
    schedule = ScheduleConfig(decay="milestones", milestones=(0.3, 0.7), milestone_factor=0.5)
    assert learning_rate(replace(CONFIG, schedule=schedule), step, "head") == rate


def test_a_run_may_begin_in_the_middle_of_the_schedule():
    begun = replace(CONFIG, schedule=replace(CONFIG.schedule, begin_share=0.8))
    assert learning_rate(begun, 0, "head") == pytest.approx(learning_rate(CONFIG, 80, "head"))
    assert learning_rate(begun, 50, "head") == pytest.approx(learning_rate(CONFIG, 90, "head"))


def test_a_schedule_without_decay_stays():
    level = replace(CONFIG, schedule=ScheduleConfig(decay_share=0.0))
    assert learning_rate(level, 99, "head") == 1.0


def groups_of(config: OptimizerConfig):
    model = small_cris()
    names = {parameter: name for name, parameter in model.named_parameters()}
    groups = parameter_groups(model, config)
    assert sum(len(group["params"]) for group in groups) == len(names)
    return {
        names[parameter]: (group["part"], group["weight_decay"])
        for group in groups
        for parameter in group["params"]
    }


@pytest.mark.parametrize("positions", ["head", "backbone"])
def test_the_backbone_is_clips_two_encoders_and_positions_go_where_they_are_sent(positions):
    parts = groups_of(OptimizerConfig(positions=positions))
    assert parts.pop("text_encoder.positions")[0] == positions
    assert parts.pop("image_encoder.attention_pool.positions")[0] == positions
    for name, (part, _) in parts.items():
        assert part == ("backbone" if name.split(".")[0] in ("image_encoder", "text_encoder") else "head")


def test_weights_decay_and_vectors_do_not():
    parts = groups_of(OptimizerConfig(weight_decay=0.1))
    assert parts["neck.sentence.weight"][1] == 0.1
    assert parts["neck.sentence_norm.weight"][1] == 0.0
    assert parts["projector.text.bias"][1] == 0.0


def test_layer_decay_slows_each_block_of_the_image_encoder_more_the_earlier_it_is():
    model = small_cris(KINDS["vit"])
    config = replace(CONFIG.optimizer, layer_decay=0.5, positions="head")
    trainer = trainer_of(replace(CONFIG, model=KINDS["vit"], optimizer=config), model)
    rates = trainer.set_learning_rates()
    assert rates["learning_rate_backbone"] == pytest.approx(0.1 * rates["learning_rate_head"])
    found = {each: group["lr"] for group in trainer.optimizer.param_groups for each in group["params"]}
    blocks = model.image_encoder.blocks
    for index, block in enumerate(blocks):
        for name, each in block.named_parameters():
            part, factor = ("head", 1) if name == "positions" else ("backbone", 0.5 ** (3 - index))
            assert found[each] == pytest.approx(factor * rates[f"learning_rate_{part}"]), name
    rest = [each for name, each in model.named_parameters() if name.startswith("neck.")]
    assert {found[each] for each in rest} == {rates["learning_rate_head"]}
    texts = {found[each] for each in model.text_encoder.blocks.parameters()}
    assert texts == {rates["learning_rate_backbone"]}


def test_without_layer_decay_groups_are_those_of_parts_and_decay():
    config = OptimizerConfig(weight_decay=0.1)
    groups = parameter_groups(small_cris(KINDS["vit"]), config)
    assert len(groups) == 4
    assert {group["layer_factor"] for group in groups} == {1.0}


@pytest.mark.parametrize("config", KINDS.values(), ids=KINDS)
def test_frozen_blocks_and_text_are_in_no_group(config):
    model = small_cris(config)
    optimizer = OptimizerConfig(frozen_image_blocks=2, freeze_text=True)
    freeze_encoders(model, optimizer)
    learning = {id(each) for group in parameter_groups(model, optimizer) for each in group["params"]}
    frozen = {id(each) for block in model.image_encoder.blocks[:2] for each in block.parameters()}
    frozen |= {id(each) for each in model.text_encoder.parameters()}
    assert len(frozen) > 20
    assert learning == {id(each) for each in model.parameters()} - frozen


def test_nothing_is_frozen_unless_asked():
    model = small_cris()
    freeze_encoders(model, OptimizerConfig())
    assert all(parameter.requires_grad for parameter in model.parameters())


def test_parts_that_are_named_learn_alone_and_frozen_text_stays_frozen():
    model = small_cris()
    freeze_encoders(model, OptimizerConfig(parts=("neck", "text_encoder"), freeze_text=True))
    learning = {name.split(".")[0] for name, each in model.named_parameters() if each.requires_grad}
    assert learning == {"neck"}


def test_parts_that_the_model_lacks_and_nothing_that_learns_are_refused():
    with pytest.raises(InputError, match=r"must be of this model's image_encoder, .*, got 'presense'"):
        freeze_encoders(small_cris(), OptimizerConfig(parts=("presense",)))
    model = small_cris().requires_grad_(requires_grad=False)
    with pytest.raises(InputError, match="something must learn"):
        build_optimizer(model, CONFIG)


def test_more_frozen_blocks_than_there_are_freeze_the_whole_image_encoder():
    model = small_cris()
    freeze_encoders(model, OptimizerConfig(frozen_image_blocks=1000))
    assert not any(parameter.requires_grad for parameter in model.image_encoder.parameters())
    assert all(parameter.requires_grad for parameter in model.neck.parameters())


@pytest.mark.parametrize("name", ["adam", "adamw"])
def test_the_optimizer_is_the_one_that_is_named(name):
    config = replace(CONFIG, optimizer=replace(CONFIG.optimizer, name=name))
    assert type(build_optimizer(small_cris(), config)).__name__.lower() == name
