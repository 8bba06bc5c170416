"""Which file system a text means, and which path in it."""

import pytest

from cris.batch.storage import is_local, open_url


@pytest.mark.parametrize("name", ["a", "a::b", "s3::b", "memory::b", "a::b::c.jpg", "simplecache::b"])
def test_text_without_a_protocol_is_a_path_here(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for text in (name, str(tmp_path / name), f"file://{tmp_path}/{name}"):
        filesystem, path = open_url(text)
        assert is_local(filesystem)
        assert path == str(tmp_path / name)


def test_a_name_in_a_store_may_have_double_colons():
    filesystem, path = open_url("s3://bucket/12::30.jpg")
    assert not is_local(filesystem)
    assert path == "bucket/12::30.jpg"


def test_chains_of_protocols_are_opened():
    filesystem, path = open_url("simplecache::memory://folder")
    assert type(filesystem).__name__ == "SimpleCacheFileSystem"
    assert path == "/folder"
