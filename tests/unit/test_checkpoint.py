"""Checkpoint folders: exact, whole or absent, and strict."""

import json
import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from cris.calibration import IDENTITY, Calibration
from cris.checkpoint import load_checkpoint, save_checkpoint
from cris.config_file import read_config
from cris.errors import InputError
from cris.files import whole_folder
from cris.model import Cris, CrisConfig, InferenceConfig, build_cris
from cris.model.config import ClipResnetConfig
from cris.model.tokenizer import Tokenizer
from tests.fixtures.small import KINDS, SMALL, Pyramid, small_cris

TOKENIZER = Tokenizer().reduced(["the red star", "left ring"])
CONFIG = replace(SMALL, text=replace(SMALL.text, vocabulary=TOKENIZER.vocab_size))
INFERENCE = InferenceConfig(input_size=64, sentence_length=12, threshold=0.4, protocol="released")
FILES = {"config.json", "model.safetensors", "tokenizer.json", "README.md"}


def save(folder: Path, *, seed: int = 0, card: str = "# Ein Modell für Sterne ★\n", **options: Any) -> Cris:
    model = small_cris(CONFIG, seed)
    save_checkpoint(folder, model, TOKENIZER, INFERENCE, card, **options)
    return model


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder to copy."""
    folder = tmp_path_factory.mktemp("saved") / "model"
    save(folder)
    return folder


def assert_holds(folder: Path, model: Cris) -> None:
    loaded = load_checkpoint(folder).model.state_dict()
    for name, tensor in model.state_dict().items():
        assert loaded[name].dtype == tensor.dtype
        assert torch.equal(loaded[name], tensor), name


def test_what_is_loaded_is_what_was_saved(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "Modell ★"
    model = save(folder)
    assert {path.name for path in folder.iterdir()} == FILES
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]
    checkpoint = load_checkpoint(str(folder))
    assert_holds(folder, model)
    assert checkpoint.model.config == CONFIG
    assert not checkpoint.model.training
    assert checkpoint.inference == INFERENCE
    assert checkpoint.card == "# Ein Modell für Sterne ★\n"
    sentences = ["the red star", "anything else"]
    np.testing.assert_array_equal(checkpoint.tokenizer.encode(sentences), TOKENIZER.encode(sentences))
    images, tokens = torch.randn(2, 3, 64, 64), TOKENIZER(sentences, 12)
    with torch.no_grad():
        assert torch.equal(checkpoint.model(images, tokens).logits, model(images, tokens).logits)


@settings(max_examples=5)
@given(
    sizes=st.tuples(st.sampled_from([4, 8]), st.integers(1, 3), st.booleans()),
    protocol=st.sampled_from(["default", "released"]),
    threshold=st.floats(0, 1),
)
def test_every_configuration_survives(
    tmp_path_factory: pytest.TempPathFactory, sizes: tuple[int, int, bool], protocol: Any, threshold: float
) -> None:
    width, kernel, is_classifier = sizes
    config = replace(
        CONFIG,
        image=ClipResnetConfig(
            layers=(1, 2, 1, 1), stem=(width // 2, width // 2, width), width=width, position_grid=3
        ),
        decoder=replace(CONFIG.decoder, layers=kernel - 1, dropout=threshold),
        projector=replace(
            CONFIG.projector,
            kernel_size=1 if kernel == 1 else 3,
            head="classifier" if is_classifier else "contrastive",
        ),
        padding="zero_id",
    )
    inference = InferenceConfig(threshold=threshold, protocol=protocol)
    folder = tmp_path_factory.mktemp("any") / "checkpoint"
    save_checkpoint(folder, build_cris(config), TOKENIZER, inference, "")
    checkpoint = load_checkpoint(folder)
    assert (checkpoint.model.config, checkpoint.inference) == (config, inference)


def test_channels_last_weights_are_stored_like_others(tmp_path: Path) -> None:
    model = save(tmp_path / "plain")
    shuffled = small_cris(CONFIG).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    save_checkpoint(tmp_path / "shuffled", shuffled, TOKENIZER, INFERENCE, "")
    assert_holds(tmp_path / "shuffled", model)
    stored = [(tmp_path / name / "model.safetensors").read_bytes() for name in ("plain", "shuffled")]
    assert stored[0] == stored[1]


def test_float16_halves_the_file_and_loads_as_float32(tmp_path: Path) -> None:
    model = save(tmp_path / "half", dtype="float16")
    save(tmp_path / "full")
    half, full = (tmp_path / name / "model.safetensors" for name in ("half", "full"))
    assert half.stat().st_size < 0.6 * full.stat().st_size
    statistics = {name for name, _ in model.named_buffers()}
    weights = model.state_dict()
    for name, tensor in load_checkpoint(tmp_path / "half").model.state_dict().items():
        whole = weights[name]
        expected = whole if name in statistics else whole.half().to(whole.dtype)
        assert tensor.dtype == expected.dtype
        assert torch.equal(tensor, expected), name


@pytest.mark.parametrize("encoders", KINDS.values(), ids=KINDS)
def test_int8_stores_the_layers_of_the_text_encoder_in_a_byte_a_weight(
    tmp_path: Path, encoders: CrisConfig
) -> None:
    config = replace(encoders, text=replace(encoders.text, vocabulary=TOKENIZER.vocab_size))
    model = small_cris(config)
    model.text_encoder.token_embedding.weight.data[3] = 0
    save_checkpoint(tmp_path / "model", model, TOKENIZER, INFERENCE, "", dtype="int8")
    stored = load_file(tmp_path / "model" / "model.safetensors")
    statistics = {name for name, _ in model.named_buffers()}
    loaded = load_checkpoint(tmp_path / "model").model.state_dict()
    assert loaded.keys() == model.state_dict().keys()
    in_int8 = set()
    for name, tensor in model.state_dict().items():
        if stored[name].dtype == torch.int8:
            in_int8.add(name)
            assert loaded[name].dtype == torch.float32
            # each row within half of its step, a 127th of its largest weight
            step = tensor.abs().amax(dim=1, keepdim=True) / 127
            assert ((loaded[name] - tensor).abs() <= 0.501 * step).all(), name
        else:
            expected = tensor if name in statistics else tensor.half().to(tensor.dtype)
            assert torch.equal(loaded[name], expected), name
    assert in_int8 == {
        name
        for name, tensor in model.state_dict().items()
        if name.startswith("text_encoder.") and name.endswith(".weight") and tensor.ndim == 2
    }
    assert len(in_int8) == 1 + 6 * config.text.layers
    assert (loaded["text_encoder.token_embedding.weight"][3] == 0).all()


def test_a_checkpoint_in_int8_stays_the_same_when_saved_again(tmp_path: Path) -> None:
    save(tmp_path / "first", dtype="int8")
    again = load_checkpoint(tmp_path / "first").model
    save_checkpoint(tmp_path / "again", again, TOKENIZER, INFERENCE, "", dtype="int8")
    first = load_checkpoint(tmp_path / "first").model.state_dict()
    for name, tensor in load_checkpoint(tmp_path / "again").model.state_dict().items():
        torch.testing.assert_close(tensor, first[name], rtol=1e-6, atol=0)


QUERY = "text_encoder.blocks.0.attention.query.weight"


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (
            lambda weights: weights.pop(f"{QUERY}.scale"),
            rf"{QUERY} must be rows .* and nothing: copy",
        ),
        (
            lambda weights: weights.update({f"{QUERY}.scale": torch.ones(3)}),
            rf"{QUERY} must be .* and float32 \(3,\)",
        ),
        (lambda weights: weights[f"{QUERY}.scale"].fill_(float("inf")), rf"{QUERY} .* not all finite"),
        (
            lambda weights: weights.update({QUERY: weights[QUERY].half()}),
            rf"{QUERY} must be .*, got float16 \(64, 64\) and float32 \(64,\)",
        ),
        (
            lambda weights: weights.update({QUERY: weights[QUERY][:-1]}),
            rf"{QUERY} .* got int8 \(63, 64\)",
        ),
        (lambda weights: weights.pop(QUERY), rf"1 missing \({QUERY}\); 1 unexpected \({QUERY}\.scale\)"),
    ],
)
def test_damaged_int8_weights_are_named_in_one_line(
    tmp_path: Path, damage: Callable[[dict[str, torch.Tensor]], object], message: str
) -> None:
    save(tmp_path / "model", dtype="int8")
    edit_weights(damage)(tmp_path / "model")
    with pytest.raises(InputError, match=message) as error:
        load_checkpoint(tmp_path / "model")
    assert str(tmp_path / "model" / "model.safetensors") in str(error.value)
    assert "\n" not in str(error.value)


def test_float16_keeps_statistics_beyond_its_range(tmp_path: Path) -> None:
    model = small_cris(CONFIG)
    model.neck.sentence_norm.running_var[0] = 1e5
    save_checkpoint(tmp_path / "model", model, TOKENIZER, INFERENCE, "", dtype="float16")
    assert load_checkpoint(tmp_path / "model").model.neck.sentence_norm.running_var[0] == 1e5


@pytest.mark.parametrize(
    ("value", "dtype"), [(1e5, "float16"), (1e5, "int8"), (float("nan"), "float32"), (float("nan"), "int8")]
)
def test_values_that_a_type_cannot_hold_are_not_saved(tmp_path: Path, value: float, dtype: Any) -> None:
    model = small_cris(CONFIG)
    model.neck.sentence_norm.bias.data[0] = value
    with pytest.raises(ValueError, match=r"neck\.sentence_norm\.bias has values that are not finite"):
        save_checkpoint(tmp_path / "model", model, TOKENIZER, INFERENCE, "", dtype=dtype)
    assert list(tmp_path.iterdir()) == []


def test_computed_buffers_are_not_stored(tmp_path: Path) -> None:
    model = save(tmp_path / "model")
    computed = {name for name, _ in model.named_buffers()} - model.state_dict().keys()
    assert computed
    assert not computed & load_file(tmp_path / "model" / "model.safetensors").keys()


def test_training_state_is_stored_beside_the_weights(tmp_path: Path) -> None:
    save(tmp_path / "last", train_state={"step": 3, "average": torch.ones(2)})
    assert {path.name for path in (tmp_path / "last").iterdir()} == FILES | {"train_state.pt"}
    state = torch.load(tmp_path / "last" / "train_state.pt", weights_only=True)
    assert state["step"] == 3
    assert torch.equal(state["average"], torch.ones(2))
    load_checkpoint(tmp_path / "last")
    save(tmp_path / "last", overwrite=True)
    assert {path.name for path in (tmp_path / "last").iterdir()} == FILES


def test_a_tokenizer_of_another_size_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"tokenizer must have the model's 600 tokens, got \d+"):
        save_checkpoint(tmp_path / "model", small_cris(), TOKENIZER, INFERENCE, "")
    assert list(tmp_path.iterdir()) == []


def test_a_checkpoint_is_replaced_only_when_asked(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    first = save(folder)
    with pytest.raises(ValueError, match="already holds a checkpoint"):
        save(folder, seed=1)
    assert_holds(folder, first)
    second = save(folder, seed=1, overwrite=True)
    assert_holds(folder, second)
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_an_empty_folder_may_become_a_checkpoint(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    assert_holds(tmp_path / "model", save(tmp_path / "model"))


@pytest.mark.parametrize("overwrite", [True, False])
def test_other_peoples_files_are_never_replaced(tmp_path: Path, overwrite: bool) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "thesis.tex").write_text("mine")
    with pytest.raises(ValueError, match=r"holds other files \(thesis\.tex, for one\)"):
        save(tmp_path / "home", overwrite=overwrite)
    with pytest.raises(ValueError, match="must be a folder, but it is a file"):
        save(tmp_path / "home" / "thesis.tex", overwrite=overwrite)
    assert (tmp_path / "home" / "thesis.tex").read_text() == "mine"


class PowerCut(BaseException):
    """Ends a save as nothing that the package catches would."""


@pytest.mark.parametrize("renames", [0, 1])
def test_a_save_that_stops_halfway_leaves_the_old_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, renames: int
) -> None:
    folder = tmp_path / "model"
    first = save(folder)
    original, done = Path.rename, []

    def rename(path: Path, target: Path) -> Path:
        if len(done) == renames:
            raise PowerCut
        done.append(target)
        return original(path, target)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "rename", rename)
        with pytest.raises(PowerCut):
            save(folder, seed=1, overwrite=True)
    assert_holds(folder, first)
    assert (whole_folder(folder) / "model.safetensors").is_file()
    second = save(folder, seed=1, overwrite=True)
    assert_holds(folder, second)
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_leftovers_of_a_killed_save_do_not_matter(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    first = save(folder)
    shutil.copytree(folder, tmp_path / ".model.previous")
    shutil.copytree(folder, tmp_path / ".model.unfinished")
    truncate("model.safetensors")(tmp_path / ".model.unfinished")
    assert_holds(folder, first)
    assert_holds(folder, save(folder, seed=2, overwrite=True))
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


@pytest.mark.skipif(sys.platform == "win32", reason="needs limits on file sizes")
def test_a_full_disk_is_a_system_error_and_leaves_nothing(tmp_path: Path) -> None:
    import resource

    model, limits = small_cris(CONFIG), resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
    try:
        with pytest.raises(OSError, match=r"model\.safetensors"):
            save_checkpoint(tmp_path / "model", model, TOKENIZER, INFERENCE, "")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert list(tmp_path.iterdir()) == []


def edit_config(change: Callable[[dict[str, Any]], object]) -> Callable[[Path], None]:
    def edit(folder: Path) -> None:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        change(config)
        (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")

    return edit


def edit_weights(change: Callable[[dict[str, torch.Tensor]], object]) -> Callable[[Path], None]:
    def edit(folder: Path) -> None:
        weights = load_file(folder / "model.safetensors")
        change(weights)
        save_file(weights, folder / "model.safetensors")

    return edit


def truncate(name: str) -> Callable[[Path], None]:
    return lambda folder: os.truncate(folder / name, (folder / name).stat().st_size // 2)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (
            lambda folder: (folder / "config.json").unlink(),
            r"has no config\.json: a checkpoint is a folder with",
        ),
        (lambda folder: (folder / "model.safetensors").unlink(), r"has no model\.safetensors"),
        (lambda folder: (folder / "tokenizer.json").unlink(), r"has no tokenizer\.json"),
        (lambda folder: (folder / "README.md").unlink(), r"has no README\.md"),
        (truncate("config.json"), r"config\.json is not valid JSON"),
        (truncate("model.safetensors"), r"model\.safetensors is cut short or damaged"),
        (truncate("tokenizer.json"), r"tokenizer\.json is no tokenizer\.json of CLIP"),
        (lambda folder: (folder / "README.md").write_bytes(b"\xff"), r"README\.md must be text in UTF-8"),
        (
            lambda folder: (folder / "config.json").write_bytes(b"\xff\xfe\x00"),
            r"config\.json is not valid JSON",
        ),
        (
            lambda folder: (folder / "config.json").write_text("[" * 100_000),
            r"config\.json is not valid JSON",
        ),
        (lambda folder: (folder / "config.json").write_text("[]"), "has no schema_version"),
        (
            lambda folder: (folder / "config.json").write_text('{"model_type": "bert"}'),
            "not a cris checkpoint",
        ),
        (
            edit_config(lambda config: config.update(schema_version=6)),
            "must have schema_version 1 to 5, got 6: update",
        ),
        (
            edit_config(lambda config: config.update(schema_version=0)),
            "must have schema_version 1 to 5, got 0",
        ),
        (edit_config(lambda config: config.update(schema_version=True)), "has no schema_version"),
        (
            edit_config(lambda config: config.update(optimizer={})),
            r"top level has .* unknown keys \['optimizer'\]",
        ),
        (edit_config(lambda config: config.pop("inference")), r"top level has missing keys \['inference'\]"),
        (edit_config(lambda config: config["model"]["text"].update(depth=1)), r"model\.text .*\['depth'\]"),
        (
            edit_config(lambda config: config["inference"]["calibration"].update(low=-1)),
            "low and high above 0",
        ),
        (
            edit_config(lambda config: config["inference"].pop("calibration")),
            r"inference has missing keys \['calibration'\]",
        ),
        (edit_config(lambda config: config["model"].update(text=3)), r"model\.text\.kind must be one of"),
        (
            edit_config(lambda config: config["model"]["image"].update(kind="vit")),
            r"model\.image\.kind must be one of clip_resnet, clip_vit, efficientnet_lite, custom, got 'vit'",
        ),
        (
            edit_config(lambda config: config["model"]["text"].update(kind="clip_resnet")),
            r"model\.text\.kind must be one of clip_text, bert_text, got 'clip_resnet'",
        ),
        (
            edit_config(lambda config: config["model"]["image"].update(kind="efficientnet_lite")),
            r"model\.image has missing keys \['depth'\] and unknown keys \['layers'",
        ),
        (
            edit_config(lambda config: config["model"].update(joint_dim="64")),
            r"model\.joint_dim must be int, got '64'",
        ),
        (
            edit_config(lambda config: config["model"].update(joint_dim=True)),
            r"model\.joint_dim must be int, got True",
        ),
        (edit_config(lambda config: config["model"].update(padding="x")), r"model\.padding must be .*'x'"),
        (
            edit_config(lambda config: config["model"]["image"].update(layers=[1, 2])),
            r"image\.layers must be tuple",
        ),
        (
            edit_config(lambda config: config["inference"].update(threshold=float("nan"))),
            "threshold must be float",
        ),
        (edit_config(lambda config: config["model"]["decoder"].update(heads=7)), "cannot be built: 7 heads"),
        (edit_config(lambda config: config["model"]["neck"].update(fine=-1)), "cannot be built"),
        (
            edit_config(lambda config: config["model"]["neck"].update(fine=8)),
            r"misshapen \(neck\.fine\.conv\.weight",
        ),
        (
            edit_config(lambda config: config["model"]["text"].update(vocabulary=9)),
            r"tokenizer\.json must have the 9",
        ),
        (
            edit_weights(lambda weights: weights.pop("decoder.norm.bias")),
            r"1 missing \(decoder\.norm\.bias\)",
        ),
        (edit_weights(lambda weights: weights.update(extra=torch.ones(1))), r"1 unexpected \(extra\)"),
    ],
)
def test_a_damaged_or_foreign_folder_is_refused_in_one_line(
    saved: Path, tmp_path: Path, damage: Callable[[Path], object], message: str
) -> None:
    folder = shutil.copytree(saved, tmp_path / "model")
    damage(folder)
    with pytest.raises(ValueError, match=message) as error:
        load_checkpoint(folder)
    assert str(folder) in str(error.value)
    assert "\n" not in str(error.value)


def test_every_option_is_in_the_config_file(tmp_path: Path) -> None:
    save(tmp_path / "model")
    config = json.loads((tmp_path / "model" / "config.json").read_text(encoding="utf-8"))
    written = {"model": asdict(CONFIG), "inference": asdict(INFERENCE)}
    written["model"]["image"]["kind"], written["model"]["text"]["kind"] = "clip_resnet", "clip_text"
    assert config == {"schema_version": 5, **json.loads(json.dumps(written))}


def to_version_4(config: dict[str, Any]) -> None:
    """As it was when masks were cut at one threshold only."""
    config["schema_version"] = 4
    del config["inference"]["relative_threshold"]


def test_a_folder_of_version_4_has_one_threshold_and_loads_as_before(tmp_path: Path) -> None:
    model = save(tmp_path / "model")
    edit_config(to_version_4)(tmp_path / "model")
    assert_holds(tmp_path / "model", model)
    assert load_checkpoint(tmp_path / "model").inference == INFERENCE


def to_version_3(config: dict[str, Any]) -> None:
    """As it was when the tokenizer followed from the vocabulary's size, and nothing told of presence."""
    to_version_4(config)
    config["schema_version"] = 3
    del config["inference"]["guided_radius"], config["inference"]["presence_threshold"]
    del config["model"]["presence_heads"], config["model"]["tokenizer"]


