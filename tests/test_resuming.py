"""An order in the journal is gone on with while it can be, and only for the same wish."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from acmez_testkit import Answer, Drop, LoseAnswer, Problem
from cryptography.hazmat.primitives.serialization import Encoding

from acmez import (
    Cancelled,
    CancelScope,
    Certificate,
    CertificateSpec,
    ChallengesFailed,
    Client,
    DefaultRetry,
    FileKey,
    GeneratedKey,
    InputError,
    JournalError,
    Polling,
    ProblemError,
    RateLimited,
    TransportError,
    TryAgainLater,
    events,
)
from acmez.csr import build_request, certificate_names, identifiers
from acmez.journal import Journal
from acmez.keys import generate
from tests.hostile.answers import order
from tests.solvers import BlindWebSolver, Lab, TxtSolver, WebSolver, laboratory
from tests.test_journal import answered_by, challenge

NAME = "www.example.org"
ONCE = DefaultRetry(attempts=1)


class Home:
    """One CA, one account and one journal; each client is a process of its own, as far as the journal knows."""

    def __init__(self, stack: ExitStack, directory: Path, behaviour: dict[str, Any]) -> None:
        self.directory = directory
        self.lab: Lab = stack.enter_context(laboratory(**behaviour))
        self.path = directory / "acmez.journal"

    @contextmanager
    def process(self, *solvers: Any, cancel_at: type[events.Event] | None = None, **settings: Any) -> Iterator[Client]:
        """Open a client; *cancel_at* ends what it does when that happens first."""
        scope = CancelScope()

        def see(event: events.Event) -> None:
            self.seen.append(event)
            if cancel_at is not None and isinstance(event, cancel_at):
                scope.cancel()

        self.seen: list[events.Event] = []
        with Journal(self.path) as journal:
            client = self.lab.client(
                *(solvers or [WebSolver(web=self.lab.web)]),
                account_key=FileKey(self.directory / "account.pem"),
                journal=journal,
                on_event=see,
                **settings,
            )
            self.scope = scope
            yield client

    def leave(self, what: Any = (NAME,), at: type[events.Event] = events.OrderReady, **options: Any) -> None:
        """Begin to obtain, and stop when something happens."""
        with self.process(cancel_at=at) as client, pytest.raises(Cancelled):
            client.obtain(what, scope=self.scope, **options)

    def obtain(self, what: Any = (NAME,), *solvers: Any, **options: Any) -> Certificate:
        with self.process(*solvers) as client:
            return client.obtain(what, **options)

    @property
    def resumed(self) -> int:
        return sum(isinstance(event, events.OrderResumed) for event in self.seen)

    def rows(self) -> int:
        with Journal(self.path) as journal:
            return len(journal._file.read("SELECT id FROM orders", ()))


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Home]]:
    with ExitStack() as stack:
        yield lambda **behaviour: Home(stack, tmp_path, behaviour)


Start = Callable[..., Home]


def names_of(certificate: Certificate) -> set[str]:
    return {value for _, value in certificate_names(certificate.leaf)}


# The same wish


@pytest.mark.parametrize("at", [events.OrderCreated, events.ChallengePresented, events.OrderReady])
def test_the_same_wish_goes_on_with_the_order(start: Start, at: type[events.Event]):
    home = start()
    home.leave([NAME, "example.org"], at)
    assert names_of(home.obtain(["EXAMPLE.org", NAME])) == {NAME, "example.org"}
    assert home.resumed == 1
    assert len(home.lab.ca.orders) == 1


@pytest.mark.parametrize("status", ["pending", "ready", "valid"])
def test_an_order_that_has_become_one_for_other_names_is_not_gone_on_with(
    start: Start, caplog: pytest.LogCaptureFixture, status: str
):
    home = start()
    home.leave()
    evil = [{"type": "dns", "value": NAME}, {"type": "dns", "value": "evil.example"}]
    home.lab.ca.faults.add("order", Answer(200, order(home.lab, status=status, identifiers=evil)))
    assert names_of(home.obtain()) == {NAME}
    assert home.resumed == 0
    assert len(home.lab.ca.orders) == 2
    assert "not gone on with: it is not for what was asked for; differing: evil.example" in caplog.text


@pytest.mark.parametrize(
    ("status", "headers"),
    [(429, {"Retry-After": "7200"}), (503, {"Retry-After": "7200"}), (429, {})],
    ids=["limited", "busy", "for an unknown time"],
)
@pytest.mark.parametrize("request_", ["challenge", "finalize"])
def test_an_order_that_met_a_rate_limit_goes_on(start: Start, request_: str, status: int, headers: dict[str, str]):
    home = start()
    home.lab.ca.faults.add(request_, Problem("rateLimited", status=status, headers=headers))
    with home.process() as client, pytest.raises(TryAgainLater if headers else RateLimited):
        client.obtain([NAME])
    assert names_of(home.obtain()) == {NAME}
    assert home.resumed == 1
    assert len(home.lab.ca.orders) == 1


def test_a_certificate_that_nobody_wrote_is_downloaded_again(start: Start):
    home = start()
    first = home.obtain()
    again = home.obtain()
    assert (again.leaf, again.private_key_pem) == (first.leaf, first.private_key_pem)
    assert len(home.lab.ca.orders) == 1
    again.write(home.directory / "certs")
    assert home.obtain().leaf != first.leaf


def test_who_has_the_certificate_wants_another_one(start: Start):
    home = start()
    with home.process() as client:
        first, second = client.obtain([NAME]), client.obtain([NAME])
    assert first.leaf != second.leaf
    assert home.rows() == 1
    assert home.obtain().leaf == second.leaf


def test_a_revoked_certificate_is_not_offered_again(start: Start):
    home = start()
    with home.process() as client:
        first = client.obtain([NAME])
        client.revoke(first.leaf)
    assert home.obtain().private_key_pem != first.private_key_pem


def test_two_keys_for_the_same_names_are_two_wishes(start: Start, tmp_path: Path):
    home = start()
    specs = [
        CertificateSpec((NAME,), key=FileKey(tmp_path / "ec.pem")),
        CertificateSpec((NAME,), key=FileKey(tmp_path / "rsa.pem", type="rsa-2048")),
        CertificateSpec((NAME,), key=GeneratedKey("ec-p384")),
    ]
    for spec in specs:
        home.leave(spec)
    for spec in reversed(specs):
        certificate = home.obtain(spec)
        if isinstance(spec.key, FileKey):
            assert certificate.leaf.public_key() == spec.key.get("certificate").public_key()
        assert home.resumed == 1
    assert len(home.lab.ca.orders) == 3


def test_another_profile_is_another_wish(start: Start):
    home = start(profiles={"classic": "long", "shortlived": "short"})
    home.leave(profile="classic")
    home.obtain(profile="shortlived")
    assert home.resumed == 0
    assert len(home.lab.ca.orders) == 2


def test_a_request_of_ones_own_goes_on_with_its_order(start: Start):
    home = start()
    own = [build_request(generate("ec-p256"), identifiers([NAME])).public_bytes(Encoding.PEM) for _ in range(2)]
    home.leave(own[0])
    home.obtain(own[1])
    assert home.resumed == 0
    home.obtain(own[0])
    assert home.resumed == 1


# Orders that cannot be gone on with


@pytest.mark.parametrize(
    "found",
    [
        Problem("malformed", status=404),
        Answer(200, {"status": "invalid", "identifiers": [], "authorizations": [], "finalize": "/f"}),
        Answer(
            200,
            {
                "status": "pending",
                "identifiers": [],
                "authorizations": [],
                "finalize": "/f",
                "expires": "2020-01-01T00:00:00Z",
            },
        ),
    ],
    ids=["gone", "invalid", "expired"],
)
def test_an_order_that_is_of_no_use_any_more_gives_way_to_a_new_one(start: Start, found: Any):
    home = start()
    home.leave()
    home.lab.ca.faults.add("order", found)
    home.obtain()
    assert home.resumed == 0
    assert home.rows() == 1


def test_what_was_presented_for_a_useless_order_is_cleaned_up(start: Start):
    home = start()
    home.leave(at=events.OrderCreated)
    shown = challenge(NAME, "http-01")
    home.lab.web.answers[shown.token or ""] = "left behind"
    with Journal(home.path) as journal:
        entry = journal._claim(1, 1, "state = 'open'")
        assert entry is not None
        journal.presenting(entry, answered_by("web", shown))
    home.lab.ca.faults.add("order", Problem("malformed", status=404))
    home.obtain()
    assert not home.lab.web.answers


@pytest.mark.parametrize("fault", [Problem("serverInternal", status=500), Drop()])
def test_while_the_ca_is_out_of_reach_the_order_is_kept(start: Start, fault: Any):
    home = start()
    home.leave()
    home.lab.ca.faults.add("order", fault)
    with home.process(retry=ONCE) as client, pytest.raises((ProblemError, TransportError)):
        client.obtain([NAME])
    home.obtain()
    assert home.resumed == 1
    assert len(home.lab.ca.orders) == 1


# How an issuance ends


def test_a_failed_order_is_forgotten(start: Start):
    home = start()
    with home.process(BlindWebSolver(web=home.lab.web)) as client, pytest.raises(ChallengesFailed):
        client.obtain([NAME])
    assert home.rows() == 0


def test_the_order_of_a_way_that_failed_is_forgotten_before_the_next_one(start: Start):
    home = start()
    with home.process(BlindWebSolver(web=home.lab.web), TxtSolver(zone=home.lab.zone)) as client:
        client.obtain([NAME])
    assert home.resumed == 0
    assert home.rows() == 1
    assert home.lab.requests()["new-order"] == 2


def test_a_subset_leaves_no_order_for_all(start: Start):
    home = start()
    with home.process() as client:
        assert names_of(client.obtain([NAME, "*.example.org"], allow_subset=True)) == {NAME}
    assert home.rows() == 1


def test_a_refused_order_is_forgotten(start: Start):
    home = start(rejected_names=frozenset({"refused.example.org"}))
    with home.process() as client, pytest.raises(ProblemError):
        client.obtain(["refused.example.org"])
    assert home.rows() == 0


def test_an_order_whose_finalization_is_in_doubt_is_kept(start: Start):
    home = start()
    for _ in range(10):
        home.lab.ca.faults.add("finalize", Problem("serverInternal", status=500))
    with home.process(retry=ONCE) as client, pytest.raises(ProblemError):
        client.obtain([NAME])
    assert home.rows() == 1
    home.lab.ca.faults.clear()
    home.obtain()
    assert home.resumed == 1


def test_an_order_that_takes_longer_than_the_patience_is_kept(start: Start):
    home = start(async_finalize=True, processing_seconds=0.2, retry_after=(None, 3600))
    with home.process() as client, pytest.raises(TryAgainLater):
        client.obtain([NAME])
    with home.process(polling=Polling(max_retry_after=0)) as client:
        CancelScope().sleep(0.3)
        assert names_of(client.obtain([NAME])) == {NAME}
    assert home.resumed == 1


def test_a_caller_that_handles_another_error_changes_nothing(start: Start):
    """The journal keeps what was issued, whatever the caller is busy with."""
    home = start()
    try:
        raise InputError("something else")
    except InputError:
        first = home.obtain()
    assert home.obtain().leaf == first.leaf


def test_a_lost_order_is_found_by_the_next_process(start: Start):
    home = start()
    home.lab.ca.faults.add("new-order", LoseAnswer())
    for _ in range(10):
        home.lab.ca.faults.add("account", Problem("serverInternal", status=500))
    with home.process(retry=ONCE) as client, pytest.raises((ProblemError, TransportError)):
        client.obtain([NAME])
    home.lab.ca.faults.clear()
    home.obtain()
    assert home.resumed == 1
    assert len(home.lab.ca.orders) == 1


# The journal fails


def broken_at(statement: str) -> Callable[[Any], None]:
    """Return what makes the journal fail when it is to execute *statement*."""

    def broken(client: Client) -> None:
        journal = client._engine.journal
        assert journal is not None
        write = journal._file.write

        def refuse(work: Any) -> Any:
            def checked(database: Any) -> Any:
                seen: list[str] = []
                database.set_trace_callback(seen.append)
                result = work(database)
                database.set_trace_callback(None)
                if any(line.startswith(statement) for line in seen):
                    database.execute("the disk is full")
                return result

            return write(checked)

        vars(journal._file)["write"] = refuse

    return broken


@pytest.mark.parametrize(
    "statement", ["INSERT INTO orders", "UPDATE orders SET url", "INSERT OR REPLACE INTO answers", "UPDATE answers"]
)
def test_a_step_that_cannot_be_written_is_not_taken_and_nothing_stays(start: Start, statement: str):
    home = start()
    solver = WebSolver(web=home.lab.web)
    with home.process(solver) as client:
        broken_at(statement)(client)
        with pytest.raises(JournalError, match="syntax error"):
            client.obtain([NAME])
    assert solver.left == set()
    assert home.lab.requests()["challenge"] == 0
    home.obtain()
    assert len(home.lab.ca.orders) == 1


@pytest.mark.parametrize("statement", ["UPDATE orders SET state = 'issued'", "DELETE FROM answers"])
def test_a_certificate_is_not_given_up_because_a_step_cannot_be_written(start: Start, statement: str):
    home = start()
    with home.process() as client:
        broken_at(statement)(client)
        assert names_of(client.obtain([NAME])) == {NAME}
    home.obtain()
    assert home.resumed == 1
    with home.process() as client:
        assert client.sweep() == []


# Several clients


def test_two_clients_that_the_ca_gives_one_order_have_a_certificate_each(start: Start):
    """Boulder answers newOrder with an order that is still open; both present, both clean up."""
    home = start(reuse_orders=True)
    with home.process() as first, home.process() as second:
        others: list[Certificate] = []

        def obtain_too(event: events.Event) -> None:
            if isinstance(event, events.ChallengePresented) and not others:
                others.append(second.obtain([NAME]))

        vars(first._engine)["on_event"] = obtain_too
        assert first.obtain([NAME]).leaf != others[0].leaf
        assert first.sweep() == []
    assert not home.lab.web.answers


def test_a_journal_that_was_given_open_stays_so(start: Start):
    home = start()
    with Journal(home.path) as journal:
        lab = home.lab
        with lab.stranger(WebSolver(web=lab.web), journal=journal) as client:
            client.register()
            client.obtain([NAME])
        assert journal._file._database is not None
    with lab.stranger(journal=home.path) as client:
        assert client.sweep() == []
        file = client._engine.journal
        assert file is not None
    assert file._file._database is None


def test_without_a_journal_nothing_is_resumed(start: Start):
    client = start().lab.client()
    with pytest.raises(InputError, match="no journal"):
        client.resume()
    with pytest.raises(InputError, match="no journal"):
        client.unfinished()


def test_resuming_takes_what_the_configuration_says(start: Start, tmp_path: Path):
    home = start()
    known = CertificateSpec((NAME,), key=FileKey(tmp_path / "key.pem"), directory=tmp_path / "certs")
    home.leave(known)
    home.leave(["other.example.org"])
    home.leave(CertificateSpec(("third.example.org",), key=FileKey(tmp_path / "key.pem")))
    with home.process(certificates=[known]) as client:
        issued = {each.spec.names: each for each in client.resume()}
    assert set(issued) == {(NAME,), ("other.example.org",)}
    assert issued[NAME,].spec is known
    assert all(each.certificate is not None for each in issued.values())
    assert home.rows() == 3
