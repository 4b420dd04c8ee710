"""Obtains a certificate by dns-01 while a secondary name server copies the zone late."""

from __future__ import annotations

import threading

from acmez_dns_rfc2136 import Rfc2136Solver

from acmez import Client, Route, events
from acmez.dns import DnsOptions
from acmez.keys import load_private_key
from acmez.options import Secret
from acmez.waiters.dns import DnsPropagation
from benchmarks.peers.measuring import Obtain, domains, measure, parser
from benchmarks.waiting import ZONE
from tests.dns.servers import SECRET, notify


def main() -> None:
    options = parser(__doc__ or "")
    options.add_argument("--primary", required=True, help="address:port of the server that takes updates")
    options.add_argument("--secondary", required=True, help="address of the server that copies the zone")
    options.add_argument("--resolver", required=True, help="address:port")
    options.add_argument("--late", type=float, default=0.0, help="seconds until the secondary is told to copy")
    given = options.parse_args()
    port = int(given.primary.rpartition(":")[2])

    left = given.names

    def watch(event: events.Event) -> None:
        nonlocal left
        left -= isinstance(event, events.ChallengePresented)
        if isinstance(event, events.ChallengePresented) and not left:
            threading.Timer(given.late, notify, (given.secondary, port, ZONE)).start()

    def start() -> Obtain:
        solver = Rfc2136Solver(
            given.primary,
            key_name="acme-key",
            key_secret=Secret(SECRET),
            dns=DnsOptions(resolvers=[given.resolver]),
        )
        client = Client(
            given.directory,
            solvers=[Route(solver, waiter=DnsPropagation(resolvers=[given.resolver], port=port))],
            account_key=load_private_key(given.account_key.read_bytes(), str(given.account_key)),
            account_url=given.account_url,
            trust=given.trust,
            on_event=watch,
        )
        return lambda order: client.obtain(domains(given, order))

    measure(given, start)


if __name__ == "__main__":
    main()
