"""Downloads against a server of our own, which can be made to behave badly."""

import hashlib
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from cris.weights import cache_folder, download, download_from_hub
from tests.fixtures.hub import hub_environment, running_hub

CONTENT = bytes(range(256)) * 8000
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@dataclass
class Behaviour:
    """What the server does, and what it was asked for."""

    content: bytes = CONTENT
    has_ranges: bool = True
    cuts: list[int] = field(default_factory=list)
    """After how many bytes of its body each of the first responses breaks off."""
    status: int = 200
    ranges: list[str | None] = field(default_factory=list)
    """The Range header of each request."""


class Handler(BaseHTTPRequestHandler):
    behaviour: Behaviour

    def do_GET(self) -> None:
        behaviour = self.behaviour
        wanted = self.headers.get("Range")
        behaviour.ranges.append(wanted)
        start = 0
        if behaviour.status != 200:
            self.send_error(behaviour.status)
            return
        if wanted and behaviour.has_ranges:
            start = int(wanted.removeprefix("bytes=").removesuffix("-"))
            if start >= len(behaviour.content):
                self.send_error(416)
                return
            self.send_response(206)
            self.send_header(
                "Content-Range", f"bytes {start}-{len(behaviour.content) - 1}/{len(behaviour.content)}"
            )
        else:
            self.send_response(200)
        body = behaviour.content[start:]
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: behaviour.cuts.pop(0)] if behaviour.cuts else body)

    def log_message(self, *arguments: object) -> None: ...


@pytest.fixture
def server() -> Iterator[tuple[str, Behaviour]]:
    behaviour = Behaviour()
    handler = type("OwnHandler", (Handler,), {"behaviour": behaviour})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as http:
        threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        yield f"http://127.0.0.1:{http.server_address[1]}/RN50.pt", behaviour
        http.shutdown()


Server = tuple[str, Behaviour]


def get(url: str, path: Path) -> Path:
    return download(url, path, sha256=SHA256, size=len(CONTENT))


def partial(path: Path, content: bytes = b"") -> Path:
    part = path.with_name(path.name + ".part")
    if content:
        part.write_bytes(content)
    return part


def test_a_file_is_downloaded_once(server: Server, tmp_path: Path) -> None:
    url, behaviour = server
    path = tmp_path / "a" / "b" / "RN50 ★.pt"
    assert get(url, path) == path
    assert path.read_bytes() == CONTENT
    assert not partial(path).exists()
    assert get(url, path) == path
    assert behaviour.ranges == [None]


def test_a_partial_file_is_completed(server: Server, tmp_path: Path) -> None:
    url, behaviour = server
    partial(tmp_path / "RN50.pt", CONTENT[:1000])
    assert get(url, tmp_path / "RN50.pt").read_bytes() == CONTENT
    assert behaviour.ranges == ["bytes=1000-"]


def test_a_whole_partial_file_only_needs_its_name(server: Server, tmp_path: Path) -> None:
    url, behaviour = server
    partial(tmp_path / "RN50.pt", CONTENT)
    assert get(url, tmp_path / "RN50.pt").read_bytes() == CONTENT
    assert behaviour.ranges == [f"bytes={len(CONTENT)}-"]


def test_broken_connections_are_taken_up_where_they_broke(server: Server, tmp_path: Path) -> None:
    url, behaviour = server
    behaviour.cuts = [5000, 1, 70_000]
    assert get(url, tmp_path / "RN50.pt").read_bytes() == CONTENT
    assert behaviour.ranges == [None, "bytes=5000-", "bytes=5001-", "bytes=75001-"]


def test_a_connection_that_brings_nothing_ends_the_download_and_keeps_the_part(
    server: Server, tmp_path: Path
) -> None:
    url, behaviour = server
    behaviour.cuts = [5000, 0]
    path = tmp_path / "RN50.pt"
    with pytest.raises(ConnectionError, match="the connection broke after 5000 of 2048000 bytes"):
        get(url, path)
    assert not path.exists()
    assert partial(path).read_bytes() == CONTENT[:5000]
    assert get(url, path).read_bytes() == CONTENT
    assert behaviour.ranges[-1] == "bytes=5000-"