@pytest.mark.parametrize(("vocabulary", "tokenizer"), [(None, "stored"), (49_408, "clip")])
def test_a_config_of_version_3_has_clips_tokenizer_or_the_stored_one(
    tmp_path: Path, vocabulary: int | None, tokenizer: str
) -> None:
    model = save(tmp_path / "model")
    edit_config(to_version_3)(tmp_path / "model")
    assert_holds(tmp_path / "model", model)
    if vocabulary is not None:
        edit_config(lambda config: config["model"]["text"].update(vocabulary=vocabulary))(tmp_path / "model")
    assert read_config(tmp_path / "model" / "config.json").model.tokenizer == tokenizer


def test_a_model_with_an_image_encoder_from_outside_loads_with_it_alone(tmp_path: Path) -> None:
    model = small_cris(CONFIG, image_encoder=Pyramid)
    save_checkpoint(tmp_path / "model", model, TOKENIZER, INFERENCE, "")
    for encoder in (Pyramid, Pyramid(CONFIG.joint_dim)):
        loaded = load_checkpoint(tmp_path / "model", image_encoder=encoder).model
        assert loaded.config == model.config
        weights = loaded.state_dict()
        assert all(weights[name].equal(each) for name, each in model.state_dict().items())
    with pytest.raises(InputError, match=r"not of cris: pass image_encoder=Pyramid$"):
        load_checkpoint(tmp_path / "model")
    save(tmp_path / "own")
    with pytest.raises(InputError, match="clip_resnet of cris: leave image_encoder out"):
        load_checkpoint(tmp_path / "own", image_encoder=Pyramid)


