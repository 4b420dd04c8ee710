"""Name servers that a test scripts, and waiters that look at them."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

import dns.flags
import dns.message
import dns.rdatatype
import pytest

from acmez.acme.challenge import Challenge
from acmez.acme.challenges import txt_record
from acmez.acme.identifier import Identifier
from acmez.acme.scope import CancelScope
from acmez.dns import exchange
from acmez.waiters.dns import DnsPropagation, PropagationError
from tests.dns.scripted import Answer, ScriptedServer, answer

ENOUGH = 30.0
SOA = "example.test. 60 IN SOA ns1.example.test. root.example.test. 1 3600 600 86400 30"
Start = Callable[..., ScriptedServer]


def challenge_for(name: str = "example.test", kind: str = "dns-01") -> Challenge:
    return Challenge(
        type=kind,
        url="https://ca.test/challenge/1",
        status="pending",
        identifier=Identifier.dns(name),
        token="tok-EN_1",
        thumbprint="thumb-PRINT_1",
        account_url="https://ca.test/account/1",
        raw={"token": "tok-EN_1", "issuer-domain-names": ["ca.test"]},
    )


CHALLENGE = challenge_for()
NAME = "_acme-challenge.example.test"
VALUE = txt_record(CHALLENGE).value
RECORD = f"{NAME}. 60 IN TXT {VALUE}"


@pytest.fixture
def scope() -> CancelScope:
    return CancelScope(ENOUGH)


@pytest.fixture
def start() -> Iterator[Start]:
    with contextlib.ExitStack() as stack:
        yield lambda *args, **options: stack.enter_context(ScriptedServer(*args, **options).running())


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait for no answer longer than a loopback server needs."""
    monkeypatch.setattr(exchange, "_UDP_PATIENCE", 0.4)


def shows(*lines: str) -> Answer:
    """Answer TXT queries with *lines*, and all others with the zone's SOA."""

    def script(query: dns.message.Message) -> list[dns.message.Message]:
        asked = query.question[0].rdtype
        return [answer(query, *lines) if asked == dns.rdatatype.TXT else answer(query, authority=[SOA])]

    return script


def looking_once(*servers: ScriptedServer, **options: object) -> DnsPropagation:
    return DnsPropagation(
        nameservers=[server.where for server in servers],
        timeout=0.05,
        interval=0.05,
        **options,  # type: ignore[arg-type]
    )


def failure(waiter: DnsPropagation, challenge: Challenge = CHALLENGE) -> str:
    with pytest.raises(PropagationError) as caught:
        waiter.wait(challenge, CancelScope(ENOUGH))
    return str(caught.value)