def test_a_server_without_ranges_starts_again(server: Server, tmp_path: Path) -> None:
    url, behaviour = server
    behaviour.has_ranges = False
    partial(tmp_path / "RN50.pt", b"x" * 1000)
    assert get(url, tmp_path / "RN50.pt").read_bytes() == CONTENT


def test_a_server_without_ranges_that_always_breaks_is_given_up(server: Server, tmp_path: Path) -> None:
    url, behaviour = server
    behaviour.has_ranges, behaviour.cuts = False, [4000] * 9
    with pytest.raises(ConnectionError, match="broke after 4000 of"):
        get(url, tmp_path / "RN50.pt")
    assert len(behaviour.ranges) == 2


@pytest.mark.parametrize("start", [b"", b"other"])
def test_wrong_bytes_are_discarded(server: Server, tmp_path: Path, start: bytes) -> None:
    url, behaviour = server
    behaviour.content = CONTENT[:-1] + b"?"
    path = tmp_path / "RN50.pt"
    part = partial(path, start)
    with pytest.raises(ValueError, match=f"{url} must have sha256 {SHA256}"):
        get(url, path)
    assert not path.exists()
    assert not part.exists()
    behaviour.content = CONTENT
    assert get(url, path).read_bytes() == CONTENT


def test_a_partial_file_longer_than_the_whole_is_discarded(server: Server, tmp_path: Path) -> None:
    part = partial(tmp_path / "RN50.pt", CONTENT + b"more")
    with pytest.raises(ValueError, match="try again"):
        get(server[0], tmp_path / "RN50.pt")
    assert not part.exists()


def test_a_file_put_there_by_hand_is_verified(server: Server, tmp_path: Path) -> None:
    path = tmp_path / "RN50.pt"
    path.write_bytes(CONTENT)
    assert get("http://127.0.0.1:1/RN50.pt", path) == path
    path.write_bytes(CONTENT[:100])
    with pytest.raises(ValueError, match=r"RN50\.pt must have sha256 .*: delete it"):
        get(server[0], path)
    assert path.read_bytes() == CONTENT[:100]


@pytest.mark.parametrize("status", [404, 403, 500])
def test_a_refusing_server_gives_one_line(server: Server, tmp_path: Path, status: int) -> None:
    server[1].status = status
    with pytest.raises(ConnectionError, match=f"HTTP Error {status}") as error:
        get(server[0], tmp_path / "RN50.pt")
    assert len(server[1].ranges) == 1
    assert "\n" not in str(error.value)


def closed_port() -> int:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        return int(unused.getsockname()[1])


def test_offline_the_line_says_which_file_to_put_where(tmp_path: Path) -> None:
    url, path = f"http://127.0.0.1:{closed_port()}/RN50.pt", tmp_path / "cache" / "RN50.pt"
    with pytest.raises(ConnectionError) as error:
        get(url, path)
    message = str(error.value)
    assert message.startswith(f"cannot download {url} (")
    assert message.endswith(f"get it elsewhere and put it at {path} (sha256 {SHA256})")
    assert "\n" not in message


def test_two_processes_download_once(server: Server, tmp_path: Path) -> None:
    url, behaviour = server
    script = "import sys, pathlib, cris.weights as w; "
    script += "w.download(sys.argv[1], pathlib.Path(sys.argv[2]), sha256=sys.argv[3], size=1)"
    command = [sys.executable, "-c", script, url, str(tmp_path / "RN50.pt"), SHA256]
    processes = [subprocess.Popen(command) for _ in range(2)]
    assert [process.wait(60) for process in processes] == [0, 0]
    assert (tmp_path / "RN50.pt").read_bytes() == CONTENT
    assert behaviour.ranges == [None]


