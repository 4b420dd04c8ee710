"""The embedded CA from the command line: `python -m acmez_testkit [--port PORT] [--root FILE]`."""

from __future__ import annotations

import argparse
import errno
import math
import os
import signal
import sys
import tempfile
import threading
from ipaddress import ip_address
from pathlib import Path

from acmez_testkit.behaviour import Behaviour
from acmez_testkit.ca import EmbeddedCA
from acmez_testkit.faults import Delay


def main() -> int:
    """Serve until Ctrl-C or SIGTERM; return 1 if it cannot listen or cannot write the root."""
    given = _parser().parse_args()
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    behaviour = Behaviour(port=given.port, http_port=given.http_port, tls_port=given.tls_port, resolver=given.resolver)
    with tempfile.TemporaryDirectory(prefix="acmez-testkit-") as directory:
        root = given.root or Path(directory, "root.pem")
        try:
            with EmbeddedCA(behaviour) as ca:
                if given.latency:
                    ca.faults.add("*", Delay(given.latency), times=None)
                ca.write_trust(root)
                _tell(ca, root)
                ended.wait()
        except OSError as error:
            why = "is in use" if error.errno == errno.EADDRINUSE else os.strerror(error.errno or 0).lower()
            sys.stderr.write(f"{error.filename or f'port {given.port}'}: {why}\n")
            return 1
    return 0


def _tell(ca: EmbeddedCA, root: Path) -> None:
    behaviour = ca.behaviour
    names = "127.0.0.1" if behaviour.resolver is None else f"what {_written(behaviour.resolver)} says"
    lines = (
        f"directory: {ca.directory_url}",
        f"root: {root}",
        f"http-01: port {behaviour.http_port}, tls-alpn-01: port {behaviour.tls_port}, every name: {names}",
        "It is NOT A CA: nobody trusts what it signs, and it forgets everything when Ctrl-C ends it.",
    )
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    sys.stdout.flush()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m acmez_testkit",
        description="Serve ACME on 127.0.0.1, for tests and for trying out. It is NOT A CA.",
    )
    add = parser.add_argument
    add("--port", type=_port, default=14000, help="port of the API (%(default)s); 0: a free one")
    add("--root", type=Path, metavar="FILE", help="where to write what clients have to trust (a temporary file)")
    add("--http-port", type=_port, default=5002, metavar="PORT", help="stands in for port 80 (%(default)s)")
    add("--tls-port", type=_port, default=5001, metavar="PORT", help="stands in for port 443 (%(default)s)")
    add("--latency", type=_seconds, default=0.0, metavar="SECONDS", help="answer each request so much later")
    add("--resolver", type=_address, metavar="ADDRESS:PORT", help="DNS server to ask; none: names are 127.0.0.1")
    return parser


def _port(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and int(text) < 65536):
        raise argparse.ArgumentTypeError(f"expected a port, got {text!r}")
    return int(text)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 <= seconds < math.inf:
        raise argparse.ArgumentTypeError(f"expected seconds, got {text!r}")
    return seconds


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    try:
        return str(ip_address(host.removeprefix("[").removesuffix("]"))), _port(port)
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected 'address:port', got {text!r}") from None


def _written(address: tuple[str, int]) -> str:
    host, port = address
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


if __name__ == "__main__":
    sys.exit(main())
