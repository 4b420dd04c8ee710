"""Events -> metrics; no name that a certificate is for is in any of them, so that they stay few."""

from __future__ import annotations

from opentelemetry.metrics import Meter
from opentelemetry.util.types import AttributeValue

from acmez import events
from acmez.acme.session import Exchange
from acmez_otel.attributes import CHALLENGE, ERROR, OPERATION, of_request

_REQUEST_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10)
_STEP_SECONDS = (0.01, 0.05, 0.1, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600)


class Measuring:
    """The instruments, and what is needed to know how long a validation took."""

    def __init__(self, meter: Meter) -> None:
        self._certificates = meter.create_counter(
            "acmez.certificates", unit="{certificate}", description="Issuances that ended, by outcome."
        )
        self._issuances = meter.create_histogram(
            "acmez.issuance.duration",
            unit="s",
            description="How long a certificate took, clean-up included.",
            explicit_bucket_boundaries_advisory=_STEP_SECONDS,
        )
        self._steps = meter.create_histogram(
            "acmez.challenge.duration",
            unit="s",
            description="How long it took to present an answer, to wait until it is seen, and to have it validated.",
            explicit_bucket_boundaries_advisory=_STEP_SECONDS,
        )
        self._durations = meter.create_histogram(
            "http.client.request.duration",
            unit="s",
            description="How long requests to the CA took.",
            explicit_bucket_boundaries_advisory=_REQUEST_SECONDS,
        )
        self._requests = meter.create_counter(
            "acmez.requests", unit="{request}", description="Requests to the CA, by operation and status."
        )
        self._retries = meter.create_counter(
            "acmez.retries", unit="{request}", description="Requests that were sent once more, by operation."
        )
        self._left = meter.create_counter(
            "acmez.clean_up.failures", unit="{challenge}", description="Answers that could not be removed."
        )
        self._answered: dict[tuple[str, str, str], events.ChallengeAnswered] = {}

    def see(self, event: events.Event) -> None:
        """Count and measure what an event tells of."""
        match event:
            case events.RequestFinished(exchange=exchange):
                self._request(exchange)
            case events.IssuanceFinished():
                self._issuance(event)
            case events.ChallengePresented(seconds=seconds):
                self._steps.record(seconds, _step("present", event))
            case events.ChallengeWaited(seconds=seconds):
                self._steps.record(seconds, _step("wait", event))
            case events.ChallengeAnswered():
                self._answered[_key(event)] = event
            case events.AuthorizationValid() | events.AuthorizationFailed():
                self._validated(event)
            case events.ChallengeCleanedUp(error=str()):
                self._left.add(1, {CHALLENGE: event.challenge_type, "acmez.solver": event.solver})
            case _:
                pass

    def _request(self, exchange: Exchange) -> None:
        kind = of_request(exchange)
        self._durations.record(exchange.seconds, kind)
        told = {name: kind[name] for name in (OPERATION, "http.response.status_code", ERROR) if name in kind}
        self._requests.add(1, told)
        if exchange.attempt > 1:
            self._retries.add(1, {OPERATION: exchange.operation})

    def _issuance(self, event: events.IssuanceFinished) -> None:
        outcome: dict[str, AttributeValue] = {"acmez.outcome": "issued" if event.error is None else "failed"}
        if event.error is not None:
            outcome[ERROR] = event.error_type
        self._certificates.add(1, outcome)
        self._issuances.record(event.seconds, outcome)
        for key in [key for key in self._answered if key[0] == event.issuance]:
            del self._answered[key]

    def _validated(self, event: events.AuthorizationValid | events.AuthorizationFailed) -> None:
        answered = self._answered.pop(_key(event), None)
        if answered is not None:
            told = _step("validate", answered)
            if isinstance(event, events.AuthorizationFailed):
                told[ERROR] = "_OTHER" if event.problem is None else event.problem.code
            self._steps.record(event.at - answered.at, told)


def _key(event: events.IdentifierEvent) -> tuple[str, str, str]:
    return event.issuance, event.order, event.identifier


def _step(step: str, event: events.ChallengeEvent) -> dict[str, AttributeValue]:
    return {"acmez.step": step, CHALLENGE: event.challenge_type, "acmez.solver": event.solver}
