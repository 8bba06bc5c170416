"""The container, the proxy before it, and the workflows: read by their linters, and run where they can be."""

import contextlib
import json
import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest
import yaml
from click.testing import CliRunner

import cris
from cris.cli import TERMINATED
from cris.serving.middleware import OPEN_PATHS
from tests.fixtures.plugin import Proof
from tests.packaging.conftest import REPOSITORY

CONTAINERFILE = REPOSITORY / "Containerfile"
COMPOSE = REPOSITORY / "deploy" / "compose.yaml"
WORKFLOWS = sorted((REPOSITORY / ".github" / "workflows").glob("*.yml"))
BUILDER = next(filter(None, map(shutil.which, ("podman", "docker"))), None)
NOBODY = 10001


def instructions() -> list[tuple[str, str]]:
    """The Containerfile's instructions: name, rest of the line."""
    text = re.sub(r"^#.*\n", "", CONTAINERFILE.read_text(encoding="utf-8"), flags=re.MULTILINE).replace(
        "\\\n", " "
    )
    return [
        (name, " ".join(rest.split()))
        for name, _, rest in (line.partition(" ") for line in text.splitlines())
        if rest
    ]


def values(name: str) -> list[str]:
    """What comes after this instruction, in the order of the file."""
    return [rest for found, rest in instructions() if found == name]


@pytest.mark.skipif(sys.platform != "linux", reason="hadolint comes for Linux")
def test_hadolint_accepts_the_containerfile() -> None:
    done = subprocess.run(
        [Path(sys.executable).with_name("hadolint"), CONTAINERFILE], capture_output=True, text=True
    )
    assert (done.returncode, done.stdout) == (0, ""), done.stderr


def test_container_runs_as_nobody_and_checks_itself() -> None:
    assert values("USER") == [f"{NOBODY}:{NOBODY}"]
    (check,) = values("HEALTHCHECK")
    command = json.loads(check.partition(" CMD ")[2])
    assert command[:2] == ["python", "-c"]
    assert any(path in command[2] for path in OPEN_PATHS)


def test_container_copies_only_what_dockerignore_lets_through() -> None:
    ignore = (REPOSITORY / ".dockerignore").read_text(encoding="utf-8").splitlines()
    let_through = {line.removeprefix("!") for line in ignore if line.startswith("!")}
    copied = {name for rest in values("COPY") if "--from" not in rest for name in rest.split()[:-1]}
    assert copied == let_through
    assert all((REPOSITORY / name).exists() for name in copied)
    assert "*" in ignore


def check_schema(schema: str, *files: Path) -> None:
    from check_jsonschema import main as check_jsonschema  # here, as it takes a second

    done = CliRunner().invoke(check_jsonschema, ["--builtin-schema", schema, *map(str, files)])
    assert done.exit_code == 0, done.output


def test_compose_file_is_one() -> None:
    check_schema("vendor.compose-spec", COMPOSE)
    services = yaml.safe_load(COMPOSE.read_text(encoding="utf-8"))["services"]
    assert "ports" not in services["cris"]  # only the proxy is reached from outside
    assert all(each["read_only"] and each["cap_drop"] == ["ALL"] for each in services.values())


def test_proxy_takes_the_largest_body_that_the_server_takes() -> None:
    from cris.cli.serve import Command

    config = (COMPOSE.parent / "nginx.conf").read_text(encoding="utf-8")
    assert f"client_max_body_size {Command.max_body}m;" in config
    assert f"client_body_timeout {Command.timeout:.0f}s;" in config
    assert int(re.findall(r"proxy_read_timeout (\d+)s;", config)[0]) > 2 * Command.timeout


