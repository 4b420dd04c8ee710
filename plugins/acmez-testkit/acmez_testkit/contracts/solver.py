"""What a solver has to keep, whatever it answers and wherever it puts it."""

from __future__ import annotations

import dataclasses
import difflib
import json
import threading
from collections.abc import Callable, Collection
from functools import partial
from typing import ClassVar, TypeVar

import pytest

from acmez.acme.challenge import Challenge, ChallengeType
from acmez.acme.errors import AcmeError
from acmez.acme.identifier import Identifier
from acmez.acme.scope import CancelScope
from acmez.guards import Guards
from acmez.kinds import SOLVER
from acmez.protocols import (
    Batching,
    Handle,
    Listing,
    Locking,
    SelfWaiting,
    Signalling,
    Solver,
    Versatile,
    WithPayload,
)

from .challenges import TOKENLESS, TXT_TYPES, answer_to, new_challenge
from .component import ComponentContract
from .expecting import PATIENCE, at_once, finish, require, start, within
from .presenting import clean_up, present, presented, through_json, try_to_present, types_of
from .secrecy import listening, require_hidden, require_right_error, secrets_in

T = TypeVar("T", bound=Solver)

SOON = 5.0  # seconds; what takes longer belongs into a waiter
ENDED = 1.0  # seconds for a call to end whose scope has
THREADS = 32

#: What a solver may have beside what every solver has.
FURTHER = (SelfWaiting, WithPayload, Versatile, Batching, Locking, Signalling, Listing)


