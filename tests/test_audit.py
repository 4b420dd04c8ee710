"""`make audit` fails on what is known against a locked version, and only tells when nobody could be asked."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

CHECKOUT = Path(__file__).resolve().parents[1]
NOT_DONE = "audit: NOT DONE, the service cannot be asked: "


class Advisories(ThreadingHTTPServer):
    """A database of advisories like OSV's.

    Attributes:
        status: of every answer.
        known: advisories by the version they are about.
        silent: nothing is answered before this server ends.
        asked: name and version of each question.
    """

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answer)
        self.url = f"http://127.0.0.1:{self.server_port}/query"
        self.status = 200
        self.body = "{}"
        self.known: dict[str, list[dict[str, Any]]] = {}
        self.silent = False
        self.ends = threading.Event()
        self.asked: list[str] = []


class _Answer(BaseHTTPRequestHandler):
    server: Advisories

    def do_POST(self) -> None:
        question = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        version = f"{question['package']['name']}=={question['version']}"
        self.server.asked.append(version)
        if self.server.silent:
            self.server.ends.wait()
        known = self.server.known.get(version)
        body = (json.dumps({"vulns": known}) if known else self.server.body).encode()
        self.send_response(self.server.status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def serving() -> Iterator[Advisories]:
    with Advisories() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server
        finally:
            server.ends.set()
            server.shutdown()
            thread.join()


@pytest.fixture
def service() -> Iterator[Advisories]:
    with serving() as server:
        yield server


@pytest.fixture
def lock(tmp_path: Path) -> Path:
    path = tmp_path / "requirements.txt"
    path.write_text("".join(f"{name}==1.0 --hash=sha256:{'0' * 64}\n" for name in ("sound", "rotten")))
    return path


def advisory(identifier: str, package: str, mended: str) -> dict[str, Any]:
    events = [{"introduced": "0"}, {"fixed": mended}]
    affected = {"package": {"name": package, "ecosystem": "PyPI"}, "ranges": [{"type": "ECOSYSTEM", "events": events}]}
    return {"id": identifier, "summary": "bad", "affected": [affected]}


def audit(lock: Path, url: str, *arguments: str) -> tuple[int, str]:
    command = [sys.executable, "tools/audit.py", "--service", url, *arguments, str(lock)]
    done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=False, timeout=60)
    assert done.stderr == ""
    return done.returncode, done.stdout


def test_every_locked_version_is_asked_about(service: Advisories, lock: Path):
    assert audit(lock, service.url) == (0, "audit: nothing is known against 2 locked versions\n")
    assert sorted(service.asked) == ["rotten==1.0", "sound==1.0"]


def test_what_is_known_is_told_and_fails_unless_it_is_accepted(service: Advisories, lock: Path):
    service.known["rotten==1.0"] = [advisory("OSV-1", "rotten", "1.1")]
    told = "rotten 1.0: OSV-1, mended in 1.1\naudit: FAILED, 1 known against 2 locked versions\n"
    assert audit(lock, service.url) == (1, told)
    accepted = "audit: nothing is known against 2 locked versions (but OSV-1, which was accepted)\n"
    assert audit(lock, service.url, "--accept", "OSV-1") == (0, accepted)


@pytest.mark.parametrize(("status", "body"), [(503, "{}"), (200, "<html>sign in</html>")])
def test_a_service_that_is_out_of_order_is_told_and_does_not_fail(
    service: Advisories, lock: Path, status: int, body: str
):
    service.status, service.body = status, body
    code, said = audit(lock, service.url)
    assert code == 0
    assert said.startswith(NOT_DONE)


def test_a_service_that_cannot_be_reached_is_told_and_does_not_fail(lock: Path):
    with serving() as gone:
        pass
    code, said = audit(lock, gone.url)
    assert code == 0
    assert said.startswith(NOT_DONE)
    assert "Connection refused" in said


def test_a_silent_service_is_given_up(service: Advisories, lock: Path):
    service.silent = True
    assert audit(lock, service.url, "--limit", "1.5") == (0, f"{NOT_DONE}no answer in 1.5 s\n")


def test_an_audit_that_cannot_work_fails(service: Advisories, lock: Path):
    lock.write_text("sound>=1.0\n")
    code, said = audit(lock, service.url)
    assert code == 1
    assert said.endswith("audit: FAILED, nothing was checked\n")
    assert service.asked == []
