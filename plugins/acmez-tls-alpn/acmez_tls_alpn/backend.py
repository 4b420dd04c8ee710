"""Where connections go that are not the CA's."""

from __future__ import annotations

import errno
import ipaddress
import socket
from collections.abc import Iterator
from dataclasses import dataclass

from .errors import TlsAlpnError

_UNDER_WAY = {0, errno.EINPROGRESS, errno.EWOULDBLOCK}


@dataclass(frozen=True, slots=True)
class Backend:
    """A TCP server.

    Attributes:
        text: as the user wrote it.
        addresses: family and socket address of each, in the order to be tried.
        proxy_protocol: begin with a line that tells it the client's address.
    """

    text: str
    addresses: tuple[tuple[int, tuple[str, int]], ...]
    proxy_protocol: bool = False

    @classmethod
    def parse(cls, text: str, *, proxy_protocol: bool = False) -> Backend:
        """Read "host:port" or "[address]:port", and look the host up.

        Raises:
            TlsAlpnError: it is neither, or no such host is known.
        """
        host, colon, port = text.rpartition(":")
        if not (colon and host and port.isascii() and port.isdecimal() and 0 < int(port) < 65536):
            raise TlsAlpnError(f"backend: expected 'host:port', got {text!r}")
        bare = host[1:-1] if host.startswith("[") and host.endswith("]") else host
        if ":" in bare and bare == host:
            raise TlsAlpnError(f"backend: expected 'host:port', got {text!r} (did you mean '[{bare}]:{port}'?)")
        try:
            found = socket.getaddrinfo(bare, int(port), type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            raise TlsAlpnError(f"backend {text!r}: no such host: {error}") from error
        addresses = dict.fromkeys((int(family), (str(address[0]), int(port))) for family, _, _, _, address in found)
        return cls(text, tuple(addresses), proxy_protocol)

    def connect(self) -> Iterator[socket.socket]:
        """Yield a connection under way to each address, for as long as the ones before do not come about."""
        for family, address in self.addresses:
            connection = socket.socket(family, socket.SOCK_STREAM)
            connection.setblocking(False)
            if connection.connect_ex(address) in _UNDER_WAY:
                yield connection
            else:
                connection.close()

    def preface(self, client: socket.socket) -> bytes:
        """Return what the backend gets before the client's own bytes: PROXY protocol, version 1, or nothing."""
        if not self.proxy_protocol:
            return b""
        try:
            (source, source_port), (target, target_port) = client.getpeername()[:2], client.getsockname()[:2]
        except OSError:
            return b"PROXY UNKNOWN\r\n"
        version = 4 if ipaddress.ip_address(source).version == 4 else 6
        return f"PROXY TCP{version} {source} {target} {source_port} {target_port}\r\n".encode()
