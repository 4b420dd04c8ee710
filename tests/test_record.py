"""What one order writes into the journal, and what it does without one."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from acmez.errors import JournalError
from acmez.journal import Journal
from acmez.record import Record
from tests.test_journal import ACCOUNT, CA, ORDER, begin, challenge, rows


def test_without_a_journal_nothing_happens():
    record = Record()
    record.ordered(ORDER)
    record.announce([("dns", challenge())])
    record.presenting("dns", [challenge()])
    record.presented("dns", [challenge()], [None])
    record.cleaned_up("dns", [challenge()])
    record.settle()
    record.finish(forget=True)
    assert record.deliver(ORDER) is None
    assert record.inherited() == []


def test_with_one_each_step_is_written(tmp_path: Path):
    with Journal(tmp_path / "j") as journal:
        record = Record(journal, begin(journal))
        record.ordered(ORDER)
        assert journal.known_urls(CA, ACCOUNT) == {ORDER}
        record.presenting("dns", [challenge()])
        record.presented("dns", [challenge()], [{"record": "7"}])
        assert rows(journal.path, "SELECT handle FROM answers") == [('{"record": "7"}',)]
        assert record.inherited() == []
        record.cleaned_up("dns", [challenge()])
        record.settle()
        assert rows(journal.path, "SELECT * FROM answers") == []
        written = record.deliver(ORDER)
        record.finish(forget=False)
        assert rows(journal.path, "SELECT state FROM orders") == [("issued",)]
        assert written is not None
        written()
        assert rows(journal.path, "SELECT * FROM orders") == []


def test_a_hundred_names_take_as_many_transactions_as_one(tmp_path: Path):
    with Journal(tmp_path / "j") as journal:
        record = Record(journal, begin(journal))
        statements: list[str] = []
        journal._file.write(lambda database: database.set_trace_callback(statements.append))
        statements.clear()
        challenges = [challenge(f"{number}.example.org") for number in range(100)]
        record.announce(("dns", each) for each in challenges)
        for each in challenges:
            record.presenting("dns", [each])
            record.presented("dns", [each], [None])
            record.cleaned_up("dns", [each])
        record.settle()
        record.settle()
        assert statements.count("COMMIT") == 2
        assert rows(journal.path, "SELECT * FROM answers") == []


def test_what_could_not_be_cleaned_up_stays(tmp_path: Path):
    with Journal(tmp_path / "j") as journal:
        record = Record(journal, begin(journal))
        shown, never, gone = (challenge(f"{name}.example.org") for name in ("shown", "never", "gone"))
        record.announce([("dns", shown), ("dns", never), ("dns", gone)])
        record.presenting("dns", [shown, gone])
        record.cleaned_up("dns", [gone])
        record.settle()
        ((left,),) = rows(journal.path, "SELECT which FROM answers")
        assert "shown.example.org" in str(left)
        record.cleaned_up("dns", [shown])
        record.settle()
        assert rows(journal.path, "SELECT * FROM answers") == []


def test_a_certificate_is_not_given_up_for_a_note(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    with Journal(tmp_path / "j") as journal:
        record = Record(journal, begin(journal))
        journal._file.write(lambda database: database.execute("PRAGMA query_only = ON"))
        with pytest.raises(JournalError):
            record.ordered(ORDER)
        with caplog.at_level(logging.WARNING, "acmez"):
            assert record.deliver(ORDER) is not None
            record._noted.add(("dns", challenge()))
            record.settle()
            record.finish(forget=True)
        readonly = f"{journal.path}: attempt to write a readonly database"
        assert [each.getMessage() for each in caplog.records] == [
            f"{ORDER}: issued, but not noted in the journal: {readonly}",
            f"not noted in the journal that everything is cleaned up: {readonly}",
            f"not forgotten in the journal: {readonly}",
        ]
        journal.close()
        assert journal.unfinished(CA, ACCOUNT, "a wish") is not None
