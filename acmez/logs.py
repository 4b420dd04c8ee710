"""Every event as a record of the logger "acmez": INFO for milestones, DEBUG for steps, WARNING for failures.

Nothing is written unless the application sets logging up. Order and identifier stand in the text, and each record has
the event's fields as attributes: `event` (its name), `issuance`, `order`, `identifier`, and whatever else it has, such
as `challenge_type`, `solver`, `seconds` or `reason`; of requests `operation`, `method`, `url`, `status`, `attempt`. A
formatter takes them with a default for records that are about none:

    handler.setFormatter(logging.Formatter("%(levelname)s [%(order)s] %(message)s", defaults={"order": "-"}))
    logging.getLogger("acmez").setLevel(logging.INFO)
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import fields
from types import MappingProxyType

from . import events
from .acme.problem import Problem, printable
from .acme.session import Exchange

log = logging.getLogger("acmez")
log.addHandler(logging.NullHandler())

_MILESTONES: Mapping[type[events.Event], str] = MappingProxyType(
    {
        events.AccountReady: "account {account} is ready",
        events.IssuanceStarted: "{names}: obtaining a certificate",
        events.OrderCreated: "{names}: ordered",
        events.OrderResumed: "the order goes on",
        events.OrderReady: "every name is proved",
        events.OrderFinalized: "the CA has the certificate request",
        events.CertificateIssued: "{names}: issued",
        events.CertificateWritten: "{names}: written to {directory}",
        events.AuthorizationValid: "{identifier}: proved",
    }
)
_STEPS: Mapping[type[events.Event], str] = MappingProxyType(
    {
        events.AuthorizationFetched: "{identifier}: the authorization is {status}; challenges: {challenge_types}",
        events.ChallengePresented: "{identifier}: {challenge_type} presented by {solver!r} in {seconds:.3f} s",
        events.ChallengeWaited: "{identifier}: {challenge_type} of {solver!r} seen after {seconds:.3f} s",
        events.ChallengeAnswered: "{identifier}: the CA was told to look at {challenge_type} of {solver!r}",
        events.ChallengeCleanedUp: "{identifier}: {challenge_type} cleaned up with {solver!r}",
    }
)
_NAMES_TOLD = 5


def tells_requests() -> bool:
    """Whether the log wants every request: asked before an event is even made."""
    return log.isEnabledFor(logging.DEBUG)


def tell(event: events.Event) -> None:
    """Write an event into the log, if that takes it."""
    level = _level(event)
    if log.isEnabledFor(level):
        members = _members(event)
        about = f" (order {event.order})" if event.order else ""
        log.log(level, "%s%s", printable(_text(event, members)), about, extra=members)


def _level(event: events.Event) -> int:
    match event:
        case events.AuthorizationFailed() | events.OrderFailed():
            return logging.WARNING
        case events.ChallengeCleanedUp(error=str()) | events.IssuanceFinished(error=str()):
            return logging.WARNING
        case events.IssuanceFinished():
            return logging.INFO
        case _:
            return logging.INFO if type(event) in _MILESTONES else logging.DEBUG


def _text(event: events.Event, members: Mapping[str, object]) -> str:
    match event:
        case events.RequestFinished(exchange=exchange):
            whose = f"{event.identifier}: " if event.identifier else ""
            return f"{whose}{_request(exchange)}"
        case events.ChallengeCleanedUp(error=str(error)):
            return f"{event.identifier}: cleaning up with {event.solver!r} failed: {error}"
        case events.AuthorizationFailed():
            return f"{event.identifier}: failed to {event.step}: {event.reason}"
        case events.OrderFailed():
            return f"the order failed: {event.reason}"
        case events.IssuanceFinished():
            became = "obtained" if event.error is None else f"no certificate: {event.error_type}"
            return f"{_listed(event.names)}: {became} after {event.seconds:.3f} s"
        case _:
            pattern = _MILESTONES.get(type(event)) or _STEPS.get(type(event)) or event.name
            shown = {name: _listed(value) if isinstance(value, tuple) else value for name, value in members.items()}
            return pattern.format_map(shown)


def _request(exchange: Exchange) -> str:
    became = exchange.error if exchange.status is None else f"HTTP {exchange.status}"
    again = f" (try {exchange.attempt})" if exchange.attempt > 1 else ""
    return f"{exchange.operation}{again}: {became} after {exchange.seconds:.3f} s: {exchange.method} {exchange.url}"


def _listed(names: tuple[str, ...]) -> str:
    more = f" and {len(names) - _NAMES_TOLD} more" if len(names) > _NAMES_TOLD else ""
    return ", ".join(names[:_NAMES_TOLD]) + more


def _members(event: events.Event) -> dict[str, object]:
    """Return what a record has besides the text; none of the names is one that `logging` uses itself."""
    members: dict[str, object] = {"event": event.name, "identifier": ""}
    for field in fields(event):
        value = getattr(event, field.name)
        if isinstance(value, Exchange):
            members |= {each.name: getattr(value, each.name) for each in fields(value)}
        else:
            members[field.name] = str(value) if isinstance(value, Problem) else value
    return members