def test_an_interrupted_download_is_taken_up_by_the_next(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url, behaviour = server
    monkeypatch.setattr("cris.weights.CHUNK_BYTES", 4096)

    def interrupt(task: object, completed: int) -> None:
        if completed >= 8192:
            raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(
            "rich.progress.Progress.update", lambda self, task, completed: interrupt(task, completed)
        )
        with pytest.raises(KeyboardInterrupt):
            get(url, tmp_path / "RN50.pt")
    assert partial(tmp_path / "RN50.pt").stat().st_size == 8192
    assert get(url, tmp_path / "RN50.pt").read_bytes() == CONTENT
    assert behaviour.ranges == [None, "bytes=8192-"]


def test_nothing_is_printed_where_there_is_no_terminal(
    server: Server, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    get(server[0], tmp_path / "RN50.pt")
    assert capfd.readouterr() == ("", "")


def test_a_terminal_sees_progress(
    server: Server, tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")  # rich asks this, we the stream
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    get(server[0], tmp_path / "RN50.pt")
    out, err = capfd.readouterr()
    assert out == ""
    assert "RN50.pt" in err
    assert "2.0/2.0 MB" in err


def test_cache_folder_follows_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CRIS_CACHE", str(tmp_path))
    assert cache_folder() == tmp_path
    monkeypatch.delenv("CRIS_CACHE")
    monkeypatch.setattr(Path, "home", lambda: tmp_path / "me")
    assert cache_folder() == tmp_path / "me" / ".cache" / "cris"


RESOLVE = """
import sys
from cris.registry import resolve
for address in sys.argv[1:]:
    try:
        print(resolve(address, "model" if address.count("/") == 3 else "clip"))
    except (ValueError, ConnectionError) as error:
        print(f"{type(error).__name__}: {error}")
"""


def test_hub_addresses_give_files_of_our_own(tmp_path: Path) -> None:
    repository = "hf://timm/resnet50_clip.openai@main"
    addresses = [
        repository,
        f"{repository}/open_clip.safetensors",
        f"{repository}/none.bin",
        "hf://a/b@c/d.bin",
    ]
    checkpoint = ("config.json", "model.safetensors", "tokenizer.json", "README.md")
    with running_hub() as hub:
        files = {name: name.encode() for name in (*checkpoint, "open_clip.safetensors", "other.bin")}
        commit = hub.put("timm/resnet50_clip.openai", files)
        environment = os.environ | hub_environment(hub, tmp_path)
        command = [sys.executable, "-c", RESOLVE, *addresses]
        done = subprocess.run(
            command, capture_output=True, text=True, env=environment, check=True, timeout=120
        )
    folder = tmp_path / "cache" / "hub" / f"timm--resnet50_clip.openai@{commit}"
    file = folder.with_name("timm--resnet50_clip.openai@main") / "open_clip.safetensors"
    assert done.stdout.splitlines() == [
        str(folder),
        str(file),
        f"InputError: the hub has no {addresses[2]}: check repository, revision and file",
        "InputError: the hub has no hf://a/b@c/d.bin: check repository, revision and file; if it is private, "
        "log in with `hf auth login` or set HF_TOKEN",
    ]
    assert file.read_text() == file.name
    assert {path.name for path in folder.iterdir() if path.is_file()} == set(checkpoint)
    for name in checkpoint:
        assert not (folder / name).is_symlink()
        assert (folder / name).read_text() == name


def test_a_hub_that_cannot_be_reached_gives_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CRIS_CACHE", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    place = tmp_path / "hub" / "timm--resnet50_clip.openai@main" / "open_clip_model.safetensors"
    with pytest.raises(ConnectionError) as error:
        download_from_hub("timm/resnet50_clip.openai", "main", ["open_clip_model.safetensors"])
    message = str(error.value)
    assert message.startswith(
        "cannot download hf://timm/resnet50_clip.openai@main/open_clip_model.safetensors ("
    )
    assert message.endswith(f"get it elsewhere and put it at {place}")
    assert "\n" not in message
    place.write_bytes(b"weights")
    folder = download_from_hub("timm/resnet50_clip.openai", "main", ["open_clip_model.safetensors"])
    assert folder == place.parent
