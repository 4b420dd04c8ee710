"""What one order shows to the CA: presented by solvers, shared between orders, always removed."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from contextvars import copy_context

from . import events
from .acme.challenge import Challenge
from .acme.scope import CancelScope
from .crew import side_by_side
from .engine import Engine, log
from .errors import AcmezError, JournalError
from .protocols import Handle
from .record import Record
from .routing import Route
from .subject import StepFailed, Subject, batches, reason_of
from .sweeping import sweep


class Presenting:
    """Presents the answers of one order's challenges, and cleans each up once, whoever is at it.

    Args:
        order: URL of the order.
        record: where each step is written down.
        scope: bounds presenting; cleaning up has deadlines of its own.
    """

    def __init__(self, engine: Engine, order: str, record: Record, scope: CancelScope) -> None:
        self._engine = engine
        self._order = order
        self._record = record
        self._scope = scope
        self._over = False
        self._cleaning: threading.Thread | None = None

    def announce(self, subjects: Sequence[Subject]) -> None:
        """Note what is about to be presented, for all names in one go."""
        self._record.announce((subject.current.route.label, subject.current.challenge) for subject in subjects)

    def present(self, batch: Sequence[Subject]) -> None:
        """Let one solver present *batch*.

        Raises:
            StepFailed: it could not.
        """
        try:
            self._present(batch)
        finally:
            if self._over:  # the caller was not kept waiting any longer: nobody else cleans up
                self.discard(batch)
                self._record.settle()

    def _present(self, batch: Sequence[Subject]) -> None:
        route = batch[0].current.route
        challenges = [subject.current.challenge for subject in batch]
        began = time.monotonic()
        try:
            with self._engine.guards.exclusive(route.solver, challenges, self._scope):
                for subject in batch:
                    subject.claimed = True
                try:
                    self._show(route, challenges)
                except AcmezError as exc:
                    if exc.untouched:
                        self._let_go(route, batch)
                    raise
        except JournalError:
            raise  # no other way would do better
        except Exception as exc:
            self._scope.check()
            raise StepFailed("present", reason_of(exc, challenges)) from exc
        seconds = time.monotonic() - began
        for subject in batch:
            subject.presented = True
            self._engine.emit(events.ChallengePresented(**subject.about(self._order), seconds=seconds))

    def _show(self, route: Route, challenges: Sequence[Challenge]) -> None:
        """Call the solver for what no other order shows already."""
        solver, guards = route.solver, self._engine.guards
        new = [challenge for challenge in challenges if guards.claim(solver, challenge)]
        try:
            self._record.presenting(route.label, challenges)
            if route.batching is not None and new:
                handles = route.batching.present_many(new, self._scope)
            else:
                handles = [solver.present(challenge, self._scope) for challenge in new]
            for challenge, handle in zip(new, handles, strict=True):
                guards.presented(solver, challenge, handle)
            # Also of what another order presented: whoever ends last cleans up.
            known = [guards.handle(solver, challenge) for challenge in challenges]
            self._record.presented(route.label, challenges, known)
        except BaseException:
            for challenge in new:
                guards.not_presented(solver, challenge)
            raise

    def _let_go(self, route: Route, batch: Sequence[Subject]) -> None:
        """Note that there is nothing to clean up."""
        for subject in batch:
            self._engine.guards.release(route.solver, subject.current.challenge)
            subject.claimed = False
        self._record.cleaned_up(route.label, [subject.current.challenge for subject in batch])

    def discard(self, batch: Sequence[Subject]) -> None:
        """Clean up what is of no more use, also if the caller's scope ends meanwhile."""
        with CancelScope.shield(self._engine.cleanup_timeout) as scope:
            self._clean_up(batch, scope)
        self._report_leftovers(batch)
        for subject in batch:
            subject.claimed = False

    def begin_clean_up(self, subjects: Sequence[Subject]) -> None:
        """Start cleaning up beside what follows; `clean_up` waits for it."""
        if any(subject.claimed for subject in subjects):
            self._cleaning = threading.Thread(
                target=copy_context().run, args=(self._clean_up_all, subjects), name="acmez-clean-up", daemon=True
            )
            self._cleaning.start()

    def clean_up(self, subjects: Sequence[Subject]) -> None:
        """Remove every answer that was presented; under a deadline of its own, and without raising."""
        if self._cleaning is not None:
            self._cleaning.join()
        else:
            self._clean_up_all(subjects)

    def _clean_up_all(self, subjects: Sequence[Subject]) -> None:
        self._over = True
        claimed = [subject for subject in subjects if subject.claimed]
        with CancelScope.shield(self._engine.cleanup_timeout) as scope:
            side_by_side(
                lambda batch: self._clean_up(batch, scope),
                batches(claimed),
                limit=self._engine.parallelism,
                scope=scope,
            )
        self._report_leftovers(claimed)
        self._record.settle()
        self._sweep()

    def _sweep(self) -> None:
        """Remove what earlier processes presented for this order, which may be more than this one knows of."""
        journal = self._record.journal
        if journal is None:
            return
        try:
            sweep(self._engine, journal, self._record.inherited())
        except JournalError as exc:
            log.warning("%s: not swept: %s", self._order, exc)

    def _clean_up(self, batch: Sequence[Subject], scope: CancelScope) -> None:
        """Remove the answers of *batch*; those that another thread presents or removes are waited for."""
        claimed = [subject for subject in batch if subject.claimed]
        if not claimed:
            return
        route = claimed[0].current.route
        error: str | None = None
        try:
            with self._engine.guards.exclusive(route.solver, [s.current.challenge for s in claimed], scope):
                claimed = [subject for subject in claimed if subject.claimed]
                self._remove(route, claimed, scope)
        except Exception as exc:  # noqa: BLE001 - reported, and must not hide the real error
            error = reason_of(exc, [subject.current.challenge for subject in batch])
        for subject in claimed:
            if not subject.claimed:
                self._report(subject, error)

    def _remove(self, route: Route, claimed: Sequence[Subject], scope: CancelScope) -> None:
        """Let the solver clean up, but for answers that stay, or that another order still shows."""
        solver = route.solver
        last: list[tuple[Challenge, Handle | None]] = []
        done: list[Challenge] = []
        for subject in claimed:
            challenge = subject.current.challenge
            unused, handle = self._engine.guards.release(solver, challenge)
            if unused and not challenge.persistent:
                last.append((challenge, handle))
            else:
                done.append(challenge)
        try:
            if route.batching is not None and last:
                route.batching.clean_up_many([item[0] for item in last], [item[1] for item in last], scope)
            else:
                for challenge, handle in last:
                    solver.clean_up(challenge, handle, scope)
            done += [challenge for challenge, _ in last]
        finally:
            for subject in claimed:
                subject.claimed = subject.presented = False
            self._record.cleaned_up(route.label, done)

    def _report_leftovers(self, subjects: Sequence[Subject]) -> None:
        for subject in subjects:
            if subject.claimed:
                self._report(subject, f"not done within {self._engine.cleanup_timeout:g} s")

    def _report(self, subject: Subject, error: str | None) -> None:
        if error is None and subject.current.challenge.persistent:
            return  # it is still there
        self._engine.emit(events.ChallengeCleanedUp(**subject.about(self._order), error=error))
