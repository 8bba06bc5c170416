"""Models of the hub by name, from a hub of our own on the loopback."""

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from cris.huggingface.descriptor import find_huggingface, is_huggingface, read_parts
from cris.registry import model_title, resolve
from tests.fixtures.forked import forked_programs

FIRST, SECOND = "a" * 40, "b" * 40
HUB = textwrap.dedent(
    """
    import json, os, sys, threading, warnings
    from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

    WEIGHTS = bytes(range(256)) * 4096 * 24
    FILES = ["README.md", "config.json", "modeling_own.py", "model.safetensors", "pytorch_model.bin",
             "preprocessor_config.json", "../up.json", "onnx/model.onnx"]
    COMMITS = {"main": "b" * 40, "v1": "a" * 40, "a" * 40: "a" * 40, "b" * 40: "b" * 40}
    ASKED = []
    LEFT = {"breaks": int(os.environ.get("BREAKS", "0"))}
    SENT = 12 * 2**20 if LEFT["breaks"] == 1 else 1000  # bytes before a break; the library keeps each 10 MB

    class Hub(BaseHTTPRequestHandler):
        def do_HEAD(self):
            self.answer()
        def do_GET(self):
            self.answer()
        def answer(self):
            parts = self.path.split("?")[0].strip("/").split("/")
            if parts[:2] == ["api", "models"]:
                owner, name, *rest = parts[2:]
                self.info(owner, name, rest[1] if rest else "main")
            else:
                owner, name, _, revision, *file = parts
                self.file(owner, "/".join(file), revision)
        def info(self, owner, name, revision):
            if owner == "nobody":
                return self.give(401, b"", "RepoNotFound")
            if revision not in COMMITS:
                return self.give(404, b"", "RevisionNotFound")
            names = [name for name in FILES if owner != "empty" or "model" not in name]
            rows = [{"rfilename": name} for name in names]
            info = {"id": f"{owner}/{name}", "siblings": rows, "sha": COMMITS[revision]}
            self.give(200, json.dumps(info).encode())
        def file(self, owner, name, revision):
            if owner == "gated":
                return self.give(403, b"", "GatedRepo")
            if owner == "missing" and name == "config.json":
                return self.give(404, b"", "EntryNotFound")
            body = WEIGHTS if name == "model.safetensors" else json.dumps([name, revision]).encode()
            if self.command == "GET":
                ASKED.append(f"{name} {self.headers.get('Range', 'whole')}")
            self.give(200, body, etag=f"{name}-{revision}")
        def give(self, status, body, error=None, etag="none"):
            start = 0
            if status == 200 and (wanted := self.headers.get("Range")):
                start = int(wanted.removeprefix("bytes=").split("-")[0])
                status = 206
            self.send_response(status)
            if error:
                self.send_header("X-Error-Code", error)
            self.send_header("ETag", f'"{etag}"')
            self.send_header("X-Repo-Commit", COMMITS.get(self.path.split("/resolve/")[-1].split("/")[0], ""))
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body) - start))
            if start:
                self.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
            self.end_headers()
            if self.command == "GET":
                if len(body) > 10000 and LEFT["breaks"]:
                    LEFT["breaks"] -= 1
                    self.wfile.write(body[start : start + SENT])
                    self.wfile.flush()
                    self.connection.close()
                    return
                self.wfile.write(body[start:])
        def log_message(self, *arguments):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    is_up = os.environ.get("IS_UP")
    # the library reads it when it is imported
    os.environ["HF_ENDPOINT"] = f"http://127.0.0.1:{server.server_address[1] if is_up else 1}"
    from cris.registry import resolve
    warnings.simplefilter("always")
    for address in sys.argv[1:]:
        try:
            with warnings.catch_warnings(record=True) as told:
                warnings.simplefilter("always")
                print(resolve(address))
            for each in told:
                if issubclass(each.category, UserWarning) and "downloaded earlier" in str(each.message):
                    print(f"warning: {each.message}")
        except (ValueError, ConnectionError) as error:
            print(f"{type(error).__name__}: {error}")
    print(json.dumps(ASKED))
    """
)


def run(cache: Path, *addresses: str, is_up: bool = True, breaks: int = 0) -> tuple[list[str], list[str]]:
    """What each address gives, and the files that were asked of the hub."""
    environment = os.environ | {
        "CRIS_CACHE": str(cache),
        "HF_HOME": str(cache / "hf"),
        "HF_HUB_OFFLINE": "0",
        "HF_HUB_DISABLE_XET": "1",
        "IS_UP": "1" if is_up else "",
        "BREAKS": str(breaks),
    }
    command = [sys.executable, "-c", HUB, *addresses]
    with forked_programs():
        done = subprocess.run(
            command, capture_output=True, text=True, env=environment, timeout=300, check=False
        )
    assert done.returncode == 0, done.stderr
    *lines, asked = done.stdout.splitlines()
    return lines, json.loads(asked)


