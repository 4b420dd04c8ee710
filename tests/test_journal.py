"""The journal says what an earlier process wanted, how far it came, and what it left behind."""

from __future__ import annotations

import pickle
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from acmez.acme.challenge import Challenge
from acmez.acme.identifier import Identifier
from acmez.errors import JournalError
from acmez.journal import KEEP_ISSUED, KEEP_UNFINISHED, Answer, Journal, OrderEntry
from tests.unprivileged import unprivileged

CA = "https://ca.example/directory"
ACCOUNT = "https://ca.example/account/1"
ORDER = "https://ca.example/order/1"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "acmez.journal"


@pytest.fixture
def journal(path: Path) -> Iterator[Journal]:
    with Journal(path) as opened:
        yield opened


@pytest.fixture
def later(path: Path) -> Iterator[Journal]:
    """The journal as another process has it."""
    with Journal(path) as opened:
        yield opened


def begin(journal: Journal, wish: str = "a wish", *, account: str = ACCOUNT, csr: bytes = b"csr") -> OrderEntry:
    return journal.begin(CA, account, wish, csr=csr, key=b"key")


def issue(journal: Journal, wish: str = "a wish", *, url: str = ORDER, csr: bytes = b"csr") -> OrderEntry:
    entry = begin(journal, wish, csr=csr)
    journal.ordered(entry, url)
    journal.delivered(entry)
    journal.finish(entry, forget=False)
    return entry


def challenge(name: str = "example.org", kind: str = "dns-01", *, wildcard: bool = False) -> Challenge:
    url = f"https://ca.example/challenge/{kind}/{name}/{wildcard}"
    raw = {"type": kind, "url": url, "token": f"token-{wildcard}", "status": "pending"}
    return Challenge.from_json(
        raw, url, identifier=Identifier.dns(name), wildcard=wildcard, thumbprint="thumb", account_url=ACCOUNT
    )


def answered_by(solver: str, *challenges: Challenge) -> list[tuple[str, Challenge]]:
    """Return what a solver answers."""
    return [(solver, challenge) for challenge in challenges]


def rows(path: Path, query: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(path)) as database:
        return database.execute(query).fetchall()


# Orders


def test_an_order_is_noted_before_it_is_sent(journal: Journal, path: Path):
    entry = begin(journal)
    assert (entry.run, entry.url, entry.csr, entry.key) == (1, None, b"csr", b"key")
    assert "key=" not in repr(entry)
    assert rows(path, "SELECT wish, csr, key, url, state FROM orders") == [("a wish", b"csr", b"key", None, "open")]
    journal.ordered(entry, ORDER)
    assert rows(path, "SELECT url FROM orders") == [(ORDER,)]


def test_an_order_that_is_left_behind_is_gone_on_with(journal: Journal, path: Path):
    entry = begin(journal)
    journal.ordered(entry, ORDER)
    with Journal(path) as other:
        assert other.unfinished(CA, ACCOUNT, "a wish") is None
        journal.close()
        assert other.unfinished(CA, ACCOUNT, "a wish") == OrderEntry(entry.id, 2, ORDER, b"csr", b"key")
        assert journal.unfinished(CA, ACCOUNT, "a wish") is None
        assert other.unfinished(CA, ACCOUNT, "a wish") is None


def test_only_the_same_wish_of_the_same_account_at_the_same_ca_will_do(journal: Journal):
    entry = begin(journal)
    journal.finish(entry, forget=False)
    for where in ((f"{CA}2", ACCOUNT, "a wish"), (CA, f"{ACCOUNT}2", "a wish"), (CA, ACCOUNT, "another wish")):
        assert journal.unfinished(*where) is None
    assert journal.unfinished(CA, ACCOUNT, "a wish") is not None


def test_the_newest_is_offered_first(journal: Journal):
    entries = [begin(journal) for _ in range(3)]
    for entry in entries:
        journal.finish(entry, forget=False)
    offered = [journal.unfinished(CA, ACCOUNT, "a wish") for _ in range(4)]
    assert [entry and entry.id for entry in offered] == [entries[2].id, entries[1].id, entries[0].id, None]


