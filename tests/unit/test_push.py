"""Models put on a hub of our own and taken from it, also when much goes wrong."""

import os
import pickle
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import chdir
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from cris.checkpoint import load_checkpoint, save_checkpoint
from cris.config_file import read_config
from cris.errors import InputError
from cris.model.config import InferenceConfig
from cris.model.tokenizer import Tokenizer
from cris.push import push_model
from cris.registry import CHECKPOINT_FILES, MODELS, SCENES_MODEL, hub_name, pinned, resolve
from cris.segmenter import Segmenter
from tests.fixtures.hub import Hub, card_problems, hub_environment, hub_here, kill_at
from tests.fixtures.small import SMALL, small_cris

WEIGHTS = "model.safetensors"
NAME = "me/finder"


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    # not monkeypatch: undone after the hub's variables, the test's own would put the hub's token back
    with chdir(tmp_path), hub_here(tmp_path) as hub:
        yield hub


def contents(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in CHECKPOINT_FILES}


SCENES = contents(MODELS / SCENES_MODEL)


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    """The folder of a small model, whose card has none of the fields that a hub reads."""
    tokenizer = Tokenizer().reduced([])
    folder = tmp_path / "tiny"
    config = replace(SMALL, text=replace(SMALL.text, vocabulary=tokenizer.vocab_size))
    save_checkpoint(folder, small_cris(config), tokenizer, InferenceConfig(), card="# Tiny\n")
    return folder


def test_a_model_is_pushed_in_one_commit_and_pulled_byte_for_byte(hub: Hub) -> None:
    address = push_model(SCENES_MODEL, NAME)
    repository = hub.repositories["model", NAME]
    assert address == f"{hub.url}/{NAME}/commit/{repository.branches['main']}"
    assert hub.files(NAME) == SCENES
    assert repository.messages == ["initial commit", "Upload a model of cris"]
    folder = resolve(NAME)
    assert contents(folder) == SCENES
    assert folder.name == f"me--finder@{repository.branches['main']}"


def test_a_segmenter_pushes_what_it_was_opened_from_and_comes_back(hub: Hub) -> None:
    mine = Segmenter.from_pretrained(SCENES_MODEL, "cpu")
    mine.push_to_hub(NAME, private=True, commit_message="First")
    assert hub.files(NAME) == SCENES
    assert hub.repositories["model", NAME].is_private
    assert hub.repositories["model", NAME].messages[-1] == "First"
    again = Segmenter.from_pretrained(NAME, "cpu")
    assert (again.name, again.inference) == ("finder", mine.inference)
    image = np.random.default_rng(0).integers(0, 256, (60, 80, 3), dtype=np.uint8)
    theirs = again.predict(image, "the red ring")
    assert (theirs.probability == mine.predict(image, "the red ring").probability).all()


def test_settings_that_were_changed_are_pushed_with_the_same_weights(hub: Hub) -> None:
    mine = Segmenter.from_pretrained(SCENES_MODEL, "cpu")
    mine.inference = replace(mine.inference, threshold=0.25)
    mine.push_to_hub(NAME)
    assert read_config(resolve(NAME) / "config.json").inference == mine.inference
    kept = {name: content for name, content in SCENES.items() if name != "config.json"}
    assert hub.files(NAME).items() >= kept.items()


def test_a_model_that_was_given_finished_is_saved_and_pushed(hub: Hub, tiny: Path) -> None:
    tokenizer = Tokenizer.load(tiny / "tokenizer.json")
    config = replace(SMALL, text=replace(SMALL.text, vocabulary=tokenizer.vocab_size))
    model = small_cris(config, seed=3)
    Segmenter(model, tokenizer, InferenceConfig(), "cpu").push_to_hub(NAME)
    pulled = load_checkpoint(resolve(NAME)).model.state_dict()
    assert all(torch.equal(tensor, pulled[name]) for name, tensor in model.state_dict().items())


def test_a_card_without_fields_gets_those_that_the_hub_reads(hub: Hub, tiny: Path) -> None:
    push_model(tiny, NAME)
    card = hub.files(NAME)["README.md"].decode()
    assert card.endswith("---\n\n# Tiny\n")
    assert "library_name: cris\npipeline_tag: image-segmentation\n" in card
    assert "model-index" not in card
    assert (tiny / "README.md").read_text() == "# Tiny\n"


