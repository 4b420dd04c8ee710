"""Waits for the records of many names of one zone, as an order with so many names does."""

from __future__ import annotations

import argparse
from concurrent.futures import ThreadPoolExecutor

from acmez import Challenge
from acmez.acme.challenges import txt_record
from acmez.acme.identifier import Identifier
from acmez.protocols import CancelScope
from acmez.waiters.dns import DnsPropagation
from benchmarks.peers.measuring import Obtain, measure

ZONE = "example.test"


def challenges(count: int) -> list[Challenge]:
    """Return the challenges for the first names of the zone, the same in every process."""
    return [
        Challenge(
            "dns-01", "", "pending", Identifier.dns(f"n{number}.{ZONE}"), token=f"t{number}", thumbprint="benchmark"
        )
        for number in range(count)
    ]


def records(count: int) -> list[str]:
    """Return the lines of a zone file that answer them."""
    answers = map(txt_record, challenges(count))
    return [f'{answer.name.removesuffix(f".{ZONE}")} TXT "{answer.value}"' for answer in answers]


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--server", required=True, help="address:port of the zone's name server, which is asked first")
    options.add_argument("--names", type=int, default=1)
    options.set_defaults(orders=1, concurrency=1)
    given = options.parse_args()

    def start() -> Obtain:
        waiter = DnsPropagation(resolvers=[given.server], port=int(given.server.rpartition(":")[2]))
        scope = CancelScope(120)
        todo = challenges(given.names)

        def wait_for_all(_: int) -> None:
            with ThreadPoolExecutor(len(todo)) as pool:
                list(pool.map(lambda each: waiter.wait(each, scope), todo))

        return wait_for_all

    measure(given, start)


if __name__ == "__main__":
    main()