class SolverContract(ComponentContract[T]):
    """The rules for a solver; write `make`, and as many of the other methods below as can be written.

    Attributes:
        domain: names are proved in it; the solver must be able to answer for it and for names below it.
        outlives_process: whether the answer stays when the process dies. It does not if the solver is a server.
    """

    kind = SOLVER
    domain: ClassVar[str] = "example.com"
    outlives_process: ClassVar[bool] = True

    def make_challenge(self, challenge_type: str, name: str, *, wildcard: bool = False) -> Challenge:
        """Return a new challenge as a CA sends it."""
        return new_challenge(challenge_type, Identifier.dns(name), wildcard=wildcard)

    def visible(self, challenge: Challenge) -> Collection[str] | None:
        """Return everything that can be seen where the CA looks; `None`: that cannot be told here.

        For a TXT record its values, for http-01 the pages, for tls-alpn-01 the acmeIdentifiers in hex.
        """
        return None

    def plant(self, challenge: Challenge) -> str | None:
        """Put something of somebody else's where the answer goes; return how `visible` shows it."""
        return None

    # What it is

    def test_its_challenge_type_is_one(self) -> None:
        solver = self.make()
        for kind in types_of(solver):
            known = [str(each) for each in ChallengeType]
            close = difflib.get_close_matches(str(kind), known, 1)
            hint = f" (did you mean {close[0]!r}?)" if close and kind not in known else ""
            require(kind and not hint, f"challenge_type: {kind!r} is no challenge type{hint}")

    def test_its_further_methods_are_as_acmez_calls_them(self) -> None:
        self._require_further(FURTHER)

    # What it does

    def test_present_soon_shows_the_answer(self) -> None:
        solver = self.make()
        for kind in types_of(solver):
            challenge = self.make_challenge(kind, self.domain)
            handle = within(SOON, "present (a slow part belongs into a waiter)", partial(present, solver, challenge))
            self._require_visible(challenge, "after present")
            clean_up(solver, challenge, handle)
            self._require_gone(challenge, "after clean_up")
        if self.visible(challenge) is None:
            pytest.skip(f"{type(self).__name__} has no visible(), so nobody looked for the answer")

    def test_presenting_twice_is_presenting_once(self) -> None:
        solver, challenge = self._start()
        present(solver, challenge)
        handle = present(solver, challenge, "a second present")
        self._require_visible(challenge, "after a second present")
        clean_up(solver, challenge, handle)
        self._require_gone(challenge, "after two presents and a clean_up")

    def test_cleaning_up_twice_is_cleaning_up_once(self) -> None:
        solver, challenge = self._start()
        handle = present(solver, challenge)
        clean_up(solver, challenge, handle)
        clean_up(solver, challenge, handle, "a second clean_up")
        self._require_gone(challenge, "after a second clean_up")

    def test_cleaning_up_needs_no_present(self) -> None:
        solver, challenge = self._start()
        clean_up(solver, challenge, None, "clean_up without present")
        self._require_gone(challenge, "after clean_up without present")

    def test_cleaning_up_needs_no_handle(self) -> None:
        solver, challenge = self._start()
        present(solver, challenge)  # interrupted before its handle was written down
        clean_up(solver, challenge, None, "clean_up without the handle")
        self._require_gone(challenge, "after clean_up without the handle")

    def test_two_answers_at_one_name_are_both_kept(self) -> None:
        solver, apex = self._start()
        if apex.type == ChallengeType.TLS_ALPN_01:  # a server shows one certificate for a name
            other = self.make_challenge(apex.type, f"www.{self.domain}")
        else:
            other = self.make_challenge(apex.type, self.domain, wildcard=apex.type in TXT_TYPES)
        handles = [present(solver, apex), present(solver, other)]
        self._require_visible(apex, "after another answer was presented at the same name")
        self._require_visible(other, "beside another answer at the same name")
        clean_up(solver, apex, handles[0])
        self._require_gone(apex, "after clean_up")
        self._require_visible(other, "after another answer at the same name was cleaned up")
        clean_up(solver, other, handles[1])
        self._require_gone(other, "after clean_up")

    def test_what_others_put_there_stays(self) -> None:
        solver, challenge = self._start()
        foreign = self.plant(challenge)
        if foreign is None:
            pytest.skip(f"{type(self).__name__} has no plant(), so nobody looked whether others lose anything")
        clean_up(solver, challenge, present(solver, challenge))
        clean_up(solver, challenge, None)
        require(foreign in (self.visible(challenge) or ()), "what somebody else had put there is gone after clean_up")

    # What it survives

    def test_the_handle_is_plain_json(self) -> None:
        solver, challenge = self._start()
        with presented(solver, challenge) as handle:
            shown = json.dumps(through_json(handle))
            require_hidden(shown, secrets_in(solver, challenge), "the handle, which is written to disk,")

    def test_another_process_can_clean_up(self) -> None:
        solver, challenge = self._start()
        with presented(solver, challenge) as handle:
            clean_up(self.make(), challenge, through_json(handle), "clean_up by another instance")
            if self.outlives_process:
                self._require_gone(challenge, "after clean_up by another instance with the journalled handle")

    def test_many_threads_can_use_it_at_once(self) -> None:
        solver, first = self._start()
        guards = Guards()  # acmez itself keeps the promises of `lock_key` and `concurrency`
        at_a_name = 1 if first.type == ChallengeType.TLS_ALPN_01 else 4
        challenges = [self.make_challenge(first.type, f"h{i // at_a_name}.{self.domain}") for i in range(THREADS)]

        def show(number: int) -> Handle | None:
            with CancelScope(PATIENCE) as scope, guards.exclusive(solver, [challenges[number]], scope):
                return solver.present(challenges[number], scope)

        def hide(number: int) -> None:
            with CancelScope(PATIENCE) as scope, guards.exclusive(solver, [challenges[number]], scope):
                solver.clean_up(challenges[number], handles[number], scope)

        handles = at_once(THREADS, "present", show)
        for challenge in challenges:
            self._require_visible(challenge, f"after {THREADS} presents at once")
        at_once(THREADS, "clean_up", hide)
        for challenge in challenges:
            self._require_gone(challenge, f"after {THREADS} clean_ups at once")

    def test_it_ends_with_its_scope(self) -> None:
        solver, challenge = self._start()
        with CancelScope(PATIENCE) as scope:
            scope.cancel()
            calls: dict[str, Callable[[], object]] = {
                "present": partial(solver.present, challenge, scope),
                "clean_up": partial(solver.clean_up, challenge, None, scope),
            }
            for what, call in calls.items():
                try:
                    finish(start(call), ENDED, f"{what} was still running {ENDED:g} s after its scope was cancelled")
                except (AcmeError, OSError) as error:
                    require_right_error(error, secrets_in(solver, challenge), what)
        clean_up(solver, challenge, None)
        self._require_gone(challenge, "after a present that was cancelled and a clean_up")

    def test_a_challenge_without_a_token_is_refused(self) -> None:
        solver, challenge = self._start()
        if challenge.type in TOKENLESS:
            return
        broken = dataclasses.replace(challenge, token=None, raw={})
        try:
            try_to_present(solver, broken)
        except Exception as error:  # noqa: BLE001 - its kind is what is looked at
            require_right_error(error, secrets_in(solver, challenge), "present, given no token,")
        else:
            raise AssertionError("present answered a challenge without a token (see acmez.acme.challenges)")

    def test_a_failure_is_told_in_words(self) -> None:
        solver = self.make_failing()
        challenge = self.make_challenge(solver.challenge_type, self.domain)
        try:
            within(PATIENCE, "present", lambda: try_to_present(solver, challenge))
        except AssertionError:
            raise
        except Exception as error:  # noqa: BLE001 - its kind is what is looked at
            require_right_error(error, secrets_in(solver, challenge), "present")
        else:
            raise AssertionError("present succeeded with the instance of make_failing()")

    def test_nothing_secret_is_logged(self) -> None:
        solver, challenge = self._start()
        with listening() as heard:
            clean_up(solver, challenge, present(solver, challenge))
        secrets = secrets_in(solver, challenge)
        require_hidden("\n".join(heard), secrets, "the log")
        require_hidden(f"{solver!r} {solver!s}", secrets, "the repr of a solver that was used")

    # What it can do besides

    def test_many_are_answered_in_one_call_like_one(self) -> None:
        solver, apex = self._start()
        if not isinstance(solver, Batching):
            return
        batch = [apex, self.make_challenge(apex.type, f"www.{self.domain}")]
        with CancelScope(PATIENCE) as scope:
            handles = solver.present_many(batch, scope)
            require(len(handles) == len(batch), f"present_many returned {len(handles)} handles for {len(batch)}")
            for challenge in batch:
                self._require_visible(challenge, "after present_many")
            for _ in range(2):
                solver.clean_up_many(batch, handles, scope)
        for challenge in batch:
            self._require_gone(challenge, "after clean_up_many")

    def test_what_it_says_of_a_challenge_is_usable(self) -> None:
        solver, challenge = self._start()
        if isinstance(solver, WithPayload):
            payload = dict(solver.payload(challenge))
            require(json.loads(json.dumps(payload)) == payload, "payload returned what is no JSON object")
        if isinstance(solver, Locking):
            key = solver.lock_key(challenge)
            require(isinstance(key, str) and key == solver.lock_key(challenge), "lock_key is not always the same text")
        if isinstance(solver, Signalling):
            event = solver.validated(challenge)
            require(isinstance(event, threading.Event), f"validated returned {event!r}, not a threading.Event")
            require(event is solver.validated(challenge), "validated returned two events for one challenge")
        concurrency = getattr(solver, "concurrency", 1)
        require(isinstance(concurrency, int) and concurrency > 0, f"concurrency: {concurrency!r} is no positive number")

    def test_its_own_wait_ends_with_the_scope(self) -> None:
        solver, challenge = self._start()
        if not isinstance(solver, SelfWaiting):
            return
        with CancelScope(PATIENCE) as scope:
            call = start(lambda: solver.wait(challenge, scope))
            scope.cancel()
            try:
                finish(call, ENDED, f"wait was still running {ENDED:g} s after its scope was cancelled")
            except (AcmeError, OSError) as error:
                require_right_error(error, secrets_in(solver, challenge), "wait")

    def _start(self) -> tuple[T, Challenge]:
        solver = self.make()
        return solver, self.make_challenge(solver.challenge_type, self.domain)

    def _require_visible(self, challenge: Challenge, when: str) -> None:
        seen = self.visible(challenge)
        require(seen is None or answer_to(challenge) in seen, f"the answer is not visible {when}")

    def _require_gone(self, challenge: Challenge, when: str) -> None:
        if challenge.type == ChallengeType.DNS_PERSIST_01:  # which stays
            return
        seen = self.visible(challenge)
        require(seen is None or answer_to(challenge) not in seen, f"the answer is still visible {when}")
