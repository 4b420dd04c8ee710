"""Events -> the spans of a timeline."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from acmez import events
from acmez.acme.session import Exchange

from .spans import NOTHING, PROVED, Details, Kind, Span, titled


def spans(seen: Iterable[events.Event]) -> list[Span]:
    """Return what the events tell of, in the order in which it began; what has not ended ends with the last event."""
    return sorted(_Builder(list(seen)).build(), key=lambda span: span.start)


class _Builder:
    """Takes one event after the other; spans that are open wait for the event that ends them."""

    def __init__(self, seen: Sequence[events.Event]) -> None:
        self._seen = seen
        self._last = max((event.at for event in seen), default=0.0)
        self._issuances = {event.order: event.issuance for event in seen if event.order and event.issuance}
        # The request for an authorization is told before anybody knows whose it is.
        self._identifiers = {
            url: event.identifier
            for event in seen
            if isinstance(event, events.AuthorizationFetched)
            for url in (event.url, *event.challenge_urls)
        }
        self._open: dict[tuple[Kind, str, str], events.Event] = {}
        self._found: list[Span] = []

    def build(self) -> list[Span]:
        for event in self._seen:
            self._take(event)
        for kind, which, identifier in list(self._open):
            self._end(kind, which, identifier, None, failed=kind is Kind.ISSUANCE, details={"state": "not finished"})
        return self._found

    def _take(self, event: events.Event) -> None:
        match event:
            case events.RequestFinished(exchange=exchange):
                self._request(event, exchange)
            case events.IssuanceStarted():
                self._open[Kind.ISSUANCE, event.issuance, ""] = event
            case events.IssuanceFinished(error=None):
                self._end(Kind.ISSUANCE, event.issuance, "", event)
            case events.IssuanceFinished(error=str(error)):
                told = {"error": error, "error_type": event.error_type}
                self._end(Kind.ISSUANCE, event.issuance, "", event, failed=True, details=told)
            case events.ChallengeEvent():
                self._challenge(event)
            case events.IdentifierEvent():
                self._authorization(event)
            case _:
                self._order(event)

    def _challenge(self, event: events.ChallengeEvent) -> None:
        kind, details = event.challenge_type, _by(event)
        match event:
            case events.ChallengePresented(seconds=seconds):
                self._add(Kind.PRESENT, f"present {kind}", event, seconds=seconds, details=details)
            case events.ChallengeWaited(seconds=seconds):
                self._add(Kind.WAIT, f"wait for {kind}", event, seconds=seconds, details=details)
            case events.ChallengeAnswered():
                self._open[Kind.VALIDATE, event.order, event.identifier] = event
            case events.ChallengeCleanedUp(error=None):
                self._add(Kind.CLEAN_UP, "cleaned up", event, details=details)
            case events.ChallengeCleanedUp(error=str(error)):
                told = {**details, "error": error}
                self._add(Kind.CLEAN_UP, "not cleaned up", event, failed=True, details=told)
            case _:
                self._add(Kind.STATE, event.name, event, details=details)

    def _authorization(self, event: events.IdentifierEvent) -> None:
        match event:
            case events.AuthorizationFetched(status=status, challenge_types=types):
                self._add(Kind.STATE, f"authorization {status}", event, details={"challenges": ", ".join(types)})
            case events.AuthorizationValid():
                self._end(Kind.VALIDATE, event.order, event.identifier, event)
                self._add(Kind.STATE, PROVED, event)
            case events.AuthorizationFailed(problem=problem):
                told = {"reason": event.reason} if problem is None else {"problem": str(problem)}
                self._end(Kind.VALIDATE, event.order, event.identifier, event, failed=True, details=told)
                self._add(Kind.STATE, f"failed to {event.step}", event, failed=True, details=told)
            case _:
                self._add(Kind.STATE, event.name, event)

    def _order(self, event: events.Event) -> None:
        match event:
            case events.AccountReady(account=account):
                self._add(Kind.STATE, "account ready", event, details={"account": account})
            case events.OrderCreated(names=names, status=status):
                self._add(Kind.STATE, "ordered", event, details={"names": len(names), "status": status})
            case events.OrderResumed(status=status):
                self._add(Kind.STATE, "order goes on", event, details={"status": status})
            case events.OrderFinalized(status=status):
                self._add(Kind.STATE, "finalized", event, details={"status": status})
                self._open[Kind.ISSUE, event.order, ""] = event
            case events.CertificateIssued():
                self._end(Kind.ISSUE, event.order, "", event)
                self._add(Kind.STATE, "issued", event)
            case events.OrderFailed(reason=reason):
                self._end(Kind.ISSUE, event.order, "", event, failed=True)
                self._add(Kind.STATE, "order failed", event, failed=True, details={"reason": reason})
            case _:
                self._add(Kind.STATE, event.name.replace("-", " "), event)

    def _request(self, event: events.RequestFinished, exchange: Exchange) -> None:
        told: dict[str, str | int | float] = {"method": exchange.method, "url": exchange.url}
        told |= {} if exchange.status is None else {"status": exchange.status}
        told |= {"connection": "opened"} if exchange.opened else {}
        told |= {} if exchange.attempt == 1 else {"attempt": exchange.attempt}
        told |= {} if exchange.error is None else {"error": exchange.error}
        self._found.append(
            Span(
                kind=Kind.REQUEST,
                label=exchange.operation,
                start=exchange.started,
                end=exchange.started + exchange.seconds,
                issuance=self._issuance(event),
                order=event.order,
                identifier=event.identifier or self._identifiers.get(exchange.url, ""),
                failed=exchange.status is None or exchange.status >= 400,
                details=told,
            )
        )

    def _end(
        self,
        kind: Kind,
        which: str,
        identifier: str,
        end: events.Event | None,
        *,
        failed: bool = False,
        details: Details = NOTHING,
    ) -> None:
        """Add what began earlier, if it did, and ended with *end*; `None`: it never ended."""
        began = self._open.pop((kind, which, identifier), None)
        if began is None:
            return
        told: dict[str, str | int | float] = {}
        match began:
            case events.IssuanceStarted(names=names):
                label, told = titled(names), {"names": len(names)}
            case events.ChallengeEvent():
                label, told = f"validate {began.challenge_type}", _by(began)
            case _:
                label = "issue the certificate"
        at = self._last if end is None else end.at
        self._append(kind, label, began, began.at, at, failed=failed, details={**told, **details})

    def _add(
        self,
        kind: Kind,
        label: str,
        event: events.Event,
        *,
        seconds: float = 0.0,
        failed: bool = False,
        details: Details = NOTHING,
    ) -> None:
        """Add what ended with *event*."""
        self._append(kind, label, event, event.at - seconds, event.at, failed=failed, details=details)

    def _append(
        self, kind: Kind, label: str, event: events.Event, start: float, end: float, *, failed: bool, details: Details
    ) -> None:
        self._found.append(
            Span(
                kind=kind,
                label=label,
                start=start,
                end=end,
                issuance=self._issuance(event),
                order=event.order,
                identifier=event.identifier if isinstance(event, events.IdentifierEvent) else "",
                failed=failed,
                details=details,
            )
        )

    def _issuance(self, event: events.Event) -> str:
        return event.issuance or self._issuances.get(event.order, "")


def _by(event: events.ChallengeEvent) -> dict[str, str | int | float]:
    return {"challenge": event.challenge_type, "solver": event.solver}
