"""Which addresses the server fetches images from; Label Studio's tasks name them."""

import asyncio
import ipaddress
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from cris.errors import InputError
from cris.serving import image_fetch
from cris.serving.image_fetch import ImageHost, _checked, _is_permitted, fetch_image
from cris.serving.limits import Limits, RefusalError
from tests.fixtures.label_studio import ImageServer, image_server

CONTENT = b"an image"


@pytest.fixture
def server() -> Iterator[ImageServer]:
    with image_server() as running:
        running.answers["/a.png"] = 200, {}, CONTENT
        yield running


def fetched(url: str, *hosts: str, limits: Limits | None = None, **options: Any) -> bytes:
    named = [ImageHost.parse(host) for host in hosts]
    return asyncio.run(fetch_image(url, named, limits or Limits(), **options))


def refused(url: str, *hosts: str, limits: Limits | None = None) -> str:
    with pytest.raises(RefusalError) as refusal:
        fetched(url, *hosts, limits=limits)
    assert refusal.value.status < 500
    return str(refusal.value.body["error"])


def test_an_image_comes_from_a_host_that_was_named(server):
    assert fetched(f"{server.url}/a.png", f"127.0.0.1:{server.port}") == CONTENT
    assert fetched(f"http://localhost:{server.port}/a.png", f"localhost:{server.port}") == CONTENT
    ((_, first), (_, second)) = server.came
    assert first["Host"] == f"127.0.0.1:{server.port}"
    assert second["Host"] == f"localhost:{server.port}"


@pytest.mark.parametrize("hosts", [[], ["*"], ["127.0.0.1"], ["127.0.0.1:1"], ["example.org"], ["*.0.0.1"]])
def test_no_request_goes_to_a_host_or_port_that_was_not_named(server, hosts):
    assert refused(f"{server.url}/a.png", *hosts) == "image_host"
    assert not server.came