def test_what_another_process_takes_between_looking_and_claiming_is_left_to_it(
    journal: Journal, later: Journal, monkeypatch: pytest.MonkeyPatch
):
    journal.finish(begin(journal), forget=False)
    claim = journal._claim

    def claim_late(number: int, run: int, condition: str) -> OrderEntry | None:
        entry = later._claim(number, run, condition)
        assert entry is not None
        later.finish(entry, forget=False)
        return claim(number, run, condition)

    monkeypatch.setattr(journal, "_claim", claim_late)
    assert journal.unfinished(CA, ACCOUNT, "a wish") is None
    monkeypatch.undo()
    entry = journal.unfinished(CA, ACCOUNT, "a wish")
    assert entry is not None
    assert entry.run == 3


def test_what_is_forgotten_leaves_nothing(journal: Journal, path: Path):
    journal.finish(begin(journal), forget=True)
    assert rows(path, "SELECT * FROM orders") == []
    journal.close()
    assert not list(path.with_name("acmez.journal.claims").iterdir())


def test_what_waits_are_the_wishes_that_nobody_works_on(journal: Journal, later: Journal):
    issue(later, "with another")
    issue(journal, "issued")
    journal.close()
    journal.finish(begin(journal, "left"), forget=False)
    journal.finish(begin(journal, "left", csr=b"newer"), forget=False)
    journal.finish(begin(journal, "another's", account=f"{ACCOUNT}2"), forget=False)
    begin(journal, "worked on")
    assert later.waiting(CA, ACCOUNT) == {"issued": b"csr", "left": b"newer"}
    assert later.unfinished(CA, ACCOUNT, "left") is not None


def test_the_urls_of_an_account_are_known(journal: Journal):
    begin(journal)
    issue(journal, url=ORDER)
    assert journal.known_urls(CA, ACCOUNT) == {ORDER}
    assert journal.known_urls(CA, f"{ACCOUNT}2") == frozenset()


def test_an_order_that_cannot_be_claimed_is_not_begun(journal: Journal, path: Path):
    path.with_name("acmez.journal.claims").write_text("in the way")
    with pytest.raises(JournalError, match=r"acmez\.journal: the lock files beside it cannot be used: "):
        begin(journal)
    assert not path.exists()


def test_a_lock_file_that_cannot_be_opened_is_told(journal: Journal, later: Journal, path: Path):
    begin(journal)
    (lock,) = path.with_name("acmez.journal.claims").iterdir()
    lock.unlink()
    lock.mkdir()
    with pytest.raises(JournalError, match=r"the lock files beside it cannot be used: .*directory"):
        later.unfinished(CA, ACCOUNT, "a wish")
    lock.rmdir()


def test_others_may_not_look_for_locks(path: Path):
    path.parent.chmod(0o700)
    with unprivileged(), pytest.raises(JournalError):
        Journal(path).unfinished(CA, ACCOUNT, "a wish")


# Certificates that were issued


def test_a_certificate_that_was_not_written_is_offered_to_the_next_process(journal: Journal, later: Journal):
    entry = issue(journal)
    for living in (journal, later):
        assert living.unfinished(CA, ACCOUNT, "a wish") is None
        assert living.waiting(CA, ACCOUNT) == {}
    journal.close()
    assert later.unfinished(CA, ACCOUNT, "a wish") == OrderEntry(entry.id, 2, ORDER, b"csr", b"key")


def test_one_that_was_written_is_not(journal: Journal, later: Journal, path: Path):
    issue(journal)
    journal.forget(ORDER)
    journal.close()
    assert later.unfinished(CA, ACCOUNT, "a wish") is None
    assert rows(path, "SELECT * FROM orders") == []


def test_an_order_that_is_not_issued_is_not_forgotten_by_its_url(journal: Journal):
    """The CA may give one order to two processes; the one that wrote its certificate speaks for itself."""
    entry = begin(journal)
    journal.ordered(entry, ORDER)
    journal.forget(ORDER)
    journal.finish(entry, forget=False)
    assert journal.unfinished(CA, ACCOUNT, "a wish") is not None


