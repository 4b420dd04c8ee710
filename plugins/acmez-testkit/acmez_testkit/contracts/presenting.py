"""Asks a solver for what acmez asks it for."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from acmez.acme.challenge import Challenge
from acmez.acme.scope import CancelScope
from acmez.protocols import Handle, Solver, Versatile

from .expecting import PATIENCE, require


def types_of(solver: Solver) -> tuple[str, ...]:
    """Return every challenge type that a solver answers."""
    return (solver.challenge_type, *(solver.other_types if isinstance(solver, Versatile) else ()))


def try_to_present(solver: Solver, challenge: Challenge) -> Handle | None:
    """Present, under a scope that lasts long enough; raise whatever that raises."""
    with CancelScope(PATIENCE) as scope:
        return solver.present(challenge, scope)


def present(solver: Solver, challenge: Challenge, what: str = "present") -> Handle | None:
    """Present; *what* names it if that fails.

    Raises:
        AssertionError: it did.
    """
    try:
        return try_to_present(solver, challenge)
    except Exception as error:
        raise AssertionError(f"{what} raised {type(error).__name__}: {error}") from error


def clean_up(solver: Solver, challenge: Challenge, handle: Handle | None, what: str = "clean_up") -> None:
    """Clean up; *what* names it if that fails.

    Raises:
        AssertionError: it did.
    """
    try:
        with CancelScope(PATIENCE) as scope:
            solver.clean_up(challenge, handle, scope)
    except Exception as error:
        raise AssertionError(f"{what} raised {type(error).__name__}: {error}") from error


@contextmanager
def presented(solver: Solver, challenge: Challenge) -> Iterator[Handle | None]:
    """Present, give the handle, and clean up; a failure in between is the one that is told."""
    handle = present(solver, challenge)
    try:
        yield handle
    except BaseException:
        with suppress(AssertionError):
            clean_up(solver, challenge, handle)
        raise
    clean_up(solver, challenge, handle)


def through_json(handle: Handle | None) -> Handle | None:
    """Return the handle as the journal gives it back.

    Raises:
        AssertionError: it is not what it was.
    """
    if handle is None:
        return None
    try:
        again: dict[str, object] = json.loads(json.dumps(dict(handle), allow_nan=False))
    except (TypeError, ValueError) as error:
        raise AssertionError(f"the handle is no plain JSON data: {error}") from error
    changed = [key for key, value in handle.items() if key not in again or again[key] != value]
    require(not changed, f"the handle's {', '.join(map(repr, changed))} come back from JSON as something else")
    return again  # type: ignore[return-value]