def test_a_branch_is_made_and_pulled_by_its_name_and_by_commit(hub: Hub, tiny: Path) -> None:
    push_model(SCENES_MODEL, NAME)
    first = hub.repositories["model", NAME].branches["main"]
    push_model(tiny, NAME, revision="v2")
    assert contents(resolve(NAME)) == SCENES
    other = contents(resolve(NAME, revision="v2"))
    assert other[WEIGHTS] == (tiny / WEIGHTS).read_bytes()
    assert contents(resolve(NAME, revision=first)) == contents(resolve(f"hf://{NAME}@main")) == SCENES
    assert contents(resolve(f"hf://{NAME}@v2")) == other


def test_a_changed_file_is_pulled_anew_and_the_rest_of_a_push_is_not_sent(hub: Hub, tmp_path: Path) -> None:
    folder = shutil.copytree(MODELS / SCENES_MODEL, tmp_path / "model")
    push_model(folder, NAME)
    assert contents(resolve(NAME)) == SCENES
    (folder / "README.md").write_text((folder / "README.md").read_text() + "\nChanged.\n")
    hub.requests.clear()
    push_model(folder, NAME)
    assert not [request for request in hub.requests if request.startswith("PUT")]
    assert contents(resolve(NAME)) == contents(folder) != SCENES
    commits = len(hub.repositories["model", NAME].commits)
    assert push_model(folder, NAME).endswith(hub.repositories["model", NAME].branches["main"])
    assert len(hub.repositories["model", NAME].commits) == commits


def test_other_files_of_the_repository_stay_and_none_but_a_checkpoint_s_are_sent(
    hub: Hub, tmp_path: Path
) -> None:
    hub.put(NAME, {"teaser.png": b"image"})
    folder = shutil.copytree(MODELS / SCENES_MODEL, tmp_path / "model")
    (folder / "train_state.pt").write_bytes(b"state")
    push_model(folder, NAME)
    assert hub.files(NAME) == {**SCENES, "teaser.png": b"image"}


def test_what_is_pulled_once_is_there_without_a_hub(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    push_model(SCENES_MODEL, NAME)
    commit = hub.repositories["model", NAME].branches["main"]
    online = resolve(NAME)
    hub.requests.clear()
    assert resolve(NAME, revision=commit) == online
    assert hub.requests == []
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.warns(UserWarning, match=rf"taking hf://me/finder@main as of {commit}"):
        assert contents(resolve(NAME)) == SCENES
    with pytest.raises(ConnectionError, match=r"no path 'me/none', and cannot download hf://me/none@main \("):
        resolve("me/none")
    assert hub.requests == []


def test_a_pull_that_fails_halfway_does_not_mix_two_commits(hub: Hub, tiny: Path) -> None:
    push_model(SCENES_MODEL, NAME)
    resolve(NAME)
    push_model(tiny, NAME)
    hub.fail(r"GET /cdn/", status=500, times=1)
    with pytest.raises(ConnectionError, match="cannot download hf://me/finder@"):
        resolve(NAME)
    hub.fail(r"GET /api/models", status=503)
    with pytest.warns(UserWarning, match="taking"):
        assert contents(resolve(NAME)) == SCENES


def test_files_put_there_by_hand_are_found_without_a_hub(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    place = tmp_path / "cache" / "hub" / "me--finder@main"
    with pytest.raises(ConnectionError, match=f"put them at {place}; models are"):
        resolve(NAME)
    place.parent.mkdir(parents=True)
    shutil.copytree(MODELS / SCENES_MODEL, place)
    assert resolve(NAME) == place


def test_who_opened_a_branch_goes_on_with_its_commit(hub: Hub, tiny: Path) -> None:
    push_model(SCENES_MODEL, NAME)
    opened = Segmenter.from_pretrained(NAME, "cpu", revision="main")
    stays = pinned(NAME)
    assert stays == f"hf://{NAME}@{hub.repositories['model', NAME].branches['main']}"
    push_model(tiny, NAME)
    hub.requests.clear()
    again = pickle.loads(pickle.dumps(opened))
    assert (again.source, contents(resolve(stays))) == (opened.source, SCENES)
    assert hub.requests == []
    assert pinned("cris-scenes") == "cris-scenes"
    assert contents(resolve(pinned(NAME)))[WEIGHTS] == (tiny / WEIGHTS).read_bytes()


def test_a_path_that_is_there_comes_before_the_hub(hub: Hub, tmp_path: Path) -> None:
    hub.put(NAME, dict(SCENES))
    (tmp_path / "me").mkdir()
    shutil.copytree(MODELS / SCENES_MODEL, tmp_path / "me" / "finder")
    assert resolve(NAME) == Path(NAME)
    assert hub.requests == []
    with pytest.raises(InputError, match="a revision is for OWNER/NAME on the hub, got 'me/finder'"):
        resolve(NAME, revision="main")
    with pytest.raises(InputError, match="a revision is for OWNER/NAME on the hub, got 'cris-scenes'"):
        resolve("cris-scenes", revision="main")
    with pytest.raises(InputError, match="a revision is for OWNER/NAME"):
        resolve("hf://me/finder@main", revision="main")


@pytest.mark.parametrize(
    ("named", "expected"),
    [
        ("owner/name", "owner/name"),
        ("hf://owner/name@v1", "owner/name"),
        ("hf:owner/name", None),
        ("./name", None),
        ("a/b/c", None),
        ("cris-photos", None),
        ("../name", None),
        ("a/..", None),
        ("a/.", None),
        (Path("owner/name"), None),
    ],
)
def test_names_of_the_hub_are_known_by_their_form(named: str | Path, expected: str | None) -> None:
    assert hub_name(named) == expected


def test_a_name_that_nobody_has_is_told_with_what_there_is(hub: Hub) -> None:
    message = (
        r"there is no model and no path 'me/cris-scenes'; did you mean cris-scenes\?, and the hub has no "
        r"hf://me/cris-scenes@main: check repository, revision and file; models are cris-photos, cris-scenes,"
    )
    with pytest.raises(InputError, match=message):
        resolve("me/cris-scenes")
    hub.put(NAME, dict(SCENES))
    with pytest.raises(InputError, match="the hub has no hf://me/finder@v9"):
        resolve(NAME, revision="v9")


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("me/finder@v1", "hf://me/finder@v1"),
        ("https://huggingface.co/me/finder", "me/finder"),
        ("https://huggingface.co/me/finder/", "me/finder"),
    ],
)
def test_other_forms_of_a_name_are_told_as_they_are_taken(hub: Hub, given: str, meant: str) -> None:
    with pytest.raises(InputError, match=re.escape(f"no path {given!r}; did you mean {meant}?; models are")):
        resolve(given)
    assert hub.requests == []


