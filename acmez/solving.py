"""The challenges of one order, all names at once (RFC 8555 §7.5); what was presented is always cleaned up."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Sequence
from functools import partial

from . import events
from .acme.account import Account
from .acme.authorization import FINAL as FINAL_AUTHORIZATION
from .acme.authorization import Authorization, AuthorizationStatus
from .acme.challenge import Challenge, ChallengeStatus
from .acme.errors import MalformedAnswer
from .acme.identifier import Identifier
from .acme.order import Order, OrderStatus
from .acme.problem import ProblemError
from .acme.scope import CancelScope, doing
from .choosing import candidates
from .crew import side_by_side
from .engine import Engine, log
from .errors import ChallengesFailed, FailedIdentifier, OrderFailed
from .presenting import Presenting
from .record import Record
from .subject import StepFailed, Subject, batches, failure_of, reason_of

#: Ways that failed already, by identifier as the user wrote it.
Failed = dict[str, set[tuple[str, int]]]

_NAMES_TOLD = 10  # of those that are waited for
_FIRST_AUTHORIZATION_LOOK = 5.0  # seconds of polling the order before the authorizations are read too
_SIGNAL_PATIENCE = 0.25  # seconds for which the CA's validation requests are awaited before the first look
_AFTER_SIGNAL = 0.003  # seconds that a CA needs to make up its mind after its last request


class Solving:
    """Authorizes one order.

    Args:
        order: as newOrder answered it.
        identifiers: what was ordered; challenges for anything else are not answered.
        failed: ways that failed in earlier orders for the same certificate; grows here.
        record: where each step is written down.
    """

    def __init__(
        self,
        engine: Engine,
        account: Account,
        order: Order,
        identifiers: Sequence[Identifier],
        failed: Failed,
        record: Record,
        scope: CancelScope,
    ) -> None:
        self._engine = engine
        self._acme = engine.acme
        self._account = account
        self._order = order
        self._order_url = order.url
        self._identifiers = identifiers
        self._failed = failed
        self._scope = scope
        self._presenting = Presenting(engine, order.url, record, scope)
        self._subjects: list[Subject] = []

    def authorize(self) -> Order:
        """Prove every identifier of the order that is not proved yet, and return the order as it is then.

        Raises:
            ChallengesFailed: some could not be proved.
            OrderFailed: the CA gave the order up without saying why.
            TryAgainLater: the CA asks for more patience than the cap.
        """
        order = self._order
        if order.status != OrderStatus.PENDING:
            return order  # every identifier was authorized before
        with doing(self._waiting_for):
            self._fetch(order)
            self._choose()
            self._present()
            self._prove()
            return self._await(order)

    def _waiting_for(self) -> str:
        busy = [subject.doing for subject in self._subjects if subject.step]
        more = [f"and {len(busy) - _NAMES_TOLD} more"] if len(busy) > _NAMES_TOLD else []
        told = ", ".join(busy[:_NAMES_TOLD] + more) or "its authorizations"
        return f"{self._order_url}: waiting for {told}"

    @property
    def has_other_ways(self) -> bool:
        """Whether every identifier that failed can be tried another way in a new order."""
        lost = [subject for subject in self._subjects if subject.lost]
        return all(subject.stale or next(subject.ways, None) is not None for subject in lost)

    # Fetch the authorizations, RFC 8555 §7.5

    def _fetch(self, order: Order) -> None:
        authorizations = self._read_all(order.authorizations)
        for authorization in authorizations:
            self._expected(authorization)
            self._engine.emit(
                events.AuthorizationFetched(
                    order=self._order_url,
                    identifier=authorization.name,
                    status=authorization.status,
                    challenge_types=tuple(challenge.type for challenge in authorization.challenges),
                    url=authorization.url,
                    challenge_urls=tuple(challenge.url for challenge in authorization.challenges),
                )
            )
        self._subjects = [
            Subject(authorization)
            for authorization in authorizations
            if authorization.status != AuthorizationStatus.VALID
        ]

    def _read_all(self, urls: Sequence[str]) -> list[Authorization]:
        def fetch(url: str) -> Authorization:
            return self._acme.authorization(self._account, url, scope=self._scope)

        if len(urls) == 1:
            return [fetch(urls[0])]
        outcomes = side_by_side(fetch, urls, limit=self._engine.parallelism, scope=self._scope)
        self._scope.check()
        return [outcome.result() for outcome in outcomes]

    def _expected(self, authorization: Authorization) -> None:
        """Refuse an authorization for what nobody ordered; an ancestor may stand in (RFC 9444)."""
        kind, value = authorization.identifier.key
        for identifier in self._identifiers:
            ordered_kind, ordered = identifier.key
            ordered = ordered.removeprefix("*.")
            if kind == ordered_kind and (value == ordered or (kind == "dns" and ordered.endswith(f".{value}"))):
                return
        raise MalformedAnswer(
            f"the CA wants {authorization.name!r} to be proved, which was not ordered", url=authorization.url
        )

    # Choose a challenge and a solver for each

    def _choose(self) -> None:
        for subject in self._subjects:
            authorization = subject.authorization
            if authorization.status in FINAL_AUTHORIZATION:
                reason = f"the CA offers an authorization that is {authorization.status!r} already"
                self._fail(subject, StepFailed("choose", reason, authorization.problem))
                subject.lost = subject.stale = True
                continue
            tried = self._failed.setdefault(subject.name, set())
            ways = candidates(
                self._engine,
                authorization.identifier,
                authorization.challenges,
                wildcard=authorization.wildcard,
                tried=tried,
            )
            subject.ways = iter(ways)
            subject.advance()
            if subject.lost:
                self._fail(subject, StepFailed("choose", self._no_way(authorization)))
        self._stop_if_hopeless()

    def _no_way(self, authorization: Authorization) -> str:
        offered = ", ".join(challenge.type for challenge in authorization.challenges) or "none"
        solvers = ", ".join(f"{route.label!r} ({', '.join(route.challenge_types)})" for route in self._engine.routes)
        tried = " left to try" if self._failed.get(authorization.name) else ""
        return f"no solver{tried} for its challenges {offered}; solvers: {solvers or 'none'}"

    # Present all

    def _present(self) -> None:
        subjects = [subject for subject in self._subjects if not subject.lost]
        self._presenting.announce(subjects)
        if len(subjects) == 1:
            return  # nobody to keep up with: `_prove_one` presents it, on the thread that goes on with it
        to_present = batches(subjects)
        outcomes = side_by_side(self._try_to_present, to_present, limit=self._engine.parallelism, scope=self._scope)
        self._scope.check()
        for outcome in outcomes:
            outcome.result()

    def _try_to_present(self, batch: Sequence[Subject]) -> None:
        """Present a batch; whoever fails tries its other ways in `_prove_one`."""
        try:
            self._begin("present", *batch)
            self._presenting.present(batch)
        except StepFailed as exc:
            for subject in batch:
                self._fail(subject, exc)
            self._presenting.discard(batch)
            for subject in batch:
                subject.advance()

    # Wait for each, tell the CA when it is ready (RFC 8555 §7.5.1)

    def _prove(self) -> None:
        unsettled = [subject for subject in self._subjects if not subject.lost]
        waiting = any(subject.current.route.effective_waiter for subject in unsettled)
        slots = threading.BoundedSemaphore(self._engine.parallelism)
        # Waits hold no slot: a slow one holds up its own name only.
        limit = len(unsettled) if waiting else self._engine.parallelism
        outcomes = side_by_side(
            lambda subject: self._prove_one(subject, slots), unsettled, limit=limit, scope=self._scope
        )
        self._scope.check()
        for outcome in outcomes:
            outcome.result()
        self._stop_if_hopeless()

    @staticmethod
    def _begin(step: str, *subjects: Subject) -> None:
        for subject in subjects:
            subject.step = step

    def _prove_one(self, subject: Subject, slots: threading.BoundedSemaphore) -> None:
        """Try one way after the other until the CA was told to look."""
        while not subject.lost:
            try:
                if not subject.presented:
                    self._begin("present", subject)
                    with slots:
                        self._presenting.present([subject])
                self._begin("wait", subject)
                self._wait(subject)
                self._begin("respond", subject)
                with slots:
                    self._respond(subject)
                self._begin("validate", subject)
                return
            except StepFailed as exc:
                self._fail(subject, exc)
                self._presenting.discard([subject])
                if exc.step == "validate":  # the CA has given up: another way needs a new order
                    subject.lost = True
                else:
                    subject.advance()

    def _wait(self, subject: Subject) -> None:
        waiter = subject.current.route.effective_waiter
        if waiter is None:
            return
        began = time.monotonic()
        try:
            waiter.wait(subject.current.challenge, self._scope)
        except Exception as exc:
            self._scope.check()
            raise StepFailed("wait", reason_of(exc, [subject.current.challenge])) from exc
        self._engine.emit(events.ChallengeWaited(**subject.about(self._order_url), seconds=time.monotonic() - began))

    def _respond(self, subject: Subject) -> None:
        challenge, route = subject.current.challenge, subject.current.route
        try:
            payload = {} if route.with_payload is None else route.with_payload.payload(challenge)
        except Exception as exc:
            raise StepFailed("respond", reason_of(exc, [challenge])) from exc
        send = partial(self._acme.respond, self._account, challenge, payload, scope=self._scope)
        try:
            answered = self._engine.settle(send, partial(self._answered_already, subject), "challenge", self._scope)
        except ProblemError as exc:
            answered = self._after_refusal(subject, exc)
        self._engine.emit(events.ChallengeAnswered(**subject.about(self._order_url)))
        # step-ca keeps a challenge pending that has failed, and says so at once.
        if answered.status == ChallengeStatus.INVALID or (
            answered.status == ChallengeStatus.PENDING and answered.error
        ):
            raise StepFailed("validate", str(answered.error or "the CA says no more"), answered.error)

    def _answered_already(self, subject: Subject) -> Challenge | None:
        """Return the challenge if the CA is looking or has looked; `None`: it still waits to be told."""
        challenge = subject.current.challenge
        authorization = self._acme.authorization(self._account, subject.authorization.url, scope=self._scope)
        now = next((c for c in authorization.challenges if c.url == challenge.url), challenge)
        moved = authorization.status == AuthorizationStatus.VALID or now.status != ChallengeStatus.PENDING or now.error
        return now if moved else None

    def _after_refusal(self, subject: Subject, error: ProblemError) -> Challenge:
        if error.status in (429, 503):
            raise error  # no word against this way: the client has to wait
        now = self._answered_already(subject)
        if now is None and error.status != 409:  # 409: the CA is looking already
            raise StepFailed("respond", f"HTTP {error.status}: {error.problem}", error.problem)
        return subject.current.challenge if now is None else now

    # Poll the order, not every authorization (RFC 8555 §7.4)

    def _await(self, order: Order) -> Order:
        waiting = [subject for subject in self._subjects if not subject.lost]
        began = last_read = time.monotonic()
        patience = _FIRST_AUTHORIZATION_LOOK
        if waiting:
            self._await_signals(waiting)
        for looks in itertools.count():
            order = self._acme.order(self._account, order.url, scope=self._scope)
            if order.status in (OrderStatus.READY, OrderStatus.PROCESSING, OrderStatus.VALID):
                self._succeed(waiting)
                self._engine.emit(events.OrderReady(order=order.url))
                return order
            if order.status in (OrderStatus.INVALID, OrderStatus.CANCELED):
                self._read(waiting)
                self._stop_if_hopeless()
                raise OrderFailed(f"{order.url}: the order is {order.status}: {order.error}", order_url=order.url)
            now = time.monotonic()
            if now - last_read > patience:
                # step-ca and Serles leave an order pending whose challenge has failed.
                last_read, patience = now, patience * 2
                waiting = self._read(waiting)
                self._stop_if_hopeless()
            if now - began > self._engine.polling.timeout:
                names = ", ".join(subject.name for subject in waiting[:10]) or "nothing"
                raise OrderFailed(
                    f"{order.url}: still {order.status!r} after {now - began:.0f} s; waiting for: {names}",
                    order_url=order.url,
                )
            self._scope.sleep(self._engine.pause(looks, order.retry_after, order.url))
        raise AssertionError("unreachable")

    def _await_signals(self, waiting: Sequence[Subject]) -> None:
        """Sleep until solvers saw the CA's requests: right then is the time to look (RFC 8555 §7.5.1)."""
        latest = time.monotonic() + _SIGNAL_PATIENCE
        for subject in waiting:
            solver = subject.current.route.signalling
            if solver is None:
                self._scope.sleep(self._engine.polling.pause(0, None))
                return
            try:
                seen = solver.validated(subject.current.challenge)
            except Exception as exc:  # noqa: BLE001 - a hint that a plugin gives, or not
                reason, label = reason_of(exc, [subject.current.challenge]), subject.current.route.label
                log.warning("%s: %r cannot say when the CA came: %s", subject.name, label, reason)
                return
            if not self._scope.wait(seen, max(0.0, latest - time.monotonic())):
                return
        self._scope.sleep(_AFTER_SIGNAL)

    def _read(self, waiting: Sequence[Subject]) -> list[Subject]:
        """Read the authorizations of *waiting*, note which failed, and return those still waiting."""
        authorizations = self._read_all([subject.authorization.url for subject in waiting])
        still: list[Subject] = []
        for subject, authorization in zip(waiting, authorizations, strict=True):
            problem = failure_of(authorization, subject.current.challenge)
            if authorization.status == AuthorizationStatus.VALID:
                self._succeed([subject])
            elif authorization.status in FINAL_AUTHORIZATION or problem is not None:
                self._fail(subject, StepFailed("validate", str(problem or "the CA does not say why"), problem))
                subject.lost = True
            else:
                still.append(subject)
        return still

    def _succeed(self, subjects: Sequence[Subject]) -> None:
        self._begin("", *subjects)
        for subject in subjects:
            self._engine.experience.note(subject.current.challenge.type, worked=True)
            self._engine.emit(events.AuthorizationValid(order=self._order_url, identifier=subject.name))

    def _fail(self, subject: Subject, failed: StepFailed) -> None:
        way = subject.way
        subject.step = ""
        subject.failures.append(
            FailedIdentifier(
                identifier=subject.name,
                challenge_type=None if way is None else way.challenge.type,
                solver=None if way is None else way.route.label,
                step=failed.step,
                reason=failed.reason,
            )
        )
        if way is not None:
            self._failed.setdefault(subject.name, set()).add(way.key)
            if failed.step == "validate":
                self._engine.experience.note(way.challenge.type, worked=False)
        self._engine.emit(
            events.AuthorizationFailed(
                order=self._order_url,
                identifier=subject.name,
                step=failed.step,
                reason=failed.reason,
                problem=failed.problem,
            )
        )

    def _stop_if_hopeless(self) -> None:
        """Raise if an identifier cannot be proved any more in this order."""
        lost = [subject for subject in self._subjects if subject.lost]
        if lost:
            failures = [failure for subject in lost for failure in subject.failures]
            raise ChallengesFailed(failures, order_url=self._order_url)

    # Afterwards

    def begin_clean_up(self) -> None:
        """Start removing the answers beside what follows; `clean_up` waits for it."""
        self._presenting.begin_clean_up(self._subjects)

    def clean_up(self) -> None:
        """Remove every answer that was presented; under a deadline of its own, and without raising."""
        self._presenting.clean_up(self._subjects)

    def give_up(self) -> None:
        """Deactivate what is still pending, so that it does not count against the account; best effort."""

        def deactivate(url: str) -> None:
            now = self._acme.authorization(self._account, url, scope=scope)
            # What the CA is looking at settles by itself, and Pebble (2.10) freezes if it is deactivated meanwhile.
            looking = any(challenge.status == ChallengeStatus.PROCESSING for challenge in now.challenges)
            if now.status == AuthorizationStatus.PENDING and not looking:
                self._acme.deactivate_authorization(self._account, url, scope=scope)

        with CancelScope.shield(self._engine.cleanup_timeout) as scope:
            known = [subject.authorization.url for subject in self._subjects]
            urls = known or self._order.authorizations  # none is known if they could not be fetched
            side_by_side(deactivate, urls, limit=self._engine.parallelism, scope=scope)