def test_one_that_another_process_obtained_is_this_ones_when_it_is_handed_over(journal: Journal, later: Journal):
    issue(journal)
    later.adopt(ORDER)
    journal.close()
    assert journal.unfinished(CA, ACCOUNT, "a wish") is None
    later.close()
    assert journal.unfinished(CA, ACCOUNT, "a wish") is not None


def test_one_that_was_revoked_is_not_offered(journal: Journal, later: Journal):
    issue(journal, csr=b"the csr with\x00its public key inside")
    journal.close()
    journal.revoked(b"a public key")
    assert later.waiting(CA, ACCOUNT) != {}
    journal.revoked(b"with\x00its public key")
    assert later.unfinished(CA, ACCOUNT, "a wish") is None


def test_a_newer_one_takes_the_place_of_older_ones(journal: Journal, path: Path):
    issue(journal, url=f"{ORDER}1")
    issue(journal, "another wish", url=f"{ORDER}2")
    issue(journal, url=f"{ORDER}3")
    assert rows(path, "SELECT url FROM orders ORDER BY id") == [(f"{ORDER}2",), (f"{ORDER}3",)]


def age(journal: Journal, seconds: float) -> None:
    journal._execute("UPDATE orders SET changed = ?", (time.time() - seconds,))


def test_after_a_day_it_is_offered_no_more_and_then_forgotten(journal: Journal, later: Journal, path: Path):
    issue(journal)
    age(journal, KEEP_ISSUED + 1)
    journal.close()
    assert later.unfinished(CA, ACCOUNT, "a wish") is None
    assert later.waiting(CA, ACCOUNT) == {}
    begin(journal, "another wish")
    assert rows(path, "SELECT wish FROM orders") == [("another wish",)]


def test_an_order_that_nobody_wants_is_forgotten_after_a_month(journal: Journal, path: Path):
    journal.finish(begin(journal), forget=False)
    age(journal, KEEP_ISSUED + 1)
    begin(journal, "another wish")
    assert rows(path, "SELECT wish FROM orders") == [("a wish",), ("another wish",)]
    age(journal, KEEP_UNFINISHED + 1)
    begin(journal, "a third wish")
    assert rows(path, "SELECT wish FROM orders") == [("a third wish",)]


# Answers


def test_answers_are_noted_until_they_are_gone(journal: Journal, path: Path):
    entry = begin(journal)
    apex, wildcard = challenge(), challenge(wildcard=True)
    journal.presenting(entry, answered_by("dns", apex, wildcard))
    assert rows(path, "SELECT handle FROM answers") == [(None,), (None,)]
    journal.presented(entry, "dns", [apex, wildcard], [{"record": "7"}, None])
    assert sorted(map(str, rows(path, "SELECT handle FROM answers"))) == ["""('{"record": "7"}',)""", "(None,)"]
    journal.cleaned_up(entry, answered_by("dns", apex))
    assert rows(path, "SELECT handle FROM answers") == [(None,)]
    journal.cleaned_up(entry, answered_by("dns", wildcard))
    assert rows(path, "SELECT handle FROM answers") == []


def test_a_handle_that_is_no_json_is_an_error(journal: Journal):
    entry = begin(journal)
    journal.presenting(entry, answered_by("dns", challenge()))
    with pytest.raises(TypeError, match="not JSON serializable"):
        journal.presented(entry, "dns", [challenge()], [{"record": object()}])  # type: ignore[dict-item]


def test_the_next_run_inherits_answers_as_they_were(journal: Journal):
    entry = begin(journal)
    shown = challenge(wildcard=True)
    journal.presenting(entry, answered_by("dns", shown))
    journal.presented(entry, "dns", [shown], [{"record": "7", "made": ["a", "b"]}])
    journal.finish(entry, forget=False)
    again = journal.unfinished(CA, ACCOUNT, "a wish")
    assert again is not None
    (answer,) = journal.inherited(again)
    assert answer == Answer(entry.id, 1, "dns", shown, {"record": "7", "made": ["a", "b"]})
    assert answer.challenge.key_authorization == shown.key_authorization
    assert answer.challenge.name == "*.example.org"