def to_version_2(config: dict[str, Any]) -> None:
    """As it was when all encoders were CLIP's."""
    to_version_3(config)
    config["schema_version"] = 2
    for part, key in (("image", "kind"), ("text", "kind"), ("neck", "alignment")):
        del config["model"][part][key]
    del config["inference"]["peak_threshold"]


def test_a_folder_of_version_2_has_encoders_of_clip_and_loads_as_before(tmp_path: Path) -> None:
    model = save(tmp_path / "model")
    edit_config(to_version_2)(tmp_path / "model")
    assert_holds(tmp_path / "model", model)
    checkpoint = load_checkpoint(tmp_path / "model")
    assert (checkpoint.model.config, checkpoint.inference) == (replace(CONFIG, tokenizer="stored"), INFERENCE)


def test_a_folder_of_version_1_has_no_calibration_and_loads_as_before(tmp_path: Path) -> None:
    model = save(tmp_path / "model")

    def to_version_1(config: dict[str, Any]) -> None:
        to_version_2(config)
        config["schema_version"] = 1
        del config["inference"]["calibration"]

    edit_config(to_version_1)(tmp_path / "model")
    assert_holds(tmp_path / "model", model)
    assert load_checkpoint(tmp_path / "model").inference == INFERENCE
    assert INFERENCE.calibration == IDENTITY


