"""Images at an address: fetched from hosts that were named, and from no private address otherwise."""

import asyncio
import ipaddress
import re
import socket
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import httpx

from cris.errors import InputError
from cris.serving.limits import Limits, RefusalError

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
_PORTS = {"http": 80, "https": 443}
_MOST_REDIRECTS = 5
_REDIRECTS = (301, 302, 303, 307, 308)
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_HOST = re.compile(r"(\*|(?:\*\.)?[\w.-]+|\[[0-9a-fA-F:.]+\])(?::(\d{1,5}))?")


@dataclass(frozen=True, slots=True)
class ImageHost:
    """Host, or pattern of hosts, that images may be fetched from."""

    name: str
    """Name in small letters of ASCII; `*.example.org` is for the hosts below it, `*` for all public ones."""
    port: int | None = None
    """Port; None for those of http and https, 80 and 443."""

    @classmethod
    def parse(cls, text: str) -> "ImageHost":
        """Return the host of `HOST`, `HOST:PORT`, `*.HOST` or `*`; raise InputError for anything else."""
        match = _HOST.fullmatch(text)
        if match is None or int(match[2] or 1) not in range(1, 65536):
            raise InputError(f"an image host must be HOST, HOST:PORT, *.HOST or *, got {text!r}")
        head, dot, name = match[1].rpartition("*.")
        try:
            plain = _plain(httpx.URL(f"http://{name}")) if name != "*" else name
        except httpx.InvalidURL as error:
            raise InputError(f"{text!r} is no name of a host: {error}") from error
        return cls(f"{head}{dot}{plain}", int(match[2]) if match[2] else None)

    @classmethod
    def of_url(cls, url: str, name: str) -> "ImageHost":
        """Return the host of an http or https address, which `name` stands for; raise InputError."""
        try:
            parsed = httpx.URL(url)
            if parsed.scheme in _PORTS and parsed.host and not parsed.userinfo:
                return cls(_plain(parsed), parsed.port or _PORTS[parsed.scheme])
        except httpx.InvalidURL:
            pass
        raise InputError(f"{name} must be an address such as https://labels.example.org, got {url!r}")

    def permits(self, host: str, port: int) -> bool:
        """Return whether images may come from this host at this port."""
        if port not in (_PORTS.values() if self.port is None else (self.port,)):
            return False
        return self.name in ("*", host) or (self.name.startswith("*.") and host.endswith(self.name[1:]))


@dataclass(frozen=True, slots=True)
class _Target:
    """Checked address of an image."""

    url: httpx.URL
    host: str
    port: int
    is_named: bool
    """True if this very host was named, which then may have a private address."""


async def fetch_image(
    url: str,
    hosts: Sequence[ImageHost],
    limits: Limits,
    *,
    origin: str = "",
    headers: Mapping[str, str] | None = None,
) -> bytes:
    """Return what is at an http or https address, unread: at most `body_bytes`, in at most `seconds`.

    Each redirect is checked as the address itself is. The connection goes to the very address that was
    checked, so that a name that changes its meaning in between leads nowhere else. Proxies that the
    environment names are not used, as what they connect to cannot be checked.

    Args:
        url: address of the image.
        hosts: that it may be fetched from.
        limits: of the server.
        origin: address of the host, with scheme and port, that the headers are for, and no other gets.
        headers: such as the key to this host.

    Raises RefusalError: the host was not named, is at a private address, or gave no image.
    """
    try:
        async with asyncio.timeout(limits.seconds):
            for _ in range(1 + _MOST_REDIRECTS):
                target = _checked(url, hosts)
                own = headers if origin and _origin(target.url) == _origin(httpx.URL(origin)) else None
                answer = await _ask(target, limits, own or {})
                if isinstance(answer, bytes):
                    return answer
                url = answer
    except TimeoutError:
        raise _no_image(f"no image within {limits.seconds:g} s", "ask again, or use a faster host") from None
    raise _no_image(f"more than {_MOST_REDIRECTS} redirects", "use the address that they lead to")


def _checked(url: str, hosts: Sequence[ImageHost]) -> _Target:
    """Return the target; raise RefusalError for an address that is none, or of a host that was not named."""
    try:
        parsed = httpx.URL(url)
        host, port = _plain(parsed), parsed.port or _PORTS.get(parsed.scheme, 0)
    except (httpx.InvalidURL, ValueError) as error:
        raise _no_image(
            "expected the address of an image, got something else", "see the task's data"
        ) from error
    if parsed.scheme not in _PORTS or not host:
        raise _no_image(
            f"expected an image at http, https or data:, got {parsed.scheme[:20]!r}",
            "give its address, upload it, or connect its storage with pre-signed URLs",
        )
    if parsed.userinfo or "\\" in url or any(sign <= " " or sign == "\x7f" for sign in url):
        raise _no_image(
            "expected an address without user, \\, blanks and control characters", "leave them out"
        )
    permitting = [each for each in hosts if each.permits(host, port)]
    if not permitting:
        raise RefusalError(
            403,
            "image_host",
            f"{_shown(host, port, parsed.scheme)} is not among the hosts that images may come from",
            "start the server with it in --image-hosts",
        )
    return _Target(parsed, host, port, any(each.name == host for each in permitting))


