"""The file of the journal survives its users: many at once, killed, forked, or strangers to it."""

from __future__ import annotations

import errno
import multiprocessing
import os
import signal
import sqlite3
import stat
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from acmez import journal_file
from acmez.errors import JournalError
from acmez.journal_file import JournalFile
from tests.unprivileged import unprivileged

processes = multiprocessing.get_context("forkserver")
processes.set_forkserver_preload([__name__])

ORDER = (
    "INSERT INTO orders (directory, account, wish, csr, state, run, changed) VALUES ('d', 'a', ?, x'', 'open', 1, 0)"
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "acmez.journal"


def add(file: JournalFile, wish: str) -> None:
    file.write(lambda database: database.execute(ORDER, (wish,)))


def wishes(file: JournalFile) -> list[str]:
    return [wish for (wish,) in file.read("SELECT wish FROM orders ORDER BY wish", ())]


# Opening


def test_it_is_made_when_it_is_used_and_for_nobody_else(path: Path):
    file = JournalFile(path)
    assert not path.exists()
    before = os.umask(0)
    try:
        add(file, "one")
        made = {each.name: stat.S_IMODE(each.stat().st_mode) for each in path.parent.iterdir()}
    finally:
        os.umask(before)
    assert made == {"acmez.journal": 0o600, "acmez.journal-wal": 0o600, "acmez.journal-shm": 0o600}
    file.close()
    file.close()
    assert [each.name for each in path.parent.iterdir()] == ["acmez.journal"]


def test_closed_it_is_open_for_the_moment_of_its_use_only(path: Path):
    file = JournalFile(path)
    file.close()
    add(file, "one")
    assert [each.name for each in path.parent.iterdir()] == ["acmez.journal"]
    assert wishes(file) == ["one"]
    with pytest.raises(JournalError):
        file.read("no SQL", ())
    assert [each.name for each in path.parent.iterdir()] == ["acmez.journal"]


def test_what_is_written_is_on_the_disk_before_it_counts(path: Path):
    file = JournalFile(path)
    assert file.read("PRAGMA journal_mode", ()) == [("wal",)]
    assert file.read("PRAGMA synchronous", ()) == [(2,)]
    assert file.read("PRAGMA secure_delete", ()) == [(1,)]
    file.close()


def test_a_file_that_others_can_read_is_refused(path: Path):
    path.touch(mode=0o640)
    path.chmod(0o640)
    with pytest.raises(JournalError) as raised:
        add(JournalFile(path), "one")
    assert str(raised.value) == f"{path}: others have access to the keys in it (mode 0640): chmod 600 {path}"


def test_a_directory_that_is_not_there_is_told(tmp_path: Path):
    path = tmp_path / "nowhere" / "acmez.journal"
    with pytest.raises(JournalError) as raised:
        add(JournalFile(path), "one")
    assert str(raised.value) == f"{path}: cannot be used as a journal: No such file or directory"


def garbage(path: Path) -> None:
    path.write_bytes(b"-----BEGIN CERTIFICATE-----\n" * 100)


def another_database(path: Path) -> None:
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY)")
    database.close()


def marked_by_another(path: Path) -> None:
    with sqlite3.connect(path) as database:
        database.execute("PRAGMA application_id = 7")
    database.close()


def from_the_future(path: Path) -> None:
    file = JournalFile(path)
    add(file, "one")
    file.write(lambda database: database.execute("PRAGMA user_version = 1000"))
    file.close()


def dangling(path: Path) -> None:
    path.symlink_to(path.with_name("not there"))


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (garbage, "cannot be used as a journal: file is not a database"),
        (another_database, "is no journal, though a file is there"),
        (marked_by_another, "is no journal, though a file is there"),
        (Path.touch, "is no journal, though a file is there"),
        (from_the_future, "written by a newer version of acmez"),
        (dangling, "cannot be used as a journal: No such file or directory"),
        (Path.mkdir, "cannot be used as a journal: unable to open database file"),
    ],
)
def test_what_is_no_journal_is_refused_and_left_as_it_is(path: Path, make: Callable[[Path], None], told: str):
    make(path)
    if not path.is_symlink():
        path.chmod(0o600)
    before = path.read_bytes() if path.is_file() else b""
    with pytest.raises(JournalError) as raised:
        add(JournalFile(path), "two")
    assert str(raised.value) == f"{path}: {told}"
    assert (path.read_bytes() if path.is_file() else b"") == before


