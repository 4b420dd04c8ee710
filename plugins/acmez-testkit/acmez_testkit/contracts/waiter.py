"""What a waiter has to keep: it sees the answer, and never waits longer than it may."""

from __future__ import annotations

import concurrent.futures
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import ClassVar, TypeVar

import pytest

from acmez.acme.challenge import Challenge
from acmez.acme.errors import Cancelled, DeadlineExceeded
from acmez.acme.identifier import Identifier
from acmez.acme.scope import CancelScope
from acmez.kinds import WAITER
from acmez.protocols import Waiter

from .challenges import new_challenge
from .component import ComponentContract
from .expecting import PATIENCE, at_once, finish, require, start, within
from .secrecy import listening, require_hidden, require_right_error, secrets_in

T = TypeVar("T", bound=Waiter)

ENDED = 1.0  # seconds for a call to end whose scope has
THREADS = 32


class WaiterContract(ComponentContract[T]):
    """The rules for a waiter; write `make`, whose instance has more patience than a second, and `show`.

    Attributes:
        challenge_type: of the challenges that are waited for.
        domain: the name that is proved.
    """

    kind = WAITER
    challenge_type: ClassVar[str] = "dns-01"
    domain: ClassVar[str] = "example.com"

    def make_challenge(self) -> Challenge:
        """Return a new challenge as a CA sends it."""
        return new_challenge(self.challenge_type, Identifier.dns(self.domain))

    def show(self, challenge: Challenge) -> None:
        """Make the answer visible from outside, as a solver would."""
        pytest.skip(f"{type(self).__name__} has no show(), so nobody looked whether wait ever returns")

    def test_it_returns_once_the_answer_is_there(self) -> None:
        waiter, challenge = self.make(), self.make_challenge()
        call = start(partial(_see, waiter, challenge))
        self.show(challenge)
        finish(call, PATIENCE + ENDED, "wait did not end with its scope")

    def test_it_returns_if_the_answer_was_there_before(self) -> None:
        waiter, challenge = self.make(), self.make_challenge()
        self.show(challenge)
        within(PATIENCE + ENDED, "wait", partial(_see, waiter, challenge))

    def test_it_does_not_begin_when_the_scope_has_ended(self) -> None:
        waiter, challenge = self.make(), self.make_challenge()
        with CancelScope() as scope:
            scope.cancel()
            call = start(lambda: waiter.wait(challenge, scope))
            with _ending(Cancelled):
                finish(call, ENDED, f"wait was still running after {ENDED:g} s although its scope had ended before")

    def test_it_ends_when_the_scope_is_cancelled(self) -> None:
        waiter, challenge = self.make(), self.make_challenge()
        with CancelScope() as scope:
            call = start(lambda: waiter.wait(challenge, scope))
            concurrent.futures.wait([call], 0.2)
            require(not call.done(), "wait did not wait for an answer that is not there")
            scope.cancel()
            with _ending(Cancelled):
                finish(call, ENDED, f"wait was still running {ENDED:g} s after its scope was cancelled (scope.sleep)")

    def test_it_ends_at_the_deadline_of_the_scope(self) -> None:
        waiter, challenge = self.make(), self.make_challenge()
        with CancelScope(0.2) as scope:
            call = start(lambda: waiter.wait(challenge, scope))
            with _ending(DeadlineExceeded):
                finish(call, 0.2 + ENDED, f"wait was still running {ENDED:g} s after the deadline of its scope")

    def test_many_threads_can_use_it_at_once(self) -> None:
        waiter = self.make()
        challenges = [self.make_challenge() for _ in range(THREADS)]
        for challenge in challenges:
            self.show(challenge)
        at_once(THREADS, "wait", lambda number: _see(waiter, challenges[number]))

    def test_a_failure_is_told_in_words(self) -> None:
        waiter, challenge = self.make_failing(), self.make_challenge()
        try:
            with CancelScope(PATIENCE) as scope:
                within(PATIENCE, "wait", lambda: waiter.wait(challenge, scope))
        except AssertionError:
            raise
        except Exception as error:  # noqa: BLE001 - its kind is what is looked at
            require(not isinstance(error, Cancelled), "wait went on until its scope ended: give up before, and say why")
            require_right_error(error, secrets_in(waiter, challenge), "wait")
        else:
            raise AssertionError("wait succeeded with the instance of make_failing()")

    def test_nothing_secret_is_logged(self) -> None:
        waiter, challenge = self.make(), self.make_challenge()
        with listening() as heard, CancelScope(0.2) as scope, suppress(Exception):
            within(PATIENCE, "wait", lambda: waiter.wait(challenge, scope))
        secrets = secrets_in(waiter, challenge)
        require_hidden("\n".join(heard), secrets, "the log")
        require_hidden(f"{waiter!r} {waiter!s}", secrets, "the repr of a waiter that was used")


def _see(waiter: Waiter, challenge: Challenge) -> None:
    """Wait for what becomes visible."""
    try:
        with CancelScope(PATIENCE) as scope:
            waiter.wait(challenge, scope)
    except DeadlineExceeded:
        raise AssertionError(f"wait did not see in {PATIENCE:g} s that the answer is there") from None
    except Exception as error:
        raise AssertionError(f"wait raised {type(error).__name__} although the answer is there: {error}") from error


@contextmanager
def _ending(kind: type[Cancelled]) -> Iterator[None]:
    """Fail unless the block raises *kind*."""
    try:
        yield
    except kind:
        return
    except AssertionError:
        raise
    except Exception as error:
        raise AssertionError(f"wait raised {type(error).__name__} when its scope ended, not {kind.__name__}") from error
    raise AssertionError("wait returned although the answer was never visible")