async def post_json(url: str, content: bytes, hosts: Sequence[ImageHost], limits: Limits) -> bytes:
    """Return the answer to a POST of JSON, under the rules of `fetch_image`, without redirects."""
    try:
        async with asyncio.timeout(limits.seconds):
            target = _checked(url, hosts)
            answer = await _ask(target, limits, {"Content-Type": "application/json"}, content)
    except TimeoutError:
        raise _no_image(f"{url}: no answer within {limits.seconds:g} s", "ask again") from None
    if isinstance(answer, str):
        raise _no_image(f"{target.host} redirects a POST", "use the address that it leads to")
    return answer


async def _ask(
    target: _Target, limits: Limits, headers: Mapping[str, str], posted: bytes | None = None
) -> bytes | str:
    """Return the content, or the address that a redirect leads to."""
    # one client a request: connections to one address are not shared by the names that have it
    async with httpx.AsyncClient(verify=_tls(), trust_env=False, timeout=limits.seconds) as client:
        for address in await _addresses(target):
            request = client.build_request(
                "GET" if posted is None else "POST",
                target.url.copy_with(host=str(address)),
                content=posted,
                headers={
                    **headers,
                    "Host": target.url.netloc.decode("ascii"),
                    "Accept": "*/*",
                    "Accept-Encoding": "identity",
                },
                extensions={"sni_hostname": target.url.raw_host.decode("ascii")},
            )
            try:
                response = await client.send(request, stream=True)
            except (httpx.ConnectError, httpx.ConnectTimeout):
                continue
            except (httpx.HTTPError, httpx.InvalidURL) as error:
                raise _no_image(f"{target.host}: {type(error).__name__}", "see whether it answers") from error
            try:
                return await _content(response, target, limits)
            except httpx.HTTPError as error:
                raise _no_image(f"{target.host}: {type(error).__name__}", "see whether it answers") from error
            finally:
                await response.aclose()
    raise _no_image(f"cannot connect to {target.host}", "see whether it answers")


async def _content(response: httpx.Response, target: _Target, limits: Limits) -> bytes | str:
    if response.status_code in _REDIRECTS and "location" in response.headers:
        try:
            return str(target.url.join(response.headers["location"]))
        except (httpx.InvalidURL, ValueError):
            raise _no_image(f"{target.host} redirects to no address", "use another address") from None
    if response.status_code != 200:
        raise _no_image(
            f"{target.host} answers {response.status_code}",
            "see whether the image is there, and whether it needs a key (docs/label-studio.md)",
        )
    content = bytearray()
    async for piece in response.aiter_raw():
        content += piece
        if len(content) > limits.body_bytes:
            raise RefusalError(
                413,
                "image_too_large",
                f"expected an image of at most {limits.body_bytes:,} bytes, got more",
                "use a smaller image, or start the server with a larger --max-body",
            )
    return bytes(content)


async def _addresses(target: _Target) -> list[Address]:
    """Return the addresses of a host that may be connected to, in the resolver's order."""
    try:
        found = await asyncio.get_running_loop().getaddrinfo(
            target.url.raw_host, target.port, type=socket.SOCK_STREAM
        )
        addresses = [ipaddress.ip_address(each[4][0]) for each in found]
    except (OSError, ValueError) as error:
        raise _no_image(f"there is no host {target.host[:100]}", "see the task's data") from error
    permitted = [each for each in addresses if _is_permitted(each, target)]
    if not permitted:
        raise RefusalError(
            403,
            "private_address",
            f"{target.host[:100]} is at a private address",
            "start the server with this very host in --image-hosts, if images are to come from it",
        )
    return permitted


def _is_permitted(address: Address, target: _Target) -> bool:
    """Return whether it is public, or private and of the very host that was named.

    Link-local and other special addresses, where clouds tell their keys, have to be named as numbers.
    """
    inner = _unwrapped(address)
    if inner.is_global and not inner.is_multicast and not inner.is_reserved:
        return True
    is_special = inner.is_link_local or inner.is_multicast or inner.is_unspecified or inner.is_reserved
    return target.is_named and (inner.is_loopback or not is_special or target.host == str(address))


def _unwrapped(address: Address) -> Address:
    """Return the IPv4 address that stands in an IPv6 one, if any does."""
    if isinstance(address, ipaddress.IPv6Address):
        if address in _NAT64:
            return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        return address.ipv4_mapped or address.sixtofour or address
    return address


@cache
def _tls() -> ssl.SSLContext:
    return ssl.create_default_context()


def _origin(url: httpx.URL) -> tuple[str, str, int | None]:
    return url.scheme, _plain(url), url.port or _PORTS.get(url.scheme)


def _plain(url: httpx.URL) -> str:
    """Return the host as it is connected to: international names in their form of ASCII (xn--…)."""
    return url.raw_host.decode("ascii").lower().rstrip(".")


def _shown(host: str, port: int, scheme: str) -> str:
    name = f"[{host[:100]}]" if ":" in host else host[:100]
    return name if port == _PORTS[scheme] else f"{name}:{port}"


def _no_image(detail: str, hint: str) -> RefusalError:
    return RefusalError(422, "no_image", detail, hint)
