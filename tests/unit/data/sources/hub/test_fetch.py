"""Data sets by hub id, from a hub of our own."""

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from cris.data.sources.hub.fetch import locate

REVISION = "a5dff0b3194715fda69b2d6a0d2aaafb41eaa407"
HUB = textwrap.dedent(
    """
    import json, os, sys, threading
    from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

    FILES = ["README.md", "data/val-00000-of-00001.parquet", "finetune_refcoco+_val.json", "../up.parquet"]

    class Hub(BaseHTTPRequestHandler):
        def do_HEAD(self):
            self.answer()
        def do_GET(self):
            self.answer()
        def answer(self):
            if not os.environ.get("IS_UP"):
                self.give(503, b"")
            elif self.path.startswith("/api/datasets/lmms-lab/RefCOCO/tree/"):
                rows = [{"type": "file", "path": name, "size": 3, "oid": "0" * 40} for name in FILES]
                self.give(200, json.dumps(rows).encode())
            elif self.path.startswith("/api/datasets/lmms-lab/RefCOCO"):
                rows = [{"rfilename": name} for name in FILES]
                info = {"id": "lmms-lab/RefCOCO", "siblings": rows, "sha": "a" * 40}
                self.give(200, json.dumps(info).encode())
            elif self.path.startswith("/datasets/lmms-lab/RefCOCO/resolve/"):
                self.give(200, self.path.rsplit("/", 1)[1].encode())
            else:
                self.give(404, b"", "RepoNotFound")
        def give(self, status, body, error=None):
            self.send_response(status)
            if error:
                self.send_header("X-Error-Code", error)
            self.send_header("ETag", '"' + "0" * 40 + '"')
            self.send_header("X-Repo-Commit", "a" * 40)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(body)
        def log_message(self, *arguments):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    # the library reads it when it is imported
    os.environ["HF_ENDPOINT"] = f"http://127.0.0.1:{server.server_address[1]}"
    from cris.data.sources.hub.fetch import locate
    for source in sys.argv[1:]:
        try:
            print(locate(source))
        except (ValueError, ConnectionError) as error:
            print(f"{type(error).__name__}: {error}")
    """
)


def run(cache: Path, *sources: str, is_up: bool = True) -> list[str]:
    environment = os.environ | {
        "CRIS_CACHE": str(cache),
        "HF_HOME": str(cache / "hf"),
        "HF_HUB_OFFLINE": "0",
        "IS_UP": "1" if is_up else "",
    }
    command = [sys.executable, "-c", HUB, *sources]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=True, timeout=120)
    return done.stdout.splitlines()


def test_a_pinned_data_set_is_fetched_into_a_folder_of_our_own(tmp_path: Path) -> None:
    address = f"hf://lmms-lab/RefCOCO@{REVISION}"
    folder = tmp_path / "hub-data" / f"lmms-lab--RefCOCO@{REVISION}"
    assert run(tmp_path, address, f"hf://no/one@{REVISION}") == [
        str(folder),
        f"InputError: the hub has no data set hf://no/one@{REVISION}: check repository and revision",
    ]
    assert (folder / "data" / "val-00000-of-00001.parquet").read_text() == "val-00000-of-00001.parquet"
    assert (folder / "finetune_refcoco+_val.json").is_file()
    assert not (folder / "README.md").exists()
    assert not (tmp_path / "hub-data" / "up.parquet").exists()
    assert "README.md" in json.loads((folder / "files.json").read_text())


def test_paths_are_taken_as_they_are() -> None:
    assert locate("some/folder") == Path("some/folder")


@pytest.mark.parametrize("source", ["hf://a/b", "hf://a/b@main", "hf://a/b@HEAD", "hf://a/b@..", "hf:b@c"])
def test_a_revision_must_be_pinned(source: str) -> None:
    with pytest.raises(ValueError, match="must be hf://OWNER/NAME@REVISION, a revision that never moves"):
        locate(source)
