"""`acmez resume` and `acmez sweep` take up what a crash left in the journal."""

from __future__ import annotations

from pathlib import Path

import pytest

from acmez import Cancelled, CancelScope, CertificateSpec, events
from acmez.config import from_config
from acmez.journal import Journal
from tests.test_journal import answered_by, begin, challenge

from .conftest import Command, Home
from .test_obtain import ONE, names_in

JOURNAL = 'journal = "acmez.journal"'
NAMES = ("example.test", "www.example.test")


def leave(file: Path, spec: CertificateSpec) -> None:
    """Leave an order as a process does that ends in the middle of it."""
    with from_config(file) as client, CancelScope() as scope:
        client.register()

        def cancel(event: events.Event) -> None:
            if isinstance(event, events.OrderReady):
                scope.cancel()

        vars(client._engine)["on_event"] = cancel
        with pytest.raises(Cancelled):
            client.obtain(spec, scope=scope)


def rows(home: Home) -> list[tuple[object, ...]]:
    with Journal(home.path / "acmez.journal") as journal:
        return journal._file.read("SELECT * FROM orders", ())


def test_resume_goes_on_and_writes(acmez: Command, home: Home):
    file = home.configure(ONE, more=JOURNAL)
    leave(file, CertificateSpec(NAMES))
    done = acmez("resume", "--config", file)
    assert done.code == 0, done.err
    assert names_in(home.path / "certs/example.test/cert.pem") == set(NAMES)
    assert done.out.startswith(f"{home.path}/certs/example.test: valid until ")
    assert len(home.ca.orders) == 1
    assert rows(home) == []
    done = acmez("resume", "--config", file)
    assert (done.code, done.out, done.err) == (0, "", "")


def test_obtain_goes_on_too(acmez: Command, home: Home):
    file = home.configure(ONE, more=JOURNAL)
    leave(file, CertificateSpec(NAMES))
    assert acmez("obtain", "--config", file).code == 0
    assert len(home.ca.orders) == 1
    assert rows(home) == []


def test_a_certificate_with_no_place_to_go_to_stays_in_the_journal(acmez: Command, home: Home):
    file = home.configure(ONE, more=JOURNAL)
    leave(file, CertificateSpec(("other.test",)))
    done = acmez("resume", "--config", file)
    assert done.code == 1
    assert done.err.splitlines()[0] == (
        "error: other.test: in the journal, but not in the configuration "
        "(write a [[certificate]] table with its directory)"
    )
    assert len(rows(home)) == 1


@pytest.mark.parametrize("command", ["resume", "sweep"])
def test_without_a_journal_there_is_nothing_to_take_up(acmez: Command, home: Home, command: str):
    done = acmez(command, "--config", home.configure(ONE))
    assert (done.code, done.err) == (2, 'error: the client has no journal (set journal = "acmez.journal")\n')


def test_sweep_cleans_up_and_says_what(acmez: Command, home: Home):
    file = home.configure(ONE, more=JOURNAL)
    with Journal(home.path / "acmez.journal") as journal:
        journal.presenting(begin(journal), answered_by("web", challenge("example.test", "http-01")))
    done = acmez("sweep", "--config", file)
    assert (done.code, done.out, done.err) == (0, "example.test: http-01 cleaned up by web\n", "")
    done = acmez("sweep", "--config", file)
    assert (done.code, done.out, done.err) == (0, "", "")


def test_sweep_tells_what_it_could_not_clean_up(acmez: Command, home: Home):
    file = home.configure(ONE, more=JOURNAL)
    with Journal(home.path / "acmez.journal") as journal:
        journal.presenting(
            begin(journal), answered_by("zone", challenge("example.test"), challenge("www.example.test"))
        )
    done = acmez("sweep", "--config", file)
    assert done.code == 1
    assert done.err.splitlines() == [
        f"error: {name} by dns-01: zone: there is no solver 'zone' for dns-01 any more"
        for name in ("example.test", "www.example.test")
    ]


def test_checking_makes_no_journal_and_tells_of_one_that_cannot_be(acmez: Command, home: Home):
    assert acmez("check", home.configure(ONE, more=JOURNAL)).code == 0
    assert not (home.path / "acmez.journal").exists()
    done = acmez("check", home.configure(ONE, more='journal = "nowhere/acmez.journal"'))
    assert done.code == 2
    assert done.err == f"error: journal: '{home.path}/nowhere/acmez.journal': {home.path}/nowhere is not a directory\n"


def test_a_journal_that_others_can_read_is_refused(acmez: Command, home: Home):
    file = home.configure(ONE, more=JOURNAL)
    (home.path / "acmez.journal").touch(mode=0o644)
    (home.path / "acmez.journal").chmod(0o644)
    done = acmez("obtain", "--config", file, "--quiet")
    assert done.code == 1
    assert "others have access to the keys in it (mode 0644): chmod 600 " in done.err
    assert not home.ca.orders