def test_a_private_or_gated_model_says_to_log_in(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    hub.put(NAME, dict(SCENES))
    repository = hub.repositories["model", NAME]
    repository.is_private = True
    monkeypatch.delenv("HF_TOKEN")
    with pytest.raises(InputError, match="if it is private, log in with `hf auth login` or set HF_TOKEN"):
        resolve(NAME)
    monkeypatch.setenv("HF_TOKEN", "hf_other")
    with pytest.raises(InputError, match="the hub has no hf://me/finder@main"):
        resolve(NAME)
    repository.is_private, repository.is_gated = False, True
    with pytest.raises(
        InputError, match=r"is gated: ask for access .*, and log in with `hf auth login` or set"
    ):
        resolve(NAME)


@pytest.mark.parametrize(
    ("pattern", "status", "kind", "words"),
    [
        ("POST /api/models/.*/preupload", 401, InputError, "needs a token of the hub that is valid: log in"),
        ("POST /api/models/.*/commit", 403, InputError, "the token may not write to me/finder: take one"),
        ("POST /api/models/.*/preupload", 404, InputError, "the hub has no me/finder that this token may"),
        ("POST /api/models/.*/preupload", 429, ConnectionError, r"too many requests \(429\)"),
        ("POST /api/models/.*/commit", 429, ConnectionError, r"too many requests \(429\)"),
        (
            "POST .*/info/lfs/objects/batch",
            500,
            ConnectionError,
            r"500 \(so it was said\); run the same again",
        ),
        ("PUT /lfs", 503, ConnectionError, "nothing of it: the hub answered 503"),
        ("POST /lfs/verify", 422, ConnectionError, "the hub answered 422"),
        ("POST /api/models/.*/commit", 412, ConnectionError, "the hub answered 412"),
    ],
)
def test_a_push_that_is_refused_changes_nothing_and_gives_one_line(
    hub: Hub, pattern: str, status: int, kind: type[Exception], words: str
) -> None:
    before = {"README.md": b"mine"}
    hub.put(NAME, before)
    fault = hub.fail(pattern, status=status)
    with pytest.raises(kind, match=words) as error:
        push_model(SCENES_MODEL, NAME)
    assert "\n" not in str(error.value)
    assert hub.files(NAME) == before
    hub.faults.remove(fault)
    push_model(SCENES_MODEL, NAME)
    assert hub.files(NAME) == SCENES


def test_requests_that_were_too_many_are_sent_again(hub: Hub) -> None:
    hub.fail("PUT /lfs", status=429, times=2)
    hub.fail("POST .*/preupload", status=503, times=1)
    push_model(SCENES_MODEL, NAME)
    assert hub.files(NAME) == SCENES
    hub.fail("HEAD /me/finder/resolve", status=429, times=1)
    assert contents(resolve(NAME)) == SCENES


def test_an_upload_that_arrives_damaged_is_refused_and_the_next_one_is_whole(hub: Hub) -> None:
    hub.fail("PUT /lfs", swallow=True, times=1)
    with pytest.raises(ConnectionError, match="the hub answered 400"):
        push_model(SCENES_MODEL, NAME)
    assert hub.files(NAME) == {}
    push_model(SCENES_MODEL, NAME)
    assert hub.files(NAME) == SCENES


def test_a_download_with_another_hash_is_thrown_away_and_the_next_one_is_whole(hub: Hub) -> None:
    push_model(SCENES_MODEL, NAME)
    hub.fail("GET /cdn/", body=bytes(len(SCENES[WEIGHTS])), times=1)
    with pytest.raises(
        InputError, match=r"model\.safetensors must have sha256 \w+, but what came has \w+ and"
    ):
        resolve(NAME)
    assert contents(resolve(NAME)) == SCENES


def test_a_connection_that_breaks_is_taken_up_where_it_broke(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    push_model(SCENES_MODEL, NAME)
    monkeypatch.setattr("huggingface_hub.constants.DOWNLOAD_CHUNK_SIZE", 1_000_000)
    hub.fail("GET /cdn/", cut=3_000_000, times=1)
    assert contents(resolve(NAME)) == SCENES
    assert hub.ranges == ["bytes=3000000-"]


@pytest.mark.parametrize("name", ["nobody", "a/b/c", "me/fin der", ""])
def test_a_repository_has_an_owner_and_a_name(hub: Hub, name: str) -> None:
    with pytest.raises(InputError, match="a repository of the hub must be OWNER/NAME, got"):
        push_model("/no/such/model", name)


@pytest.mark.parametrize("name", ["me/..", "../finder", "me/a--b", "me/finder.git", "me/" + "x" * 100])
def test_names_that_the_hub_takes_from_nobody_are_told_as_such(hub: Hub, name: str) -> None:
    with pytest.raises(InputError, match=r"the hub takes no such name: .*[Rr]epo"):
        push_model(SCENES_MODEL, name)
    assert hub.requests == []


def test_a_name_that_the_hub_cannot_have_is_no_matter_of_the_network(hub: Hub) -> None:
    with pytest.raises(InputError, match=r"the hub has no hf://me/a--b@main: Cannot have -- or \.\."):
        resolve("me/a--b")


def test_the_hub_s_own_words_are_told(hub: Hub) -> None:
    hub.fail("POST /api/models/.*/branch", status=400)
    with pytest.raises(ConnectionError, match=r"the hub answered 400 \(so it was said\); run"):
        push_model(SCENES_MODEL, NAME, revision="a b")


def test_a_push_without_a_token_or_to_another_s_name_is_refused(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(InputError, match="the token may not write to other/finder: take one"):
        push_model(SCENES_MODEL, "other/finder")
    push_model(SCENES_MODEL, "other/finder", token="hf_other")
    monkeypatch.delenv("HF_TOKEN")
    with pytest.raises(
        InputError, match="needs a token of the hub that is valid: log in with `hf auth login`"
    ):
        push_model(SCENES_MODEL, NAME)
    monkeypatch.setenv("HF_TOKEN", "hf_expired")
    with pytest.raises(InputError, match="needs a token of the hub that is valid"):
        push_model(SCENES_MODEL, NAME)
    assert ("model", NAME) not in hub.repositories


def test_private_is_never_pushed_to_what_is_public(hub: Hub) -> None:
    push_model(SCENES_MODEL, NAME)
    with pytest.raises(InputError, match="me/finder is there and is public: make it private on its page"):
        push_model(SCENES_MODEL, NAME, private=True)
    push_model(SCENES_MODEL, "me/secret", private=True)
    push_model(SCENES_MODEL, "me/secret", private=True)


def test_a_card_that_the_hub_does_not_take_is_told_before_anything_is_sent(hub: Hub, tiny: Path) -> None:
    (tiny / "README.md").write_text("---\nlicense: my own\n---\n# Tiny\n")
    with pytest.raises(
        InputError, match=r'the hub refuses the card of me/finder: .*"license" must be one of'
    ):
        push_model(tiny, NAME)
    assert hub.files(NAME) == {}
    assert not [request for request in hub.requests if request.startswith("PUT")]


def test_only_a_checkpoint_can_be_pushed(hub: Hub, tiny: Path) -> None:
    (tiny / "export.json").write_text("{}")
    with pytest.raises(InputError, match="is an export: push the checkpoint"):
        push_model(tiny, NAME)
    (tiny / "export.json").unlink()
    (tiny / "tokenizer.json").unlink()
    with pytest.raises(InputError, match=r"tiny has no tokenizer\.json: expected a checkpoint"):
        push_model(tiny, NAME)
    (tiny / "huggingface.json").write_text("{}")
    with pytest.raises(InputError, match="stands for models of the hub"):
        push_model(tiny, NAME)
    assert hub.repositories == {}


PUSH = f"from cris.push import push_model; push_model({SCENES_MODEL!r}, {NAME!r})"
PULL = f"from cris.registry import resolve; resolve({NAME!r})"


@pytest.mark.parametrize("pattern", ["PUT /lfs", "POST /lfs/verify", "POST .*/preupload"])
def test_a_push_that_is_killed_leaves_the_repository_as_it_was(
    hub: Hub, tmp_path: Path, pattern: str
) -> None:
    before = {"README.md": b"mine"}
    hub.put(NAME, before)
    kill_at(hub, pattern, tmp_path, PUSH)
    assert hub.files(NAME) == before
    assert len(hub.repositories["model", NAME].commits) == 2
    push_model(SCENES_MODEL, NAME)
    assert hub.files(NAME) == SCENES


@pytest.mark.parametrize("pattern", ["GET /cdn/", "HEAD .*/tokenizer.json", "GET .*/config.json"])
def test_a_pull_that_is_killed_is_done_again_byte_for_byte(
    hub: Hub, tmp_path: Path, pattern: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    push_model(SCENES_MODEL, NAME)
    kill_at(hub, pattern, tmp_path, PULL)
    with monkeypatch.context() as offline:
        offline.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
        with pytest.raises(ConnectionError, match="cannot download"):
            resolve(NAME)
    assert contents(resolve(NAME)) == SCENES


@pytest.mark.usefixtures("forked_programs")
def test_token_and_cache_are_those_of_hf_home_and_offline_asks_nobody(hub: Hub, tmp_path: Path) -> None:
    """In processes of their own, as the library reads its variables when it is imported."""
    environment = {key: value for key, value in os.environ.items() if key != "HF_TOKEN"}
    environment |= hub_environment(hub, tmp_path)
    (tmp_path / "hf").mkdir()
    (tmp_path / "hf" / "token").write_text("hf_me")
    subprocess.run([sys.executable, "-c", PUSH], env=environment, cwd=tmp_path, check=True)
    assert hub.files(NAME) == SCENES
    subprocess.run([sys.executable, "-c", PULL], env=environment, cwd=tmp_path, check=True)
    hub.requests.clear()
    offline = environment | {"HF_HUB_OFFLINE": "1"}
    subprocess.run([sys.executable, "-c", PULL], env=offline, cwd=tmp_path, check=True)
    command = [sys.executable, "-m", "cris", "push", SCENES_MODEL, NAME]
    done = subprocess.run(command, env=offline, cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "cannot push to me/finder, which has nothing of it: OfflineModeIsEnabled" in done.stderr
    assert hub.requests == []
    (tmp_path / "hf" / "token").unlink()
    done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "log in with `hf auth login` or set HF_TOKEN" in done.stderr


@pytest.mark.parametrize("name", ["cris-photos", "cris-scenes"])
def test_the_hub_takes_the_cards_of_the_embedded_models(hub: Hub, name: str) -> None:
    from huggingface_hub import ModelCard

    path = MODELS / name / "README.md"
    card = ModelCard.load(path)
    card.validate()
    assert card_problems(path.read_text(encoding="utf-8"), "model") == []
    again = ModelCard(str(card))
    assert again.data.to_dict() == card.data.to_dict()
    fields = card.data.to_dict()
    assert (fields["library_name"], fields["pipeline_tag"]) == ("cris", "image-segmentation")
    assert fields["license"] == "apache-2.0"
    metrics = {each.metric_type: each.metric_value for each in card.data.eval_results}
    assert f"| {metrics['mean_iou']:.3f} |" in path.read_text(encoding="utf-8")
