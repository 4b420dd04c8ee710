"""Events -> spans: issuance > order > authorization > present, wait, validate; requests wherever they belong."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, Tracer
from opentelemetry.util.types import AttributeValue

from acmez import events
from acmez_otel.attributes import CHALLENGE, ERROR, error_type, of_request

_IDENTIFIER = "acme.identifier"


@dataclass
class _Authorization:
    """One identifier of an order: its span, and the one of the CA's validation while that goes on."""

    span: Span
    ends: float
    validating: Span | None = None
    failure: str | None = None


@dataclass
class _Order:
    span: Span
    authorizations: dict[str, _Authorization] = field(default_factory=dict)
    issuing: Span | None = None
    failure: str | None = None


@dataclass
class _Issuance:
    """What is under way for one certificate.

    Attributes:
        offset: nanoseconds from the monotonic clock to the time of day.
    """

    span: Span
    offset: int
    order: _Order | None = None

    def moment(self, at: float) -> int:
        return round(at * 1e9) + self.offset


class Tracing:
    """The spans of the issuances that are under way."""

    def __init__(self, tracer: Tracer) -> None:
        self._tracer = tracer
        self._running: dict[str, _Issuance] = {}

    def see(self, event: events.Event) -> None:
        """Begin or end the spans that an event tells of."""
        if isinstance(event, events.IssuanceStarted):
            return self._start(event)
        running = self._running.get(event.issuance)
        if isinstance(event, events.RequestFinished):
            return self._request(event, running)
        if running is None:
            return None
        match event:
            case events.IssuanceFinished():
                self._finish(event, running)
            case events.OrderCreated() | events.OrderResumed():
                self._end_order(running, event.at)
                running.order = _Order(
                    self._begin("order", running.span, running.moment(event.at), {"acme.order.url": event.order})
                )
            case _ if running.order is not None:
                self._within(event, running, running.order)
            case _:
                pass
        return None

    # The certificate

    def _start(self, event: events.IssuanceStarted) -> None:
        offset = _offset()
        told = {"acme.identifiers": event.names, "acmez.issuance": event.issuance}
        # No parent of ours: it goes below whatever span the caller is in.
        span = self._tracer.start_span("issuance", attributes=told, start_time=round(event.at * 1e9) + offset)
        self._running[event.issuance] = _Issuance(span, offset)

    def _finish(self, event: events.IssuanceFinished, running: _Issuance) -> None:
        del self._running[event.issuance]
        self._end_order(running, event.at)
        at = running.moment(event.at)
        if event.error is not None:
            _fail(running.span, event.error, event.error_type)
            told = {"exception.type": event.error_type, "exception.message": event.error}
            running.span.add_event("exception", told, timestamp=at)
        running.span.end(at)

    # The order

    def _within(self, event: events.Event, running: _Issuance, order: _Order) -> None:
        at = running.moment(event.at)
        match event:
            case events.AuthorizationFetched(identifier=name, status=status):
                told = {_IDENTIFIER: name, "acme.authorization.status": status}
                order.authorizations[name] = _Authorization(
                    self._begin("authorization", order.span, at, told), event.at
                )
            case events.IdentifierEvent(identifier=name) if name in order.authorizations:
                self._step(event, running, order.authorizations[name])
            case events.OrderFinalized():
                order.issuing = self._begin("issue", order.span, at)
            case events.CertificateIssued() if order.issuing is not None:
                order.issuing.end(at)
                order.issuing = None
            case events.OrderFailed(reason=reason):
                order.failure = reason
            case _:
                order.span.add_event(event.name, timestamp=at)

    def _end_order(self, running: _Issuance, at: float) -> None:
        order, running.order = running.order, None
        if order is None:
            return
        moment = running.moment(at)
        for authorization in order.authorizations.values():
            if authorization.validating is not None:
                authorization.validating.end(moment)
            if authorization.failure is not None:
                _fail(authorization.span, authorization.failure)
                order.failure = order.failure or authorization.failure
            authorization.span.end(running.moment(authorization.ends))
        if order.issuing is not None:
            order.issuing.end(moment)
        if order.failure is not None:
            _fail(order.span, order.failure)
        order.span.end(moment)

    # The authorization

    def _step(self, event: events.IdentifierEvent, running: _Issuance, authorization: _Authorization) -> None:
        authorization.ends = event.at
        at = running.moment(event.at)
        match event:
            case events.ChallengePresented(seconds=seconds):
                self._begin("present", authorization.span, at - round(seconds * 1e9), _by(event)).end(at)
            case events.ChallengeWaited(seconds=seconds):
                self._begin("wait", authorization.span, at - round(seconds * 1e9), _by(event)).end(at)
            case events.ChallengeAnswered():
                authorization.validating = self._begin("validate", authorization.span, at, _by(event))
            case events.AuthorizationValid():
                authorization.failure = None  # of a way that was tried before
                _end_validation(authorization, at)
            case events.AuthorizationFailed(step=step, reason=reason):
                authorization.failure = f"{step}: {reason}"
                told = {"acmez.step": step, "exception.message": reason}
                authorization.span.add_event("exception", told, timestamp=at)
                _end_validation(authorization, at, reason)
            case events.ChallengeCleanedUp(error=error):
                told = {} if error is None else {"exception.message": error}
                authorization.span.add_event("cleaned up" if error is None else "not cleaned up", told, timestamp=at)
            case _:
                authorization.span.add_event(event.name, timestamp=at)

    # The requests

    def _request(self, event: events.RequestFinished, running: _Issuance | None) -> None:
        exchange = event.exchange
        offset = _offset() if running is None else running.offset
        start = round(exchange.started * 1e9) + offset
        told: dict[str, AttributeValue] = {**of_request(exchange), "url.full": exchange.url}
        if exchange.attempt > 1:
            told["http.request.resend_count"] = exchange.attempt - 1
        name = f"{exchange.method} {exchange.operation}"
        parent = _parent(event, running)
        span = self._tracer.start_span(name, _below(parent), SpanKind.CLIENT, told, start_time=start)
        if (kind := error_type(exchange)) is not None:
            _fail(span, exchange.error or f"HTTP {exchange.status}", kind)
        span.end(start + round(exchange.seconds * 1e9))

    def _begin(self, name: str, parent: Span, start: int, told: Mapping[str, AttributeValue] | None = None) -> Span:
        return self._tracer.start_span(name, _below(parent), attributes=told, start_time=start)


def _parent(event: events.RequestFinished, running: _Issuance | None) -> Span | None:
    """Return the innermost span that the request is a part of; `None`: the caller's."""
    if running is None or running.order is None:
        return None if running is None else running.span
    authorization = running.order.authorizations.get(event.identifier)
    return running.order.span if authorization is None else authorization.span


def _below(parent: Span | None) -> Context | None:
    return None if parent is None else trace.set_span_in_context(parent)


def _end_validation(authorization: _Authorization, at: int, failure: str | None = None) -> None:
    span, authorization.validating = authorization.validating, None
    if span is not None:
        if failure is not None:
            _fail(span, failure)
        span.end(at)


def _fail(span: Span, message: str, kind: str | None = None) -> None:
    span.set_status(Status(StatusCode.ERROR, message))
    if kind is not None:
        span.set_attribute(ERROR, kind)


def _by(event: events.ChallengeEvent) -> dict[str, AttributeValue]:
    return {_IDENTIFIER: event.identifier, CHALLENGE: event.challenge_type, "acmez.solver": event.solver}


def _offset() -> int:
    return time.time_ns() - time.monotonic_ns()