def test_a_file_that_cannot_be_written_is_told(path: Path):
    file = JournalFile(path)
    add(file, "one")
    file.close()
    path.chmod(0o400)
    path.parent.chmod(0o755)
    os.chown(path, 65534, -1)
    with unprivileged(), pytest.raises(JournalError, match=r"acmez\.journal: "):
        add(file, "two")
    file.close()


def test_another_may_make_the_file_first(path: Path, monkeypatch: pytest.MonkeyPatch):
    file, other = JournalFile(path), JournalFile(path)
    link = Path.hardlink_to

    def link_late(self: Path, target: Path) -> None:
        monkeypatch.undo()
        add(other, "other's")
        link(self, target)

    monkeypatch.setattr(Path, "hardlink_to", link_late)
    add(file, "one")
    assert wishes(other) == wishes(file) == ["one", "other's"]
    file.close()
    other.close()
    assert [each.name for each in path.parent.iterdir()] == ["acmez.journal"]


def test_an_older_journal_is_brought_up_to_date_once(path: Path, monkeypatch: pytest.MonkeyPatch):
    file = JournalFile(path)
    add(file, "one")
    file.close()
    later = (*journal_file._STEPS, ("ALTER TABLE orders ADD COLUMN note TEXT NOT NULL DEFAULT 'none'",))
    monkeypatch.setattr(journal_file, "_STEPS", later)
    for _ in range(2):
        assert file.read("SELECT wish, note FROM orders", ()) == [("one", "none")]
        assert file.read("PRAGMA user_version", ()) == [(len(later),)]
        file.close()


# Writing


def test_a_failure_writes_nothing_and_says_where(path: Path):
    def work(database: sqlite3.Connection) -> None:
        database.execute(ORDER, ("one",))
        database.execute("no SQL at all")

    file = JournalFile(path)
    with pytest.raises(JournalError, match=r'acmez\.journal: near "no": syntax error') as raised:
        file.write(work)
    assert isinstance(raised.value.__cause__, sqlite3.Error)
    with pytest.raises(JournalError, match="no such column: missing"):
        file.read("SELECT missing FROM orders", ())
    assert wishes(file) == []
    add(file, "two")
    assert wishes(file) == ["two"]
    file.close()


def test_an_interrupt_writes_nothing(path: Path):
    def work(database: sqlite3.Connection) -> None:
        database.execute(ORDER, ("one",))
        raise KeyboardInterrupt

    file = JournalFile(path)
    with pytest.raises(KeyboardInterrupt):
        file.write(work)
    assert wishes(file) == []
    file.close()


def test_a_full_disk_is_told_and_what_was_written_stays(path: Path):
    file = JournalFile(path)
    add(file, "one")
    pages = file.read("PRAGMA page_count", ())[0][0]
    file.read(f"PRAGMA max_page_count = {pages}", ())
    with pytest.raises(JournalError, match="database or disk is full"):
        file.write(lambda database: database.execute(ORDER, ("x" * 100_000,)))
    assert wishes(file) == ["one"]
    file.close()


