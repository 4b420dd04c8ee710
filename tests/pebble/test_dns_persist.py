"""A record that proves a name again and again: no order removes it, whatever its solver would do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from acmez import Challenge, Client, events
from acmez.acme.challenges import txt_record
from tests.pebble.fixtures import PebbleFactory
from tests.pebble.server import PebbleOptions
from tests.solvers import PebbleRecords, TxtSolver, Watcher

NAME = "persistent.example.test"
OWNER = f"_validation-persist.{NAME}"


@dataclass
class InHouseSolver(TxtSolver):
    """Somebody's own, who has never heard that some records stay."""

    name: ClassVar[str] = "in-house"
    challenge_type: ClassVar[str] = "dns-persist-01"

    def show(self, challenge: Challenge) -> None:
        record = txt_record(challenge)
        if record.value not in self.zone.records.get(record.name, []):  # type: ignore[attr-defined]
            self.zone.add(record.name, record.value)

    def hide(self, challenge: Challenge) -> None:
        raise AssertionError("it must stay")


def test_it_stays_and_serves_the_next_order_as_well(pebble_factory: PebbleFactory):
    pebble = pebble_factory(PebbleOptions(authz_reuse=0))
    zone = PebbleRecords(pebble.dns)
    solver, watch = InHouseSolver(zone=zone), Watcher()
    with Client(pebble.directory_url, solvers=[solver], trust=pebble.trust, on_event=watch) as client:
        account = client.register(terms_of_service_agreed=True)
        for _ in range(2):
            client.obtain([NAME])
            (value,) = zone.records[OWNER]
            assert value.endswith(f"; accounturi={account.url}")
    assert {*solver.called("present")} == {NAME}  # once or twice: Pebble may look without being told to
    assert solver.called("clean_up") == []
    assert events.ChallengeCleanedUp.name not in watch.names
