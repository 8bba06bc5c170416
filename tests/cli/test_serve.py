"""What `cris serve` is told on the command line."""

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from cris.cli.errors import UsageError
from cris.cli.serve import Command
from cris.errors import InputError
from cris.registry import resolve

if TYPE_CHECKING:
    from cris.serving.label_studio import LabelStudioSettings


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_the_key_of_a_file_is_its_text_alone(encoding: str, tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text("secret\r\n", encoding=encoding)
    assert Command(model="cris-scenes", api_key_file=path)._key() == "secret"


def test_a_key_in_another_encoding_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text("secret\n", encoding="utf-16")
    with pytest.raises(InputError, match="key must be in UTF-8, it is in UTF-16"):
        Command(model="cris-scenes", api_key_file=path)._key()


def label_studio(*hosts: str) -> "LabelStudioSettings":
    pytest.importorskip("fastapi")
    return Command(model="cris-scenes", label_studio=True, image_hosts=hosts)._label_studio(
        resolve("cris-scenes")
    )


@pytest.fixture(autouse=True)
def no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LABEL_STUDIO_URL", raising=False)
    monkeypatch.delenv("LABEL_STUDIO_API_KEY", raising=False)


def test_label_studio_s_address_is_a_host_that_images_may_come_from(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LABEL_STUDIO_URL", "http://localhost:8080")
    monkeypatch.setenv("LABEL_STUDIO_API_KEY", "secret")
    settings = label_studio("images.example.org")
    assert [(each.name, each.port) for each in settings.image_hosts] == [
        ("images.example.org", None),
        ("localhost", 8080),
    ]
    assert (settings.url, settings.key) == ("http://localhost:8080", "secret")


def test_label_studio_s_key_needs_an_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LABEL_STUDIO_API_KEY", "secret")
    with pytest.raises(InputError, match="LABEL_STUDIO_API_KEY needs LABEL_STUDIO_URL"):
        label_studio()


def test_label_studio_s_key_can_stand_in_a_header(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LABEL_STUDIO_URL", "http://localhost:8080\n")
    monkeypatch.setenv("LABEL_STUDIO_API_KEY", "secret\n")  # as files of secrets end
    assert (label_studio().url, label_studio().key) == ("http://localhost:8080", "secret")
    for key in ("two words", "schlüssel"):
        monkeypatch.setenv("LABEL_STUDIO_API_KEY", key)
        with pytest.raises(InputError, match="LABEL_STUDIO_API_KEY must be a key of Label Studio"):
            label_studio()


@pytest.mark.parametrize("url", ["localhost:8080", "ftp://a.org", "http://user@a.org", "http://"])
def test_label_studio_s_address_is_checked(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LABEL_STUDIO_URL", url)
    with pytest.raises(InputError, match="LABEL_STUDIO_URL must be an address"):
        label_studio()


def test_image_hosts_are_for_label_studio() -> None:
    with pytest.raises(UsageError, match="--image-hosts is for --label-studio"):
        Command(model="cris-scenes", image_hosts=("a.org",)).run()