def test_linters_accept_the_workflows() -> None:
    check_schema("vendor.github-workflows", *WORKFLOWS)
    zizmor = [Path(sys.executable).with_name("zizmor"), "--offline", "--min-severity", "medium", *WORKFLOWS]
    done = subprocess.run(zizmor, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_a_workflow_s_actions_are_pinned_and_its_make_targets_exist(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    actions = re.findall(r"uses: (\S+)", text)
    assert [
        each for each in actions if not re.search(r"@[0-9a-f]{40}$", each) and not each.startswith("./")
    ] == []
    makefile = (REPOSITORY / "Makefile").read_text(encoding="utf-8")
    for target in re.findall(r"run: make ([\w-]+)", text):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


READ_ONLY = """
mount --bind "$0" "$0"
mount -o remount,bind,ro /
mount -t tmpfs -o size=64k none /dev/shm
exec "$@"
"""
"""Makes all but one folder read-only for a command; a lock of the page takes 32 bytes of shared memory."""
CAN_MOUNT = (
    sys.platform == "linux"
    and shutil.which("unshare") is not None
    and subprocess.run(["unshare", "--mount", "true"], capture_output=True).returncode == 0
)


def check_answers(command: list[str], port: int, log: Path, **options: object) -> None:
    """Start a server, wait for it, ask, and end it."""
    url = f"http://127.0.0.1:{port}"
    with log.open("wb") as file, subprocess.Popen(command, stderr=file, **options) as server:  # type: ignore[call-overload]
        try:
            for _ in range(240):
                assert server.poll() is None, log.read_text()
                with contextlib.suppress(httpx.HTTPError):
                    if httpx.get(f"{url}/readyz", timeout=2).is_success:
                        break
                time.sleep(0.5)
            image = cris.sample_image().read_bytes()
            asked = httpx.post(
                f"{url}/v1/segment", files={"image": image}, data={"sentence": "the broccoli"}, timeout=60
            )
            assert asked.json()["results"][0]["box"] is not None
        finally:
            server.terminate()
        assert server.wait(timeout=30) in (0, TERMINATED), log.read_text()


@pytest.mark.skipif(not CAN_MOUNT, reason="makes its folders read-only, which takes root on Linux")
def test_container_s_command_needs_no_home_no_shared_memory_and_one_folder_to_write(tmp_path: Path) -> None:
    program = [*json.loads(values("ENTRYPOINT")[0]), *json.loads(values("CMD")[0])]
    assert program[:2] == ["cris", "serve"]
    port = free_port()
    command = ["unshare", "--mount", "sh", "-euc", READ_ONLY, str(tmp_path), sys.executable, "-m"]
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
        "TMPDIR": str(tmp_path),
    }
    log = tmp_path.with_suffix(".log")
    check_answers([*command, *program, "--port", str(port)], port, log, env=environment, cwd="/")


def test_container_is_built_and_answers(prove: Proof, tmp_path: Path) -> None:
    """With CRIS_BUILD_FLAGS and CRIS_RUN_FLAGS for what this machine's builder needs besides."""
    if not prove.is_full or BUILDER is None:
        pytest.skip("builds an image: make prove, where podman or docker is")
    flags = [shlex.split(os.environ.get(name, "")) for name in ("CRIS_BUILD_FLAGS", "CRIS_RUN_FLAGS")]
    subprocess.run([BUILDER, "build", "-t", "cris-test", *flags[0], "."], cwd=REPOSITORY, check=True)
    size = subprocess.check_output([BUILDER, "image", "inspect", "-f", "{{.Size}}", "cris-test"], text=True)
    prove.figure("image, MB", f"{int(size) / 1e6:,.0f}")
    port = free_port()
    hardened = ["--read-only", "--tmpfs", "/tmp", "--cap-drop", "ALL", "--security-opt", "no-new-privileges"]
    is_on_host = "--network=host" in flags[1]
    published = [] if is_on_host else ["-p", f"127.0.0.1:{port}:8000"]
    command = ["serve", "cris-photos", "--host", "0.0.0.0", "--port", str(port if is_on_host else 8000)]
    started = [BUILDER, "run", "--rm", *published, *hardened, *flags[1], "cris-test"]
    check_answers([*started, *command], port, tmp_path / "log")
