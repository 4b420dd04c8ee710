"""Name servers, as users write them and as they are asked."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass, field
from typing import TypeAlias
from urllib.parse import urlsplit

_HOST = re.compile(r"(?!.{254})[A-Za-z0-9_-]{1,63}(\.[A-Za-z0-9_-]{1,63})*\.?\Z")


@dataclass(frozen=True, slots=True)
class Server:
    """A name server at one address.

    Attributes:
        address: IPv4 or IPv6.
        name: for messages.
    """

    address: str
    port: int = 53
    name: str = field(default="", compare=False)

    @property
    def is_ipv6(self) -> bool:
        return ":" in self.address

    def __str__(self) -> str:
        host = f"[{self.address}]" if self.is_ipv6 and self.port != 53 else self.address
        where = host if self.port == 53 else f"{host}:{self.port}"
        return f"{self.name} ({where})" if self.name else where


@dataclass(frozen=True, slots=True)
class HttpsServer:
    """A resolver that is asked over HTTPS (RFC 8484).

    Attributes:
        url: where queries are POSTed.
    """

    url: str

    def __str__(self) -> str:
        return self.url


@dataclass(frozen=True, slots=True)
class NamedServer:
    """A name server whose addresses are looked up when they are needed."""

    host: str
    port: int = 53

    def __str__(self) -> str:
        return self.host if self.port == 53 else f"{self.host}:{self.port}"


#: What can be asked at once.
Asked: TypeAlias = Server | HttpsServer
#: What a user may write.
Written: TypeAlias = Server | HttpsServer | NamedServer


def parse(text: str) -> Written:
    """Read "192.0.2.1", "192.0.2.1:5353", "2001:db8::1", "[2001:db8::1]:5353", "ns1.example.com" or an https URL.

    Raises:
        ValueError: it is none of these.
    """
    if text.startswith("https://"):
        return HttpsServer(_checked_url(text))
    try:
        return Server(str(ipaddress.ip_address(text)))
    except ValueError:
        host, port = _split(text)
    try:
        return Server(str(ipaddress.ip_address(host)), port)
    except ValueError:
        if not _HOST.match(host) or host.replace(".", "").isdigit():
            raise ValueError(f"{text!r} is no name server (write 192.0.2.1, [2001:db8::1]:53 or a name)") from None
    return NamedServer(host.rstrip("."), port)


def parse_plain(text: str) -> Server | NamedServer:
    """Read a server that is asked over port 53 or another one, but not over HTTPS.

    Raises:
        ValueError: it is none.
    """
    server = parse(text)
    if isinstance(server, HttpsServer):
        raise ValueError(f"{text!r} is a URL, not a name server (write 192.0.2.1, [2001:db8::1]:53 or a name)")
    return server


def _split(text: str) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    if not colon:
        return text, 53
    if not port.isdecimal() or not 1 <= int(port) <= 65535:
        raise ValueError(f"{text!r}: {port!r} is not a port (1-65535)")
    return host.removeprefix("[").removesuffix("]"), int(port)


def _checked_url(text: str) -> str:
    try:
        parts = urlsplit(text)
        usable = bool(parts.hostname) and parts.port != 0 and text.isascii() and text.isprintable() and " " not in text
    except ValueError:
        usable = False
    if not usable:
        raise ValueError(f"{text!r} is no URL")
    return text