def test_a_revision_is_pinned_and_only_settings_and_weights_are_fetched(tmp_path: Path) -> None:
    addresses = ["hf:some/one", "hf:some/one@v1", f"hf:some/one@{FIRST}+some/two@v1"]
    lines, asked = run(tmp_path, *addresses)
    places = [Path(line) for line in lines]
    assert [place.name for place in places] == [
        f"some--one@{SECOND[:12]}",
        f"some--one@{FIRST[:12]}",
        f"some--one@{FIRST[:12]}+some--two@{FIRST[:12]}",
    ]
    assert {name.split()[0] for name in asked} == {
        "config.json",
        "model.safetensors",
        "preprocessor_config.json",
    }
    assert all(map(is_huggingface, places))
    one, two = read_parts(places[2])
    assert (one.title, two.title) == (f"some/one@{FIRST}", f"some/two@{FIRST}")
    stored = tmp_path / "hub" / f"some--one@{FIRST}"
    assert json.loads((stored / "config.json").read_text()) == ["config.json", FIRST]
    assert not list(tmp_path.rglob("*.py"))
    assert resolve(places[0]) == places[0]

    # without the hub: what is pinned is there, what is not is taken as it was, another is told in one line
    lines, _ = run(
        tmp_path, f"hf:some/one@{FIRST}", "hf:some/two", "hf:other/one", "hf:some/one@v1", is_up=False
    )
    assert lines[0] == str(places[1])
    assert lines[2] == f"warning: the hub cannot be reached: taking some/two@{FIRST}, downloaded earlier"
    for line, name in zip(lines[3:], ("other/one", "some/one@v1"), strict=True):
        assert line.startswith(f"ConnectionError: cannot download hf:{name} (")
        assert line.endswith(
            "connect, or download the repository elsewhere and pass its folder, as in hf:./FOLDER"
        )


def test_what_the_hub_refuses_is_told_in_one_line(tmp_path: Path) -> None:
    refused = ["nobody/one", "some/one@v9", "gated/one", "empty/one", "missing/one"]
    lines, _ = run(tmp_path, *(f"hf:{name}" for name in refused))
    assert lines == [
        "InputError: the hub has no hf:nobody/one: check repository, revision and file; if it is private, "
        "log in with `hf auth login` or set HF_TOKEN",
        "InputError: the hub has no hf:some/one@v9: check repository, revision and file",
        f"InputError: hf://gated/one@{SECOND}/config.json is gated: ask for access on its page at "
        "https://huggingface.co, and log in with `hf auth login` or set HF_TOKEN",
        "InputError: hf:empty/one has no config.json beside a model.safetensors or pytorch_model.bin: it is "
        "no model that transformers wrote",
        f"InputError: the hub has no hf://missing/one@{SECOND}/config.json: check repository, revision and "
        "file",
    ]
    assert not list((tmp_path / "huggingface").glob("*"))


def test_a_connection_that_breaks_goes_on_where_it_was_and_a_failed_download_leaves_nothing(
    tmp_path: Path,
) -> None:
    lines, _ = run(tmp_path, "hf:some/one", breaks=100)
    assert lines[0].startswith(f"ConnectionError: cannot download hf://some/one@{SECOND}/model.safetensors (")
    weights = tmp_path / "hub" / f"some--one@{SECOND}" / "model.safetensors"
    assert not weights.exists()
    assert not (tmp_path / "huggingface").exists()
    lines, asked = run(tmp_path, "hf:some/one", breaks=1)
    assert Path(lines[0]).is_dir()
    first, second = (name for name in asked if name.startswith("model.safetensors"))
    assert first == "model.safetensors whole"
    assert second.startswith("model.safetensors bytes=")
    assert weights.read_bytes() == bytes(range(256)) * 4096 * 24


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("hf:one", r"a model of the hub must be hf:OWNER/NAME\[@REVISION\].*, got 'hf:one'"),
        ("hf:a/b+c/d+e/f", r"a model of the hub must be .*, got 'hf:a/b\+c/d\+e/f'"),
        ("hf:a/../b", "a model of the hub must be "),
        (
            "hf:./nowhere",
            r"there is no folder \./nowhere: expected one with a model's config.json and weights",
        ),
    ],
)
def test_a_malformed_address_is_told(address: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        find_huggingface(address)


def test_without_the_extra_its_name_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(
        ValueError, match=r"needs transformers, which is not installed: pip install 'cris\[hf\]'"
    ):
        resolve("hf:CIDAS/clipseg-rd64-refined")


def test_a_folder_that_changes_is_another_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CRIS_CACHE", str(tmp_path / "cache"))
    folder = tmp_path / "own"
    folder.mkdir()
    for name in ("config.json", "model.safetensors"):
        (folder / name).write_text(name)
    before = resolve(f"hf:{folder}")
    assert resolve(f"hf:{folder}") == before
    assert [part.local() for part in read_parts(before)] == [folder.resolve()]
    (folder / "model.safetensors").write_text("others")
    assert resolve(f"hf:{folder}") != before
    (before / "huggingface.json").write_text("{}")
    with pytest.raises(ValueError, match="is damaged: delete it, and name the model again"):
        read_parts(before)


def test_the_title_of_two_models_names_both() -> None:
    assert model_title("hf:CIDAS/clipseg-rd64-refined") == "clipseg-rd64-refined"
    pair = "hf:IDEA-Research/grounding-dino-tiny@v1+facebook/sam-vit-base"
    assert model_title(pair) == "grounding-dino-tiny@v1+sam-vit-base"