def test_each_run_keeps_its_own_answers_to_the_same_challenge(journal: Journal):
    """A provider that gives ids has a record of each run."""
    first = begin(journal)
    journal.presenting(first, answered_by("dns", challenge()))
    journal.presented(first, "dns", [challenge()], [{"record": "1"}])
    journal.finish(first, forget=False)
    second = journal.unfinished(CA, ACCOUNT, "a wish")
    assert second is not None
    journal.presenting(second, answered_by("dns", challenge()))
    journal.presented(second, "dns", [challenge()], [{"record": "2"}])
    assert [answer.handle for answer in journal.inherited(second)] == [{"record": "1"}]
    journal.cleaned_up(second, answered_by("dns", challenge()))
    (answer,) = journal.inherited(second)
    journal.swept(answer)
    assert journal.inherited(second) == []


def test_a_forgotten_order_stays_until_its_answers_are_gone(journal: Journal, path: Path):
    entry = begin(journal)
    journal.presenting(entry, answered_by("dns", challenge()))
    journal.finish(entry, forget=True)
    assert rows(path, "SELECT state, key FROM orders") == [("closed", None)]
    assert journal.unfinished(CA, ACCOUNT, "a wish") is None
    ((claimed, answers),) = journal.abandoned()
    assert claimed.id == entry.id
    journal.swept(answers[0])
    assert rows(path, "SELECT * FROM orders") == []


def test_only_what_no_living_process_takes_care_of_is_abandoned(journal: Journal, path: Path):
    left, alive = begin(journal, "left"), begin(journal, "alive")
    for entry in (left, alive):
        journal.presenting(entry, answered_by("dns", challenge(), challenge(kind="http-01")))
    journal.finish(left, forget=False)
    with Journal(path) as other:
        ((entry, answers),) = other.abandoned()
        assert entry.id == left.id
        assert {answer.challenge.type for answer in answers} == {"dns-01", "http-01"}
        assert other.abandoned() == []
        assert journal.abandoned() == []


def test_an_issued_order_is_swept_though_its_certificate_is_with_a_living_process(journal: Journal, later: Journal):
    entry = begin(journal)
    journal.presenting(entry, answered_by("dns", challenge()))
    journal.delivered(entry)
    assert later.abandoned() == []
    journal.finish(entry, forget=False)
    ((claimed, answers),) = later.abandoned()
    assert len(answers) == 1
    assert journal.abandoned() == []
    later.finish(claimed, forget=False)
    assert later.unfinished(CA, ACCOUNT, "a wish") is None
    assert len(journal.abandoned()) == 1


# The object


def test_pickled_it_is_the_same_file_wherever_it_gets_to(path: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.chdir(tmp_path)
    with Journal("acmez.journal") as journal:
        entry = begin(journal)
        monkeypatch.chdir("/")
        with pickle.loads(pickle.dumps(journal)) as copy:  # noqa: S301
            assert copy.path == path
            assert copy.unfinished(CA, ACCOUNT, "a wish") is None
            journal.finish(entry, forget=False)
            assert copy.unfinished(CA, ACCOUNT, "a wish") is not None


def test_one_order_costs_little(journal: Journal, path: Path):
    """Seven transactions for one name, and no more for a hundred that a solver takes at once."""
    commits: list[str] = []
    journal._file.write(lambda database: database.set_trace_callback(commits.append))
    entry = begin(journal)
    journal.ordered(entry, ORDER)
    challenges = [challenge(f"{number}.example.org") for number in range(100)]
    journal.presenting(entry, answered_by("dns", *challenges))
    journal.presented(entry, "dns", challenges, [{"record": str(number)} for number in range(100)])
    journal.cleaned_up(entry, answered_by("dns", *challenges))
    journal.delivered(entry)
    journal.finish(entry, forget=False)
    assert commits.count("COMMIT") - 1 == 7
