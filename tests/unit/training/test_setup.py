"""What a run is given, and what it refuses."""

import hashlib
from collections.abc import Iterable
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch

from cris.checkpoint import save_checkpoint
from cris.data.loading.loader import Batch, Loader
from cris.data.loading.transforms import ColourJitter, CropAroundTargets, HorizontalFlip
from cris.errors import InputError
from cris.model.build import build_cris
from cris.training.config import SamplingConfig, TrainConfig
from cris.training.recipes import RECIPES, cris_scenes
from cris.training.setup import (
    build_loader,
    build_model,
    build_stream,
    choose_tokenizer,
    find_initial_weights,
    gather_setup,
)
from tests.fixtures.photographs import Disc, photograph, plain_photographs
from tests.fixtures.stored import records, write

CONFIG = cris_scenes()


def test_fresh_weights_follow_from_the_seed() -> None:
    first, again = build_model(CONFIG, None), build_model(CONFIG, None)
    other = build_model(replace(CONFIG, seed=1), None)
    assert first.neck.sentence.weight.equal(again.neck.sentence.weight)
    assert not first.neck.sentence.weight.equal(other.neck.sentence.weight)


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """The folder of a run of cris-scenes."""
    torch.manual_seed(3)
    tokenizer = gather_setup(["scenes"], CONFIG, None).tokenizer
    last = tmp_path / "run/checkpoints/last"
    save_checkpoint(last, build_cris(CONFIG.model), tokenizer, CONFIG.inference, card="")
    return tmp_path / "run"


def test_a_run_or_its_checkpoint_can_be_begun_with(run: Path) -> None:
    by_run, by_checkpoint = (
        find_initial_weights(str(run)),
        find_initial_weights(str(run / "checkpoints/last")),
    )
    assert by_run.fingerprint == by_checkpoint.fingerprint
    assert by_run.checkpoint is not None
    model = build_model(CONFIG, by_run)
    assert model.neck.sentence.weight.equal(by_run.checkpoint.model.neck.sentence.weight)


def test_other_dropout_is_no_other_size_and_another_width_is(run: Path) -> None:
    decoder = replace(CONFIG.model.decoder, dropout=0.3)
    build_model(replace(CONFIG, model=replace(CONFIG.model, decoder=decoder)), find_initial_weights(str(run)))
    wider = replace(CONFIG.model, neck=replace(CONFIG.model.neck, fine=40))
    with pytest.raises(ValueError, match=r"must have the recipe's sizes: neck.fine.*is \[40"):
        build_model(replace(CONFIG, model=wider), find_initial_weights(str(run)))


def test_a_vocabulary_that_no_tokenizer_has_is_refused() -> None:
    text = replace(CONFIG.model.text, vocabulary=1000)
    with pytest.raises(ValueError, match=r"model.text.vocabulary must be the tokenizer's"):
        gather_setup(["scenes"], replace(CONFIG, model=replace(CONFIG.model, text=text)), None)


def test_a_tokenizer_that_is_stored_comes_with_the_initial_weights_alone() -> None:
    config = replace(CONFIG, model=replace(CONFIG.model, tokenizer="stored"))
    own = choose_tokenizer(CONFIG, None)
    assert choose_tokenizer(config, own) is own
    with pytest.raises(InputError, match="stored beside the weights that it begins with: pass --from MODEL"):
        choose_tokenizer(config, None)


def test_recipes_for_photographs_read_clips_whole_vocabulary() -> None:
    setup = gather_setup(["scenes"], RECIPES["refcoco-rn50-fixed"](), None)
    assert setup.tokenizer.vocab_size == 49_408


def test_a_stored_data_set_is_known_by_its_fingerprint(tmp_path: Path) -> None:
    manifest = write(tmp_path / "data", records(4))
    setup = gather_setup([str(tmp_path / "data")], CONFIG, None)
    assert setup.fingerprints == (manifest.fingerprint,)
    assert len(setup.validation) == 4
    elsewhere = replace(CONFIG, validation=replace(CONFIG.validation, data="scenes", split="test"))
    assert len(gather_setup([str(tmp_path / "data")], elsewhere, None).validation) == 2000


def test_scenes_stand_alone(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="scenes stand alone"):
        gather_setup(["scenes", str(tmp_path)], CONFIG, None)


