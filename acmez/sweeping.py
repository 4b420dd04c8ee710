"""Removes answers that an earlier process presented and did not live to clean up."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from . import events
from .acme.scope import CancelScope
from .crew import side_by_side
from .engine import Engine
from .errors import PluginNotFoundError
from .subject import reason_of

if TYPE_CHECKING:
    from .journal import Answer, Journal


def sweep(
    engine: Engine, journal: Journal, answers: Sequence[Answer], *, parent: CancelScope | None = None
) -> list[str]:
    """Clean up *answers*, under a deadline of their own.

    Args:
        parent: also ends it; `None`: nothing but the deadline does.

    Returns:
        One line for each that could not be cleaned up; it stays in the journal.
    """
    rounds = math.ceil(len(answers) / engine.parallelism)
    with CancelScope(engine.cleanup_timeout * rounds, parent=parent) as scope:
        outcomes = side_by_side(
            lambda answer: _sweep_one(engine, journal, answer, scope), answers, limit=engine.parallelism, scope=scope
        )
    problems = []
    for answer, outcome in zip(answers, outcomes, strict=True):
        error = None if outcome.error is None else reason_of(outcome.error, [answer.challenge])
        if error is not None:
            problems.append(f"{answer.challenge}: {answer.solver}: {error}")
        engine.emit(
            events.ChallengeCleanedUp(
                identifier=answer.challenge.name,
                challenge_type=answer.challenge.type,
                solver=answer.solver,
                error=error,
            )
        )
    return problems


def _sweep_one(engine: Engine, journal: Journal, answer: Answer, scope: CancelScope) -> None:
    challenge = answer.challenge
    routes = [r for r in engine.routes if r.label == answer.solver and challenge.type in r.challenge_types]
    if not routes:
        raise PluginNotFoundError(f"there is no solver {answer.solver!r} for {challenge.type} any more")
    route = max(routes, key=lambda route: route.matches(challenge.identifier, wildcard=challenge.wildcard))
    if not challenge.persistent:
        with engine.guards.exclusive(route.solver, [challenge], scope):
            route.solver.clean_up(challenge, answer.handle, scope)
    journal.swept(answer)
