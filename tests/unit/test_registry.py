"""What names, paths and addresses stand for."""

import re
from pathlib import Path

import pytest

from cris import registry
from cris.errors import InputError
from cris.model import BACKBONES
from cris.registry import DEFAULT_MODEL, ENTRIES, MODELS, REGISTRY, model_title, resolve


def test_names_differ_even_in_lower_case() -> None:
    assert len({entry.name.lower() for entry in ENTRIES}) == len(ENTRIES)


def test_the_default_model_is_the_first_that_is_listed() -> None:
    assert ENTRIES[0].name == DEFAULT_MODEL == "cris-photos"


def test_there_are_clip_weights_for_every_backbone() -> None:
    assert {entry.name for entry in ENTRIES if entry.kind == "clip"} == BACKBONES.keys()


@pytest.mark.parametrize("entry", [entry for entry in ENTRIES if entry.remote], ids=lambda entry: entry.name)
def test_openais_addresses_hold_the_hash_that_is_verified(entry: registry.Entry) -> None:
    assert entry.remote is not None
    assert re.fullmatch(r"[0-9a-f]{64}", entry.remote.sha256)
    root = "https://openaipublic.azureedge.net/clip/models"
    assert entry.remote.url == f"{root}/{entry.remote.sha256}/{entry.name}.pt"
    assert 250e6 < entry.remote.size < 1000e6
    assert entry.licence == "MIT"


@pytest.mark.parametrize("name", ["cris-photos", "cris-scenes"])
def test_embedded_models_are_folders_of_the_package(name: str) -> None:
    assert resolve(name) == MODELS / name
    assert Path(registry.__file__).parent in MODELS.parents or Path(registry.__file__).parent == MODELS.parent


def test_a_path_stands_for_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "cris-scenes").mkdir()
    monkeypatch.chdir(tmp_path)
    assert resolve(tmp_path) == tmp_path
    assert resolve("./cris-scenes") == Path("cris-scenes")
    assert resolve(Path("cris-scenes")) == Path("cris-scenes")
    assert resolve("cris-scenes") == MODELS / "cris-scenes"


def test_clip_weights_are_downloaded_to_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    def download(url: str, path: Path, *, sha256: str, size: int) -> Path:
        calls.append((url, path, sha256, size))
        return path

    monkeypatch.setattr(registry, "download", download)
    monkeypatch.setenv("CRIS_CACHE", str(tmp_path))
    assert resolve("RN50", "clip") == tmp_path / "RN50.pt"
    remote = REGISTRY["RN50"].remote
    assert remote is not None
    assert calls == [(remote.url, tmp_path / "RN50.pt", remote.sha256, remote.size)]


@pytest.mark.parametrize(
    ("name", "kind", "hint"),
    [
        ("cris-scene", "model", "did you mean cris-scenes?"),
        ("Cris-Scenes", "model", "did you mean cris-scenes?"),
        ("rn50", "clip", "did you mean RN50?"),
        ("RN-101", "clip", "did you mean RN101?"),
    ],
)
def test_a_misspelt_name_gets_a_hint(name: str, kind: registry.Kind, hint: str) -> None:
    with pytest.raises(ValueError, match=re.escape(hint)):
        resolve(name, kind)


def test_an_unknown_name_gets_a_list_and_no_hint() -> None:
    with pytest.raises(
        ValueError, match=r"no model and no path 'runs/a/best'; models are cris-photos, cris-scenes, a path"
    ) as error:
        resolve("runs/a/best")
    assert "did you mean" not in str(error.value)
    assert "RN50" not in str(error.value)


def test_a_name_of_the_other_kind_says_what_it_is() -> None:
    with pytest.raises(ValueError, match=r"RN50 is OpenAI's CLIP .*; models are cris-photos, cris-scenes"):
        resolve("RN50")
    with pytest.raises(ValueError, match=r"cris-scenes is A small model .*; CLIP weights are RN50, RN101"):
        resolve("cris-scenes", "clip")


@pytest.mark.parametrize(
    "address",
    [
        "hf://timm/resnet50_clip.openai",  # without a revision, tomorrow's weights could be others
        "hf://timm@main",
        "hf://timm/resnet50_clip.openai@main/",
        "hf://timm/resnet50_clip.openai@main/../../secret",
        "hf://timm/resnet50_clip.openai@../x",
        "hf://../..@main",
    ],
)
def test_a_malformed_hub_address_is_refused(address: str) -> None:
    with pytest.raises(ValueError, match=r"must be hf://OWNER/NAME@REVISION .*, got "):
        resolve(address)


@pytest.mark.parametrize(
    ("address", "names", "place"),
    [
        ("hf://owner/name@v1.0", registry.CHECKPOINT_FILES, ""),
        (
            "hf://owner/name@v1.0/open_clip_model.safetensors",
            ["open_clip_model.safetensors"],
            "open_clip_model.safetensors",
        ),
        ("hf://owner/name@v1.0/sub/x.bin", ["sub/x.bin"], "sub/x.bin"),
    ],
)
def test_a_hub_address_names_repository_revision_and_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, address: str, names: list[str], place: str
) -> None:
    calls = []

    def download(repository: str, revision: str, names: list[str]) -> Path:
        calls.append((repository, revision, names))
        return tmp_path

    monkeypatch.setattr(registry, "download_from_hub", download)
    monkeypatch.setattr(registry, "pull", download)
    assert resolve(address) == tmp_path / place
    assert calls == [("owner/name", "v1.0", names)]


def a_run(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / "checkpoints" / name).mkdir(parents=True)
    return folder


def test_the_folder_of_a_run_stands_for_its_best_checkpoint(tmp_path: Path) -> None:
    run = a_run(tmp_path / "run", "last", "step-4", "best")
    assert resolve(run) == resolve(str(run)) == run / "checkpoints" / "best"
    assert resolve(run / "checkpoints" / "last") == run / "checkpoints" / "last"


def test_before_it_is_measured_a_run_stands_for_its_last_checkpoint(tmp_path: Path) -> None:
    run = a_run(tmp_path / "run", "last")
    assert resolve(run) == run / "checkpoints" / "last"
    (run / "checkpoints" / "last").rename(run / "checkpoints" / ".last.previous")  # a save was cut short
    assert resolve(run) == run / "checkpoints" / ".last.previous"


def test_a_run_that_has_saved_nothing_says_so(tmp_path: Path) -> None:
    run = a_run(tmp_path / "run")
    (run / "checkpoints").mkdir(parents=True)
    with pytest.raises(InputError, match="a run that has saved no model yet"):
        resolve(run)


@pytest.mark.parametrize(
    ("named", "title"),
    [
        ("cris-scenes", "cris-scenes"),
        ("runs/mine", "mine"),
        ("runs/mine/", "mine"),
        ("runs/mine/checkpoints/best", "mine"),
        ("runs/mine/checkpoints/last", "mine (last)"),
        ("/a/mine/checkpoints/step-400", "mine (step-400)"),
        ("checkpoints/last", "last"),
        (".", "."),
        ("hf://owner/name@v1", "name@v1"),
        (f"hf://owner/name@{'0123456789' * 4}", "name@012345678901"),
        ("owner/name", "name"),
    ],
)
def test_a_model_is_called_by_its_run(named: str, title: str) -> None:
    assert model_title(named) == title


def test_no_name_is_no_folder() -> None:
    with pytest.raises(InputError, match="expected the name of a model or a path, got ''"):
        resolve("")
