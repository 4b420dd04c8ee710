"""One frozen dataclass per thing that happens; observers get them through the hook `acmez_event`."""

from __future__ import annotations

import pathlib  # the module: `acmez.events` offers events alone
import time
from dataclasses import dataclass, field
from datetime import datetime
from typing import ClassVar

from . import current
from .acme.problem import Problem
from .acme.session import Exchange


@dataclass(frozen=True, kw_only=True)
class Event:
    """Something happened.

    Attributes:
        at: when, on the monotonic clock; of what took time, when it ended.
        order: the order's URL, "" before there is one.
        issuance: tells one call of `obtain` from every other, in other processes, too; "" outside of one.
    """

    name: ClassVar[str]

    at: float = field(default_factory=time.monotonic)
    order: str = ""
    issuance: str = field(default_factory=current.issuance)


@dataclass(frozen=True, kw_only=True)
class RequestFinished(Event):
    """A request to the CA was answered, or failed; retried requests give one event each.

    Attributes:
        identifier: whose authorization or challenge it was about, "" if of none, or of none that is known yet.
    """

    name = "request-finished"

    exchange: Exchange
    identifier: str = ""


@dataclass(frozen=True, kw_only=True)
class AccountReady(Event):
    """The account was created or found."""

    name = "account-ready"

    account: str


@dataclass(frozen=True, kw_only=True)
class IssuanceStarted(Event):
    """A certificate is about to be obtained."""

    name = "issuance-started"

    names: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class IssuanceFinished(Event):
    """Nothing more happens for a certificate, be it there or not; every issuance that started ends with this.

    Attributes:
        seconds: since it started, clean-up included.
        error: why there is no certificate; `None`: there is one.
        error_type: the class of the exception, "" if there was none.
    """

    name = "issuance-finished"

    names: tuple[str, ...]
    seconds: float
    error: str | None = None
    error_type: str = ""


@dataclass(frozen=True, kw_only=True)
class OrderCreated(Event):
    """The CA took the order."""

    name = "order-created"

    names: tuple[str, ...]
    status: str


@dataclass(frozen=True, kw_only=True)
class OrderResumed(Event):
    """An order that an earlier process left behind goes on."""

    name = "order-resumed"

    status: str


@dataclass(frozen=True, kw_only=True)
class IdentifierEvent(Event):
    """Something happened to one identifier of an order.

    Attributes:
        identifier: as the user wrote it, "*." included.
    """

    identifier: str


@dataclass(frozen=True, kw_only=True)
class AuthorizationFetched(IdentifierEvent):
    """The CA said which challenges there are, or that the identifier is authorized already.

    Attributes:
        url: the authorization's.
        challenge_urls: in the order of `challenge_types`.
    """

    name = "authorization-fetched"

    status: str
    challenge_types: tuple[str, ...]
    url: str = ""
    challenge_urls: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class ChallengeEvent(IdentifierEvent):
    """Something happened to one challenge.

    Attributes:
        challenge_type: "http-01", ...
        solver: the solver instance's name.
    """

    challenge_type: str
    solver: str


@dataclass(frozen=True, kw_only=True)
class ChallengePresented(ChallengeEvent):
    """The solver made the answer visible."""

    name = "challenge-presented"

    seconds: float


@dataclass(frozen=True, kw_only=True)
class ChallengeWaited(ChallengeEvent):
    """The waiter saw the answer from outside."""

    name = "challenge-waited"

    seconds: float


@dataclass(frozen=True, kw_only=True)
class ChallengeAnswered(ChallengeEvent):
    """The CA was told to look."""

    name = "challenge-answered"


@dataclass(frozen=True, kw_only=True)
class ChallengeCleanedUp(ChallengeEvent):
    """The solver removed the answer; `error` says why it could not."""

    name = "challenge-cleaned-up"

    error: str | None = None


@dataclass(frozen=True, kw_only=True)
class AuthorizationValid(IdentifierEvent):
    """The CA believes the identifier."""

    name = "authorization-valid"


@dataclass(frozen=True, kw_only=True)
class AuthorizationFailed(IdentifierEvent):
    """An identifier could not be proved this way; another challenge or solver may follow."""

    name = "authorization-failed"

    step: str
    reason: str
    problem: Problem | None = None


@dataclass(frozen=True, kw_only=True)
class OrderReady(Event):
    """Every identifier is authorized."""

    name = "order-ready"


@dataclass(frozen=True, kw_only=True)
class OrderFinalized(Event):
    """The CA has the certificate request."""

    name = "order-finalized"

    status: str


@dataclass(frozen=True, kw_only=True)
class CertificateIssued(Event):
    """The certificate is here."""

    name = "certificate-issued"

    names: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class CertificateWritten(Event):
    """The files of a certificate were written.

    Attributes:
        directory: where they are.
        serial: its serial number, in hexadecimal digits.
        until: when it expires.
    """

    name = "certificate-written"

    names: tuple[str, ...]
    directory: pathlib.Path
    serial: str
    until: datetime


@dataclass(frozen=True, kw_only=True)
class OrderFailed(Event):
    """The issuance ended without a certificate."""

    name = "order-failed"

    reason: str