def test_a_writer_that_stays_too_long_is_not_waited_for_for_ever(path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(journal_file, "_PATIENCE", 0.01)
    file, other = JournalFile(path), JournalFile(path)
    add(file, "one")

    def work(database: sqlite3.Connection) -> None:
        with pytest.raises(JournalError, match="database is locked"):
            add(other, "two")
        assert wishes(other) == ["one"]  # reading is always possible

    file.write(work)
    file.close()
    other.close()


def test_what_threads_write_at_the_same_time_is_one_transaction(path: Path):
    file = JournalFile(path)
    statements: list[str] = []
    busy, go_on = threading.Event(), threading.Event()

    def work(database: sqlite3.Connection) -> None:
        busy.set()
        go_on.wait(10)
        database.set_trace_callback(statements.append)

    with ThreadPoolExecutor(21) as threads:
        threads.submit(file.write, work)
        assert busy.wait(10)
        results = [threads.submit(add, file, f"{number:02}") for number in range(20)]
        while len(file._waiting) < 20:
            pass
        go_on.set()
        assert [result.result() for result in results] == [None] * 20
    assert statements.count("COMMIT") == 2
    assert wishes(file) == [f"{number:02}" for number in range(20)]
    file.close()


def test_what_shares_a_transaction_fails_together(path: Path):
    file = JournalFile(path)
    busy, go_on = threading.Event(), threading.Event()

    def work(database: sqlite3.Connection) -> str:
        busy.set()
        go_on.wait(10)
        return "done"

    def fail(database: sqlite3.Connection) -> None:
        raise sqlite3.OperationalError("disk I/O error")

    with ThreadPoolExecutor(3) as threads:
        first = threads.submit(file.write, work)
        assert busy.wait(10)
        others = [threads.submit(add, file, "one"), threads.submit(file.write, fail)]
        while len(file._waiting) < 2:
            pass
        go_on.set()
        assert first.result() == "done"
        assert {str(other.exception()) for other in others} == {f"{path}: disk I/O error"}
    assert wishes(file) == []
    file.close()


# Processes


def add_many(path: Path, name: str) -> None:
    file = JournalFile(path)
    for number in range(20):
        add(file, f"{name}-{number}")
    file.close()


def test_many_processes_make_and_write_one_file(path: Path):
    started = [processes.Process(target=add_many, args=(path, str(number))) for number in range(6)]
    for process in started:
        process.start()
    for process in started:
        process.join(30)
        assert process.exitcode == 0
    file = JournalFile(path)
    assert len(wishes(file)) == 120
    assert file.read("PRAGMA integrity_check", ()) == [("ok",)]
    file.close()


def die_within(path: Path) -> None:
    def work(database: sqlite3.Connection) -> None:
        database.execute(ORDER, ("half done",))
        os.kill(os.getpid(), signal.SIGKILL)

    file = JournalFile(path)
    add(file, "done")
    file.write(work)


def test_a_process_that_is_killed_while_it_writes_leaves_what_it_wrote_before(path: Path):
    process = processes.Process(target=die_within, args=(path,))
    process.start()
    process.join(30)
    assert process.exitcode == -signal.SIGKILL
    file = JournalFile(path)
    assert wishes(file) == ["done"]
    add(file, "next")
    file.close()


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_both_sides_of_a_fork_go_on(path: Path):
    file = JournalFile(path)
    add(file, "before")
    child = os.fork()
    if not child:
        try:
            for number in range(50):
                add(file, f"child-{number}")
            file.close()
        finally:
            os._exit(0)
    for number in range(50):
        add(file, f"parent-{number}")
    os.waitpid(child, 0)
    assert len(wishes(file)) == 101
    assert file.read("PRAGMA integrity_check", ()) == [("ok",)]
    file.close()


def test_what_waits_to_be_written_is_the_parents(path: Path):
    file = JournalFile(path)
    add(file, "before")
    file.before_fork()
    file._waiting.append((lambda database: database.execute(ORDER, ("a thread's",)), Future()))
    file.after_fork(in_child=True)
    add(file, "child's")
    assert wishes(file) == ["before", "child's"]
    file.before_fork()
    file.after_fork(in_child=False)
    assert wishes(file) == ["before", "child's"]
    file.close()


def test_two_of_one_process_share_the_file(path: Path):
    """Closing one must not let go of the locks of the other, as closing any descriptor of the file does."""
    one, other = JournalFile(path), JournalFile(path)
    add(one, "one")

    def work(database: sqlite3.Connection) -> None:
        database.execute(ORDER, ("two",))
        JournalFile(path).close()
        assert wishes(other) == ["one"]
        other.close()
        process = processes.Process(target=add_many, args=(path, "child"))
        process.start()
        process.join(0.3)
        assert process.exitcode is None  # it waits for this transaction
        waiting.append(process)

    waiting: list[multiprocessing.process.BaseProcess] = []
    one.write(work)
    waiting[0].join(30)
    assert waiting[0].exitcode == 0
    assert len(wishes(one)) == 22
    assert one.read("PRAGMA integrity_check", ()) == [("ok",)]
    one.close()


def test_a_disk_that_refuses_is_told(path: Path, monkeypatch: pytest.MonkeyPatch):
    def link(self: Path, target: Path) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(path))

    monkeypatch.setattr(Path, "hardlink_to", link)
    with pytest.raises(JournalError) as raised:
        add(JournalFile(path), "one")
    assert str(raised.value) == f"{path}: cannot be used as a journal: Read-only file system"
