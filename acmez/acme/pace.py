"""How fast requests and orders may follow each other."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass

from .errors import Cancelled, InputError
from .scope import CancelScope

OTHERS = "others"

#: Requests per second: of all together, or of each operation ("newNonce", "newOrder", ...) and of the "others".
Rates = float | Mapping[str, float]


@dataclass(frozen=True, slots=True)
class OrderLimit:
    """How many orders may be made in a period: so many at once, and as many again in each period.

    Attributes:
        orders: how many.
        seconds: the length of the period.
    """

    orders: int
    seconds: float

    def __post_init__(self) -> None:
        if self.orders < 1:
            raise InputError(f"orders: expected at least 1, got {self.orders}")
        if not 0 < self.seconds < float("inf"):
            raise InputError(f"seconds: expected a number above 0, got {self.seconds:g}")

    def __str__(self) -> str:
        return f"{self.orders} new orders in {self.seconds:g} s"


class Pace:
    """Lets so many through in a second, and holds the others back; safe for many threads.

    Args:
        per_second: `None`: any number.
        burst: how many may follow each other at once after a rest.
    """

    def __init__(self, per_second: float | None = None, burst: int = 5) -> None:
        if per_second is not None and not per_second > 0:
            raise InputError(f"requests_per_second: {per_second!r} is not more than 0")
        self._interval = None if per_second is None else 1.0 / per_second
        self._burst = burst
        self._lock = threading.Lock()
        self._next = float("-inf")

    @classmethod
    def of(cls, limit: OrderLimit | None) -> Pace:
        """Return the pace that keeps a limit; `None`: none."""
        return cls() if limit is None else cls(limit.orders / limit.seconds, limit.orders)

    def claim(self) -> float:
        """Take the next turn, and return the seconds until it comes."""
        if self._interval is None:
            return 0.0
        with self._lock:
            now = time.monotonic()
            self._next = max(self._next, now - self._burst * self._interval) + self._interval
            return max(0.0, self._next - now)

    def hand_back(self) -> None:
        """Leave a turn that was taken to whoever comes next."""
        if self._interval is not None:
            with self._lock:
                self._next -= self._interval

    def wait(self, scope: CancelScope) -> None:
        """Take a turn, and sleep until it comes."""
        self.sleep(self.claim(), scope)

    def sleep(self, seconds: float, scope: CancelScope) -> None:
        """Sleep until a turn that was taken comes; hand it back if the scope ends first."""
        if seconds <= 0:
            return
        try:
            scope.sleep(seconds)
        except Cancelled:
            self.hand_back()
            raise


class Paces:
    """The paces of one server's requests.

    Args:
        rates: what it is known to bear; `None`: any number.
    """

    def __init__(self, rates: Rates | None = None) -> None:
        by_operation = rates if isinstance(rates, Mapping) else {} if rates is None else {OTHERS: rates}
        self._paces = {operation: Pace(rate) for operation, rate in by_operation.items()}
        self._others = self._paces.get(OTHERS, Pace())

    def wait(self, operation: str, scope: CancelScope) -> None:
        """Take a turn for a request, and sleep until it comes."""
        self._paces.get(operation, self._others).wait(scope)