def test_a_calibration_is_kept(tmp_path: Path) -> None:
    inference = replace(INFERENCE, calibration=Calibration(low=1.7, high=0.5, offset=-0.25))
    save_checkpoint(tmp_path / "model", small_cris(CONFIG), TOKENIZER, inference, "")
    assert load_checkpoint(tmp_path / "model").inference == inference


def test_no_folder_and_a_file_are_named(tmp_path: Path) -> None:
    (tmp_path / "best.pth").write_bytes(b"weights")
    for name in ("none", "best.pth"):
        with pytest.raises(ValueError, match=f"{name} must be a checkpoint folder"):
            load_checkpoint(tmp_path / name)


@pytest.mark.skipif(sys.platform == "win32", reason="links need a privilege there")
def test_a_link_out_of_the_folder_is_refused(tmp_path: Path) -> None:
    save(tmp_path / "model")
    (tmp_path / "secret").write_text("private")
    (tmp_path / "model" / "README.md").unlink()
    (tmp_path / "model" / "README.md").symlink_to(tmp_path / "secret")
    with pytest.raises(ValueError, match=r"README\.md is a link that leads out of its folder"):
        load_checkpoint(tmp_path / "model")
    (tmp_path / "linked").symlink_to(tmp_path / "model")
    (tmp_path / "model" / "README.md").unlink()
    (tmp_path / "model" / "README.md").write_text("card")
    assert load_checkpoint(tmp_path / "linked").card == "card"
