"""A responder for systemd and its like: `python -m acmez_tls_alpn --directory DIR [--backend HOST:PORT]`."""

from __future__ import annotations

import argparse
import signal
import sys
import threading
from pathlib import Path

from acmez.acme.errors import AcmeError
from acmez.answer_store import DirectoryStore

from .answers import StoredAnswers
from .backend import Backend
from .front import Front


def main() -> int:
    """Answer until SIGTERM or SIGINT; return 1 if it cannot listen."""
    parser = argparse.ArgumentParser(prog="acmez_tls_alpn", description="answer tls-alpn-01 for other processes")
    parser.add_argument("--directory", type=Path, required=True, help="where the solvers put their answers")
    parser.add_argument("--backend", metavar="HOST:PORT", help="gets every connection that is not a CA's")
    parser.add_argument("--proxy-protocol", action="store_true", help="tell the backend each client's address")
    parser.add_argument("--port", type=int, default=443)
    parser.add_argument("--host", default="", help="a name or an address; by default all of this machine")
    given = parser.parse_args()
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    try:
        backend = Backend.parse(given.backend, proxy_protocol=given.proxy_protocol) if given.backend else None
        answers = StoredAnswers(DirectoryStore(given.directory))
        with Front(answers.find, port=given.port, host=given.host, backend=backend) as front:
            sys.stderr.write("".join(f"listening on {host} port {port}\n" for host, port in front.addresses))
            sys.stderr.flush()
            ended.wait()
    except AcmeError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
