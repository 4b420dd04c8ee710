"""When to look again at something that the server is working on (RFC 8555 §7.4, §7.5.1)."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Protocol, TypeVar

from .errors import PollTimeout, StateError
from .problem import Problem
from .scope import CancelScope


class Pollable(Protocol):
    """An order or an authorization."""

    @property
    def url(self) -> str: ...
    @property
    def status(self) -> str: ...
    @property
    def retry_after(self) -> float | None: ...
    @property
    def problem(self) -> Problem | None: ...


T = TypeVar("T", bound=Pollable)


@dataclass(frozen=True, slots=True)
class Polling:
    """Look soon, then in growing pauses with jitter; Retry-After wins, up to a cap.

    Attributes:
        first: seconds before the first look.
        factor: how much each pause is longer than the one before.
        longest: seconds, the longest pause that grows by itself.
        max_retry_after: seconds; a server that asks for more than this gets no further look.
        timeout: seconds after which the wait is given up.
    """

    first: float = 0.004
    factor: float = 1.6
    longest: float = 5.0
    max_retry_after: float = 120.0
    timeout: float = 600.0

    def pause(self, looks: int, asked: float | None) -> float:
        """Return the seconds to wait after so many looks, given what Retry-After asked for."""
        own: float = min(self.first * self.factor ** min(looks, 64), self.longest)
        jittered = own * random.uniform(0.8, 1.2)  # noqa: S311 - spreads load, guards nothing
        return jittered if asked is None else max(jittered, asked)


def poll(
    look: Callable[[], T],
    seen: T,
    *,
    until: Collection[str],
    final: Collection[str],
    polling: Polling,
    scope: CancelScope | None,
) -> T:
    """Look again and again until the status is one of *until*.

    Args:
        look: fetches the resource.
        seen: what is known of it already.
        final: the states that it does not leave; from all others, unknown ones too, it can get there.

    Raises:
        StateError: it got where it cannot come back from.
        PollTimeout: it did not get there in time, or the server asked for more patience than the cap.
    """
    scope = scope or CancelScope()
    began = time.monotonic()
    looks = 0
    while seen.status not in until:
        if seen.status in final:
            why = f": {seen.problem}" if seen.problem else f" and will not become {_either(until)}"
            raise StateError(f"is {seen.status!r}{why}", url=seen.url, status=seen.status)
        scope.sleep(_pause(seen, looks, began, polling))
        looks += 1
        seen = look()
    return seen


def _pause(seen: Pollable, looks: int, began: float, polling: Polling) -> float:
    asked = seen.retry_after
    pause = polling.pause(looks, asked)
    if asked is not None and asked > polling.max_retry_after:
        message = f"is {seen.status!r}; the server asks to wait {asked:.0f} s"
    elif time.monotonic() + pause - began > polling.timeout:
        message = f"is still {seen.status!r} after {polling.timeout:g} s"
    else:
        return pause
    raise PollTimeout(message, url=seen.url, status=seen.status, retry_after=asked)


def _either(statuses: Collection[str]) -> str:
    return " or ".join(repr(str(status)) for status in sorted(statuses))
