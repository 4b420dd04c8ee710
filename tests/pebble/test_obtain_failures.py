"""What goes wrong with a real CA: told exactly, worked around where that is possible, and always cleaned up."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator

import pytest

from acmez import (
    Cancelled,
    CancelScope,
    Certificate,
    Challenge,
    ChallengesFailed,
    Client,
    ProblemError,
    Route,
    events,
)
from acmez.csr import certificate_names
from acmez.protocols import Solver
from tests.pebble.install import Binaries
from tests.pebble.server import Pebble, PebbleOptions
from tests.solvers import (
    BlindWebSolver,
    CallWaiter,
    PebbleRecords,
    TxtSolver,
    Web,
    WebSolver,
    assert_no_threads,
    fail,
)

Connect = Callable[..., Client]
BLOCKED = "blocked.example"


@pytest.fixture(scope="module")
def strict(pebble_binaries: Binaries, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pebble]:
    """A CA that refuses a domain, and reuses no authorization."""
    options = PebbleOptions(domain_blocklist=(BLOCKED,), authz_reuse=0)
    with Pebble(tmp_path_factory.mktemp("strict"), options, pebble_binaries) as server:
        yield server


@pytest.fixture(scope="module")
def web(strict: Pebble) -> Iterator[Web]:
    with Web(strict.http_port) as server:
        yield server
        assert not server.answers


@pytest.fixture
def zone(strict: Pebble) -> Iterator[PebbleRecords]:
    records = PebbleRecords(strict.dns)
    yield records
    assert not records.records


@pytest.fixture
def log() -> list[str]:
    """What happened: events in words."""
    return []


@pytest.fixture
def connect(strict: Pebble, log: list[str]) -> Iterator[Connect]:
    """Make registered clients; nothing that they or their solvers made may be left in the end."""
    clients: list[Client] = []
    solvers: list[Solver] = []

    def note(event: events.Event) -> None:
        if isinstance(event, events.OrderCreated):
            log.append("order")
        elif isinstance(event, events.ChallengePresented | events.ChallengeAnswered):
            log.append(f"{event.name.removeprefix('challenge-')} {event.challenge_type}")

    def connect(*given: Solver | Route, **options: object) -> Client:
        client = Client(strict.directory_url, solvers=given, trust=strict.trust, on_event=note, **options)  # type: ignore[arg-type]
        clients.append(client)
        solvers.extend(item.solver if isinstance(item, Route) else item for item in given)
        client.register(terms_of_service_agreed=True)
        return client

    yield connect
    for client in clients:
        client.close()
    assert not any(getattr(solver, "left", None) for solver in solvers)
    assert_no_threads()


def fresh(count: int = 1) -> list[str]:
    return [f"{secrets.token_hex(4)}.failures.example" for _ in range(count)]


def names_of(certificate: Certificate) -> set[str]:
    return {value for _, value in certificate_names(certificate.leaf)}


def steps(error: ChallengesFailed) -> list[tuple[str, str | None, str]]:
    return [(failed.identifier, failed.challenge_type, failed.step) for failed in error.failed]


# A solver fails


def test_presenting_fails(web: Web, connect: Connect):
    good, bad = fresh(2)
    broken = Route(WebSolver(web=web, on_present=fail), domains=(bad,))
    with pytest.raises(ChallengesFailed, match="the disk is full") as raised:
        connect(broken, Route(WebSolver(web=web), domains=(good,))).obtain([good, bad])
    assert steps(raised.value) == [(bad, "http-01", "present")]


def test_waiting_fails(web: Web, connect: Connect):
    (name,) = fresh()
    with pytest.raises(ChallengesFailed, match="the disk is full") as raised:
        connect(Route(WebSolver(web=web), waiter=CallWaiter(fail))).obtain([name])
    assert steps(raised.value) == [(name, "http-01", "wait")]


def test_cleaning_up_fails(web: Web, connect: Connect, caplog: pytest.LogCaptureFixture):
    (name,) = fresh()
    once = iter([OSError("the disk is read-only")])

    def fail_once(challenge: Challenge, scope: CancelScope) -> None:
        web.answers.pop(challenge.token or "")
        solver.left.discard(challenge.url)
        for error in once:
            raise error

    solver = WebSolver(web=web, on_clean_up=fail_once)
    assert names_of(connect(solver).obtain([name])) == {name}
    assert f"{name}: cleaning up with 'web' failed: the disk is read-only" in caplog.text


def test_a_cancelled_order_leaves_nothing(web: Web, connect: Connect):
    scope = CancelScope()
    solver = WebSolver(web=web, on_present=lambda challenge, own: scope.cancel("not today"))
    with pytest.raises(Cancelled, match="not today"):
        connect(solver).obtain(fresh(3), scope=scope)
    assert solver.called("clean_up")


# The CA refuses


def test_a_name_that_the_ca_refuses_is_named(web: Web, connect: Connect, log: list[str]):
    refused = f"www.{BLOCKED}"
    with pytest.raises(ProblemError, match=f"rejectedIdentifier: .*{refused}"):
        connect(WebSolver(web=web)).obtain([*fresh(), refused])
    assert log == []


def test_a_name_that_cannot_be_proved_is_named(web: Web, connect: Connect):
    good, better, bad = fresh(3)
    routes = [Route(BlindWebSolver(web=web), domains=(bad,)), Route(WebSolver(web=web), domains=(good, better))]
    with pytest.raises(ChallengesFailed, match="unauthorized") as raised:
        connect(*routes).obtain([good, bad, better])
    assert steps(raised.value) == [(bad, "http-01", "validate")]


def test_a_subset_is_issued_if_that_is_wanted(web: Web, connect: Connect, log: list[str]):
    good, better, bad = fresh(3)
    client = connect(Route(BlindWebSolver(web=web), domains=(bad,)), Route(WebSolver(web=web), domains=(good, better)))
    assert names_of(client.obtain([good, bad, better], allow_subset=True)) == {good, better}
    assert log.count("order") == 2


# Falling back


def test_after_a_failed_presentation_the_same_order_goes_on(
    web: Web, zone: PebbleRecords, connect: Connect, log: list[str]
):
    (name,) = fresh()
    assert names_of(connect(WebSolver(web=web, on_present=fail), TxtSolver(zone=zone)).obtain([name])) == {name}
    assert log == ["order", "presented dns-01", "answered dns-01"]


def test_after_a_failed_wait_the_same_order_goes_on(web: Web, zone: PebbleRecords, connect: Connect, log: list[str]):
    (name,) = fresh()
    client = connect(Route(WebSolver(web=web), waiter=CallWaiter(fail)), TxtSolver(zone=zone))
    assert names_of(client.obtain([name])) == {name}
    assert log == ["order", "presented http-01", "presented dns-01", "answered dns-01"]


def test_after_a_failed_validation_a_new_order_goes_on(web: Web, zone: PebbleRecords, connect: Connect, log: list[str]):
    (name,) = fresh()
    assert names_of(connect(BlindWebSolver(web=web), TxtSolver(zone=zone)).obtain([name])) == {name}
    http, dns = ["presented http-01", "answered http-01"], ["presented dns-01", "answered dns-01"]
    assert log == ["order", *http, "order", *dns]


def test_only_the_name_that_failed_falls_back(web: Web, zone: PebbleRecords, connect: Connect):
    good, bad = fresh(2)
    blind, sound, txt = BlindWebSolver(web=web), WebSolver(web=web), TxtSolver(zone=zone)
    client = connect(Route(blind, domains=(bad,)), Route(sound, domains=(good,)), txt)
    assert names_of(client.obtain([good, bad])) == {good, bad}
    assert txt.called("present") == [bad]


def test_what_worked_is_tried_first_the_next_time(web: Web, zone: PebbleRecords, connect: Connect, log: list[str]):
    client = connect(BlindWebSolver(web=web), TxtSolver(zone=zone))
    client.obtain(fresh())
    log.clear()
    client.obtain(fresh())
    assert log == ["order", "presented dns-01", "answered dns-01"]