def loader_of(**sampling: object) -> Loader:
    config = replace(CONFIG, accumulation=2, sampling=replace(SamplingConfig(pictures=8), **sampling))
    return build_loader(config, gather_setup(["scenes"], config, None))


def test_a_batch_is_the_part_of_a_step_that_accumulation_leaves() -> None:
    assert loader_of().groups == 4


def test_transforms_are_those_that_are_asked_for() -> None:
    assert list(loader_of().views.prepare.transforms) == []
    asked = loader_of(smallest_crop=0.7, flip_probability=0.5, colour_jitter=0.2).views.prepare.transforms
    assert list(asked) == [CropAroundTargets(0.7), HorizontalFlip(0.5), ColourJitter(0.2, 0.2, 0.2)]


@pytest.mark.parametrize("option", ["collage_share", "repeat_threshold"])
def test_scenes_have_no_photographs_to_cut_out_or_repeat(option: str) -> None:
    config = replace(CONFIG, sampling=replace(CONFIG.sampling, **{option: 0.5}))
    with pytest.raises(ValueError, match=rf"sampling.{option} needs photographs and must be 0 for scenes"):
        gather_setup(["scenes"], config, None)


@pytest.fixture
def photographs(tmp_path: Path) -> str:
    """Six photographs to learn from, and one to look at."""
    write(tmp_path / "photographs", [*plain_photographs(6), photograph(7, [Disc("dog")], split="val")])
    return str(tmp_path / "photographs")


def mixed_loader(photographs: str, **sampling: object) -> Loader:
    chosen = SamplingConfig(pictures=4, sentences=2, collage_share=0.5, smallest_crop=0.7, **sampling)
    config = replace(CONFIG, seed=3, sampling=chosen)
    return build_loader(config, gather_setup([photographs], config, None))


def digests(batches: Iterable[Batch]) -> list[str]:
    return [
        hashlib.sha256(
            b"".join(part.contiguous().numpy().tobytes() for part in vars(batch).values())
        ).hexdigest()
        for batch in batches
    ]


def test_a_run_with_collages_goes_on_exactly_where_it_stopped(photographs: str) -> None:
    straight = list(islice(mixed_loader(photographs), 5))
    first = len(mixed_loader(photographs).stream.index)
    are_collages = torch.cat([batch.samples for batch in straight]) >= first
    assert 5 <= int(are_collages.sum()) <= 35
    stopped, seen = mixed_loader(photographs, workers=2), []
    for batch in stopped:  # the workers have read ahead by now
        seen.append(batch)
        if len(seen) == 2:
            break
    resumed = mixed_loader(photographs)
    resumed.load_state_dict(stopped.state_dict())
    assert digests(seen) + digests(islice(resumed, 3)) == digests(straight)


def test_a_position_with_another_share_of_collages_is_refused(photographs: str) -> None:
    state = mixed_loader(photographs).state_dict()
    other = loader_of(pictures=4, sentences=2)
    assert state["collage_share"] == 0.5
    with pytest.raises(ValueError, match="cannot be used"):
        other.load_state_dict(state)


def test_collages_are_made_of_what_is_learned_from_and_told_in_the_fingerprints(photographs: str) -> None:
    config = replace(CONFIG, sampling=replace(CONFIG.sampling, collage_share=0.1))
    setup = gather_setup([photographs], config, None)
    assert setup.collages is not None
    assert {stored.row(row).picture_id for stored, row in setup.collages.photographs.rows} == {*range(1, 7)}
    plain = gather_setup([photographs], CONFIG, None)
    assert setup.fingerprints == (*plain.fingerprints, "collages 1")


def test_images_of_rare_categories_are_repeated(tmp_path: Path) -> None:
    dogs = [photograph(number, [Disc("dog")]) for number in range(1, 9)]
    cow, held_out = photograph(9, [Disc("cow")]), photograph(10, [Disc("cow")], split="val")
    write(tmp_path / "data", [*dogs, cow, held_out])
    config = replace(CONFIG, sampling=SamplingConfig(repeat_threshold=4 / 9))
    setup = gather_setup([str(tmp_path / "data")], config, None)
    np.testing.assert_array_equal(setup.repeats, 8 * [1] + [2])
    assert build_stream(config, setup).groups_per_epoch == 10
    assert gather_setup([str(tmp_path / "data")], CONFIG, None).repeats is None