@pytest.mark.parametrize(
    "host",
    [
        *("127.0.0.1", "localhost", "127.1", "2130706433", "0x7f000001", "0177.0.0.1", "0.0.0.0"),
        *("10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "224.0.0.1"),
        *("[::1]", "[::]", "[::ffff:127.0.0.1]", "[fe80::1]", "[fd00::1]", "[64:ff9b::7f00:1]"),
        *("[2002:7f00:1::]", "localhost.", "LOCALHOST"),
    ],
)
def test_private_addresses_are_refused_to_patterns(host):
    assert refused(f"http://{host}/a.png", "*") in ("private_address", "no_image")


@pytest.mark.parametrize(
    ("address", "name", "is_permitted"),
    [
        ("93.184.215.14", "images.example.org", True),
        ("::7f00:1", "*", False),
        ("10.0.0.5", "storage", True),
        ("100.64.0.1", "storage", True),
        ("fd00::1", "storage", True),
        ("169.254.169.254", "storage", False),
        ("169.254.169.254", "169.254.169.254", True),
        ("fe80::1", "storage", False),
        ("0.0.0.0", "storage", False),
    ],
)
def test_a_named_host_may_be_private_but_not_where_clouds_tell_their_keys(address, name, is_permitted):
    import httpx

    from cris.serving.image_fetch import _Target

    target = _Target(httpx.URL(f"http://{name}/"), name, 80, True)
    assert _is_permitted(ipaddress.ip_address(address), target) == is_permitted


@pytest.mark.parametrize(
    "write",
    [
        "http://images.example.org@127.0.0.1:{port}/a.png",
        "http://127.0.0.1:{port}\\@images.example.org/a.png",
        "http://images.example.org:80@127.0.0.1:{port}/",
        "http://127.0.0.1:{port}#@images.example.org/",
        "http://127.0.0.1:{port}?images.example.org/",
        "http://images.example.org\r\n.127.0.0.1:{port}/",
        "//127.0.0.1:{port}/a.png",
        "file:///etc/passwd",
        "ftp://images.example.org/a.png",
        "gopher://127.0.0.1:{port}/",
        "s3://bucket/a.png",
        "http:///a.png",
        "http://",
        "http://[::1",
        "http://images.example.org:99999/",
        "http://" + "a" * 300 + ".example.org/",
        "http://\ud800/",
        "",
    ],
)
def test_tricks_lead_nowhere(server, write):
    assert refused(write.format(port=server.port), "images.example.org", "*.example.org") in (
        "image_host",
        "no_image",
    )
    assert not server.came


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_checked_as_the_address_is(server, status):
    with image_server() as inner:
        inner.answers["/secret"] = 200, {}, b"secret"
        server.answers["/out"] = status, {"Location": f"{inner.url}/secret"}, b""
        server.answers["/on"] = status, {"Location": "/a.png"}, b""
        assert refused(f"{server.url}/out", f"127.0.0.1:{server.port}") == "image_host"
        assert not inner.came
        assert fetched(f"{server.url}/on", f"127.0.0.1:{server.port}") == CONTENT


def test_redirects_in_a_circle_end(server):
    server.answers["/round"] = 302, {"Location": "/round"}, b""
    assert refused(f"{server.url}/round", f"127.0.0.1:{server.port}") == "no_image"
    assert len(server.came) == 6


def test_the_address_that_was_checked_is_the_one_connected_to(server, monkeypatch):
    """A name that means a public address first and the loopback then."""
    answers = iter(["93.184.215.14", "127.0.0.1", "127.0.0.1"])
    asked: list[Any] = []
    real = socket.getaddrinfo
    connected: list[Any] = []

    def rebinding(host, port, *rest, **options):
        if host in (b"rebinding.example.org", "rebinding.example.org"):
            asked.append(host)
            return real(next(answers), port, *rest, **options)
        connected.append(host)
        raise OSError("no network in this test")

    monkeypatch.setattr(socket, "getaddrinfo", rebinding)
    limits = Limits(seconds=2)
    name = f"*.example.org:{server.port}"
    assert refused(f"http://rebinding.example.org:{server.port}/a.png", name, limits=limits) == "no_image"
    assert len(asked) == 1
    assert {str(each) for each in connected} <= {"93.184.215.14"}
    assert not server.came


def test_a_certificate_is_checked_by_the_name_though_the_connection_goes_to_an_address(tmp_path, monkeypatch):
    x509 = pytest.importorskip("cryptography.x509")
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    path = tmp_path / "both.pem"
    path.write_bytes(key.private_bytes(pem, *plain) + certificate.public_bytes(pem))
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(path)
    monkeypatch.setattr(image_fetch, "_tls", lambda: ssl.create_default_context(cafile=str(path)))
    with image_server(tls) as server:
        server.answers["/a.png"] = 200, {}, CONTENT
        hosts = (f"localhost:{server.port}", f"127.0.0.1:{server.port}")
        assert fetched(f"https://localhost:{server.port}/a.png", *hosts) == CONTENT
        assert refused(f"https://127.0.0.1:{server.port}/a.png", *hosts) == "no_image"


def test_a_key_goes_to_its_own_host_alone(server):
    with image_server() as other:
        other.answers["/a.png"] = 200, {}, CONTENT
        server.answers["/out"] = 302, {"Location": f"{other.url}/a.png"}, b""
        hosts = (f"127.0.0.1:{server.port}", f"127.0.0.1:{other.port}")
        options = {"origin": server.url, "headers": {"Authorization": "Token secret"}}
        assert fetched(f"{server.url}/out", *hosts, **options) == CONTENT
        assert server.came[0][1]["Authorization"] == "Token secret"
        assert "Authorization" not in other.came[0][1]


def test_a_large_image_is_refused_as_soon_as_too_much_has_come(server):
    server.answers["/big"] = 200, {}, bytes(2_000_000)
    limits = Limits(body_bytes=1_000_000)
    assert refused(f"{server.url}/big", f"127.0.0.1:{server.port}", limits=limits) == "image_too_large"


def test_what_is_packed_is_not_unpacked(server):
    server.answers["/bomb"] = 200, {"Content-Encoding": "gzip"}, b"packed"
    assert fetched(f"{server.url}/bomb", f"127.0.0.1:{server.port}") == b"packed"


@pytest.mark.parametrize("head", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n"])
def test_a_slow_server_is_given_up(head):
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def drip() -> None:
            connection, _ = listening.accept()
            with connection:
                try:
                    connection.sendall(head)
                    while True:
                        connection.sendall(b"H")
                        time.sleep(0.1)
                except OSError:
                    pass

        threading.Thread(target=drip, daemon=True).start()
        port = listening.getsockname()[1]
        start = time.monotonic()
        host = f"127.0.0.1:{port}"
        assert refused(f"http://{host}/a.png", host, limits=Limits(seconds=0.5)) == "no_image"
        assert time.monotonic() - start < 5


@pytest.mark.parametrize("status", [204, 401, 404, 500])
def test_an_answer_that_is_none_is_told(server, status):
    server.answers["/none"] = status, {}, b""
    assert refused(f"{server.url}/none", f"127.0.0.1:{server.port}") == "no_image"


@pytest.mark.parametrize(
    ("text", "host", "port", "is_permitted"),
    [
        ("images.example.org", "images.example.org", 443, True),
        ("Images.Example.org", "images.example.org", 80, True),
        ("images.example.org", "images.example.org", 8080, False),
        ("images.example.org:8080", "images.example.org", 8080, True),
        ("*.example.org", "images.example.org", 443, True),
        ("*.example.org", "example.org", 443, False),
        ("*.example.org", "badexample.org", 443, False),
        ("*", "anything.org", 443, True),
        ("[::1]:8080", "::1", 8080, True),
    ],
)
def test_hosts_are_named_with_port_and_as_patterns(text, host, port, is_permitted):
    assert ImageHost.parse(text).permits(host, port) == is_permitted


@pytest.mark.parametrize(
    "text", ["", "http://a.org", "a.org/b", "a b", "user@a.org", "a.org:0", "a.org:70000"]
)
def test_a_host_that_is_none_is_refused(text):
    with pytest.raises(InputError, match="an image host must be HOST"):
        ImageHost.parse(text)


@pytest.mark.parametrize("name", ["bücher.example", "xn--bcher-kva.example", "BÜCHER.example"])
def test_international_names_are_the_same_in_either_form(name):
    for url in ("http://bücher.example/a.png", "http://xn--bcher-kva.example/a.png"):
        assert _checked(url, [ImageHost.parse(name)]).is_named
        assert not _checked(url.replace("//", "//a."), [ImageHost.parse(f"*.{name}")]).is_named
