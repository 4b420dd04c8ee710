"""Which servers answer at all, whoever asks."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from .servers import Asked

_PROBE = 30.0  # seconds between two questions to a server that is taken for dead


@dataclass
class _Silence:
    since: float
    asked: float


class Health:
    """Remembers since when a server has had nothing to say to anybody.

    Args:
        dead_after: seconds of such silence after which a server counts as dead.
    """

    def __init__(self, dead_after: float) -> None:
        self._dead_after = dead_after
        self._silent: dict[Asked, _Silence] = {}

    def heard(self, server: Asked) -> None:
        """Note that it answered as it should."""
        self._silent.pop(server, None)

    def silent(self, server: Asked, asked: float) -> None:
        """Note that it did not, when it was asked at the monotonic time *asked*."""
        self._silent.setdefault(server, _Silence(asked, asked)).asked = asked

    def is_dead(self, server: Asked) -> bool:
        silence = self._silent.get(server)
        return silence is not None and time.monotonic() - silence.since >= self._dead_after

    def due(self, servers: Sequence[Asked]) -> frozenset[Asked]:
        """Return which of them to ask: dead ones only now and then, but all of them if nobody else is left."""
        dead = {server for server in servers if self.is_dead(server)}
        if dead.issuperset(servers):
            return frozenset(servers)
        now = time.monotonic()
        resting = {server for server in dead if now - self._silent[server].asked < _PROBE}
        return frozenset(servers) - resting
