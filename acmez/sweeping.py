"""Removes answers that an earlier process presented and did not live to clean up."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from . import events
from .acme.scope import CancelScope
from .crew import side_by_side
from .engine import Engine, log
from .subject import reason_of

if TYPE_CHECKING:
    from .journal import Answer


def sweep(engine: Engine, answers: Sequence[Answer]) -> list[str]:
    """Clean up *answers*, under a deadline of its own.

    Returns:
        One line for each that could not be cleaned up; it stays in the journal.
    """
    with CancelScope.shield(engine.cleanup_timeout) as scope:
        outcomes = side_by_side(
            lambda answer: _sweep_one(engine, answer, scope), answers, limit=engine.parallelism, scope=scope
        )
    problems = []
    for answer, outcome in zip(answers, outcomes, strict=True):
        error = None if outcome.error is None else reason_of(outcome.error)
        if error is not None:
            problems.append(f"{answer.challenge}: {answer.solver}: {error}")
            log.warning("%s: sweeping with %r failed: %s", answer.challenge, answer.solver, error)
        engine.emit(
            events.ChallengeCleanedUp(
                identifier=answer.challenge.name,
                challenge_type=answer.challenge.type,
                solver=answer.solver,
                error=error,
            )
        )
    return problems


def _sweep_one(engine: Engine, answer: Answer, scope: CancelScope) -> None:
    route = next((route for route in engine.routes if route.label == answer.solver), None)
    if route is None or answer.challenge.type not in route.challenge_types:
        raise LookupError(f"there is no solver {answer.solver!r} for {answer.challenge.type} any more")
    with engine.guards.exclusive(route.solver, [answer.challenge], scope):
        route.solver.clean_up(answer.challenge, answer.handle, scope)
        if engine.journal is not None:
            engine.journal.cleaned_up(answer.solver, [answer.challenge])
