"""A trace is written whatever becomes of the issuance, whole or not at all, and tells no secret."""

from __future__ import annotations

import base64
import json
import pickle
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from acmez_testkit import Problem
from cryptography.hazmat.primitives.asymmetric import ec

from acmez import Cancelled, CancelScope, CertificateSpec, Challenge, PluginManager, ProblemError
from acmez.acme.nonces import NoncePool
from acmez.tracing import Trace
from tests.solvers import BlindWebSolver, Lab, TxtSolver, WebSolver, fail, laboratory
from tests.tracing.story import one_name

Start = Callable[..., Lab]
NAMES = ["a.example.org", "b.example.org"]


@pytest.fixture
def start() -> Iterator[Start]:
    with ExitStack() as stack:
        yield lambda **behaviour: stack.enter_context(laboratory(**behaviour))


def labels(path: Path) -> set[str]:
    return {event["name"] for event in json.loads(path.read_text())["traceEvents"]}


def test_an_issuance_is_written_in_both_forms(start: Start, tmp_path: Path):
    lab = start()
    trace = Trace()
    client = lab.client(WebSolver(web=lab.web))
    client.watch(trace)
    with trace.writing(tmp_path / "trace.html"), trace.writing(tmp_path / "trace.json"):
        client.obtain(NAMES)
    assert {"newOrder", "present http-01", "proved", "issued"} <= labels(tmp_path / "trace.json")
    page = (tmp_path / "trace.html").read_text()
    assert "a.example.org" in page
    assert (tmp_path / "trace.html").stat().st_mode & 0o777 == 0o600
    assert {path.name for path in tmp_path.iterdir()} == {"trace.html", "trace.json"}


def test_the_page_needs_nothing_else():
    trace = Trace()
    for event in one_name():
        trace(event)
    markup = trace.html().partition('<script type="application/json"')[0]
    assert re.findall(r"""(?:src|href)\s*=|url\(|@import|https?://""", markup) == []
    assert "default-src 'none'" in markup


def test_it_can_be_registered_as_a_plugin(start: Start):
    lab = start()
    trace = Trace()
    plugins = PluginManager(discover=False).register(trace)
    lab.client(WebSolver(web=lab.web), plugins=plugins).obtain(NAMES)
    assert "issued" in {span.label for span in trace.spans()}
    assert len(pickle.loads(pickle.dumps(trace)).spans()) == len(trace.spans())  # noqa: S301 - our own


def test_an_order_that_is_refused_is_written(start: Start, tmp_path: Path):
    lab = start()
    lab.ca.faults.add("new-order", Problem("rejectedIdentifier", "not here", 403))
    trace = Trace()
    client = lab.client(WebSolver(web=lab.web), on_event=trace)
    with pytest.raises(ProblemError), trace.writing(tmp_path / "trace.json"):
        client.obtain(NAMES)
    assert "newOrder" in labels(tmp_path / "trace.json")
    assert [span.failed for span in trace.spans() if span.kind == "issuance"] == [True]


def test_an_issuance_that_is_interrupted_is_written(start: Start, tmp_path: Path):
    lab = start()
    scope = CancelScope()
    trace = Trace()
    client = lab.client(WebSolver(web=lab.web, on_present=lambda challenge, _: scope.cancel()), on_event=trace)
    with pytest.raises(Cancelled), trace.writing(tmp_path / "trace.json"):
        client.obtain(NAMES, scope=scope)
    assert {"ordered", "a.example.org and 1 more"} <= labels(tmp_path / "trace.json")


def test_a_place_that_cannot_be_written_to_is_told_before_anything_happens(tmp_path: Path):
    began = []
    with pytest.raises(FileNotFoundError), Trace().writing(tmp_path / "nowhere" / "trace.html"):
        began.append(1)
    assert began == []


def test_what_was_there_stays_until_all_of_the_new_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    file = tmp_path / "trace.json"
    file.write_text("old")

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space"):
        Trace().write(file)
    assert file.read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["trace.json"]


@pytest.mark.parametrize("kind", ["http-01", "dns-01", "failing"])
def test_it_tells_no_secret(start: Start, monkeypatch: pytest.MonkeyPatch, kind: str):
    lab = start()
    nonces: set[str] = set()
    secrets: set[str] = set()
    put = NoncePool.put

    def note(pool: NoncePool, nonce: str) -> None:
        nonces.add(nonce)
        put(pool, nonce)

    monkeypatch.setattr(NoncePool, "put", note)

    def learn(challenge: Challenge, scope: CancelScope) -> None:
        secrets.update({challenge.key_authorization, challenge.thumbprint})
        if kind != "failing":  # a CA may well tell which URL it did not like, with the token in it
            secrets.add(challenge.token or "")

    solvers: dict[str, WebSolver | TxtSolver] = {
        "http-01": WebSolver(web=lab.web, on_present=learn),
        "dns-01": TxtSolver(zone=lab.zone, on_present=learn),
        "failing": BlindWebSolver(web=lab.web, on_present=learn, on_clean_up=fail),
    }
    keys = [ec.generate_private_key(ec.SECP256R1()) for _ in range(2)]
    trace = Trace()
    client = lab.stranger(solvers[kind], account_key=keys[0], on_event=trace)
    client.register()
    try:
        client.obtain(CertificateSpec(names=tuple(NAMES), key=keys[1]))
    except Exception:  # noqa: BLE001 - as the case may be
        assert kind == "failing"
    for key in keys:
        raw = key.private_numbers().private_value.to_bytes(32, "big")
        secrets |= {raw.hex(), base64.urlsafe_b64encode(raw).decode().rstrip("="), str(int.from_bytes(raw, "big"))}
    assert len(nonces) > 1
    assert len(secrets) >= 9
    for text in (trace.html(), trace.json(), repr(trace.spans())):
        assert NAMES[0] in text
        assert [secret for secret in secrets | nonces if secret in text] == []
