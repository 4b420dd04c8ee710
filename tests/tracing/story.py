"""Events with times that are easy to read, and issuances of a real order."""

from __future__ import annotations

from collections.abc import Iterator

from acmez import events
from acmez.acme.problem import Problem
from acmez.acme.session import Exchange

ORDER = "https://ca.test/order/1"
AUTHZ = "https://ca.test/authz/1"
CHALLENGE = "https://ca.test/challenge/1"
NAME = "www.example.org"


def request(
    operation: str,
    started: float,
    seconds: float,
    url: str = "https://ca.test/x",
    status: int | None = 200,
    opened: bool = False,
    /,
    *,
    order: str = "",
    issuance: str = "",
    identifier: str = "",
) -> events.RequestFinished:
    """Return the event of a request."""
    error = None if status is not None else "connection refused"
    exchange = Exchange(operation, "POST", url, status, started, seconds, 1, error, opened)
    return events.RequestFinished(
        at=started + seconds, exchange=exchange, order=order, issuance=issuance, identifier=identifier
    )


def one_name(*, issuance: str = "a", order: str = ORDER, name: str = NAME, at: float = 0.0) -> Iterator[events.Event]:
    """Yield what happens when one name is proved and a certificate comes, within ten seconds."""
    about = {"order": order, "issuance": issuance}
    of_challenge = {**about, "identifier": name, "challenge_type": "http-01", "solver": "web"}
    yield events.IssuanceStarted(at=at, names=(name,), issuance=issuance)
    yield request("newOrder", at + 0.0, 1.0, f"{ORDER}s", 201, issuance=issuance)
    yield events.OrderCreated(at=at + 1, names=(name,), status="pending", **about)
    yield request("authorization", at + 1.0, 1.0, f"{AUTHZ}?{name}", **about)
    yield events.AuthorizationFetched(
        at=at + 2,
        identifier=name,
        status="pending",
        challenge_types=("http-01",),
        url=f"{AUTHZ}?{name}",
        challenge_urls=(CHALLENGE,),
        **about,
    )
    yield events.ChallengePresented(at=at + 3, seconds=0.5, **of_challenge)
    yield events.ChallengeWaited(at=at + 5, seconds=2.0, **of_challenge)
    yield request("challenge", at + 5.0, 0.5, CHALLENGE, identifier=name, **about)
    yield events.ChallengeAnswered(at=at + 5.5, **of_challenge)
    yield events.AuthorizationValid(at=at + 7, identifier=name, **about)
    yield events.OrderReady(at=at + 7, **about)
    yield events.ChallengeCleanedUp(at=at + 7.5, **of_challenge)
    yield events.OrderFinalized(at=at + 8, status="processing", **about)
    yield events.CertificateIssued(at=at + 9, names=(name,), **about)
    yield events.IssuanceFinished(at=at + 10, names=(name,), seconds=10.0, **about)


def failed_name(detail: str, *, name: str = NAME, issuance: str = "b") -> Iterator[events.Event]:
    """Yield what happens when the CA sees something else, and says *detail*."""
    about = {"order": ORDER, "issuance": issuance}
    of_challenge = {**about, "identifier": name, "challenge_type": "http-01", "solver": "web"}
    problem = Problem("urn:ietf:params:acme:error:unauthorized", detail)
    yield events.IssuanceStarted(at=0.0, names=(name,), issuance=issuance)
    yield events.OrderCreated(at=1, names=(name,), status="pending", **about)
    yield request("challenge", 2.0, 1.0, CHALLENGE, 503, identifier=name, **about)
    yield request("challenge", 3.0, 1.0, CHALLENGE, None, identifier=name, **about)
    yield events.ChallengeAnswered(at=4, **of_challenge)
    yield events.AuthorizationFailed(
        at=6, identifier=name, step="validate", reason=str(problem), problem=problem, **about
    )
    yield events.ChallengeCleanedUp(at=6.5, error="the disk is full", **of_challenge)
    yield events.OrderFailed(at=7, reason=f"{name}: {detail}", **about)
    yield events.IssuanceFinished(
        at=8, names=(name,), seconds=8.0, error=f"{name}: {detail}", error_type="ChallengesFailed", **about
    )


def fleet(count: int) -> Iterator[events.Event]:
    """Yield the events of so many certificates, eight at once."""
    for number in range(count):
        name = f"shop-{number}.example.net"
        yield from one_name(issuance=f"i{number}", order=f"{ORDER}{number}", name=name, at=number / 8)
