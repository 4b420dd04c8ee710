"""Obtains certificates with acmez, as its users do."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path

from acmez_http_standalone import StandaloneSolver

from acmez import Challenge, Client
from acmez.keys import load_private_key
from acmez.protocols import CancelScope
from benchmarks.peers.measuring import Obtain, domains, measure, parser


@dataclass
class SlowSolver(StandaloneSolver):
    """Waits as if an answer took so many seconds to be visible everywhere."""

    propagation: float = 0.0
    by_the_clock: bool = True
    _visible: dict[str | None, float] = field(default_factory=dict)

    def present(self, challenge: Challenge, scope: CancelScope) -> None:
        super().present(challenge, scope)
        self._visible[challenge.token] = time.monotonic() + self.propagation

    def wait(self, challenge: Challenge, scope: CancelScope) -> None:
        left = self._visible[challenge.token] - time.monotonic() if self.by_the_clock else self.propagation
        scope.sleep(max(0.0, left))


def main() -> None:
    options = parser("Obtain certificates with acmez.")
    options.add_argument("--parallelism", type=int, default=10, help="requests at once")
    given = options.parse_args()
    key = load_private_key(Path(given.account_key).read_bytes(), str(given.account_key))

    def start() -> Obtain:
        place = {"port": given.http_port, "host": "127.0.0.1"}
        slow = given.propagation > 0
        client = Client(
            given.directory,
            solvers=[
                SlowSolver(**place, propagation=given.propagation, by_the_clock=given.wait_kind == "clock")
                if slow
                else StandaloneSolver(**place)
            ],
            account_key=key,
            account_url=given.account_url,
            trust=given.trust,
            parallelism=given.parallelism,
        )
        return lambda order: client.obtain(domains(given, order))

    measure(given, start)


if __name__ == "__main__":
    main()