@pytest.mark.parametrize("is_apart", [False, True])
def test_a_validation_split_that_no_data_has_is_told_by_its_option(tmp_path: Path, is_apart: bool) -> None:
    folder = str(tmp_path / "made")
    write(Path(folder), records(3))  # all in train
    config = replace(CONFIG, validation=replace(CONFIG.validation, data=folder if is_apart else None))
    sources = ["scenes"] if is_apart else [folder]
    with pytest.raises(
        ValueError, match=r"--validation\.split must be one of train in .*/made, got 'val': add"
    ):
        gather_setup(sources, config, None)


def presence_config(**sampling: object) -> TrainConfig:
    return replace(
        CONFIG,
        model=replace(CONFIG.model, presence_heads=4),
        objectives=replace(CONFIG.objectives, presence_weight=0.1),
        sampling=replace(CONFIG.sampling, **sampling),
    )


def test_presence_is_not_learned_where_every_sentence_means_something(tmp_path: Path) -> None:
    images = [
        replace(each, entries=tuple(entry for entry in each.entries if entry.object_ids))
        for each in records(4)
    ]
    folder = str(tmp_path / "data")
    write(Path(folder), images)
    told = "needs sentences that mean nothing, got none in "
    with pytest.raises(InputError, match=rf"{told}.*/data, train: .*--objectives\.presence-weight 0"):
        gather_setup([folder], presence_config(), None)
    with pytest.raises(InputError, match=rf"{told}scenes, train: pass --sampling\.no-target-share 0\.2"):
        gather_setup(["scenes"], presence_config(), None)
    gather_setup(["scenes"], presence_config(no_target_share=0.2), None)
    gather_setup([folder], CONFIG, None)  # which does not learn it


def test_presence_is_not_learned_where_no_sentence_means_anything(tmp_path: Path) -> None:
    images = [
        replace(each, entries=tuple(entry for entry in each.entries if not entry.object_ids))
        for each in records(4)
    ]
    write(tmp_path / "data", images)
    with pytest.raises(InputError, match="needs sentences that mean something, got only such that mean noth"):
        gather_setup([str(tmp_path / "data")], presence_config(), None)


def test_presence_is_not_learned_where_the_shares_leave_one_kind_of_sentence(tmp_path: Path) -> None:
    folder = str(tmp_path / "data")
    write(Path(folder), records(4))
    gather_setup([folder], presence_config(), None)
    for share in (0.0, 1.0):
        with pytest.raises(InputError, match=r"presence loss needs .*: change --sampling\.no-target-share"):
            gather_setup([folder], presence_config(no_target_share=share), None)


def test_scenes_are_made_with_the_shares_that_are_asked_for() -> None:
    setup = gather_setup(["scenes"], presence_config(no_target_share=0.5, several_targets_share=0.25), None)
    for dataset in (setup.training, setup.validation):
        targets = [len(dataset.image(number).references[0].targets) for number in range(100)]
        assert 35 <= targets.count(0) <= 65
        assert 10 <= sum(target > 1 for target in targets) <= 40
    assert setup.shares is None


def test_stored_sentences_come_in_the_shares_that_are_asked_for(tmp_path: Path) -> None:
    write(tmp_path / "data", records(8))
    config = presence_config(no_target_share=0.5, sentences=4)
    setup = gather_setup([str(tmp_path / "data")], config, None)
    # of two sentences about one object and one about two, half are left
    assert setup.shares == pytest.approx([0.5, 1 / 3, 1 / 6])
    assert build_stream(config, setup).shares is setup.shares
    assert gather_setup([str(tmp_path / "data")], CONFIG, None).shares is None


def test_shares_that_cannot_be_are_refused(tmp_path: Path) -> None:
    write(tmp_path / "data", records(4))
    for no_target, several in ((0.7, 0.6), (0.5, 1.0)):
        config = presence_config(no_target_share=no_target, several_targets_share=several)
        with pytest.raises(
            InputError, match=f"must leave the other sentences .* got {no_target} and {several}"
        ):
            gather_setup([str(tmp_path / "data")], config, None)
