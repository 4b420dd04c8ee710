"""The journal's file: a SQLite database that processes and threads share."""

from __future__ import annotations

import shlex
import sqlite3
import stat
import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import closing, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar
from urllib.parse import quote

from . import files, forks
from .errors import JournalError

T = TypeVar("T")

_APPLICATION = 0x61636D65  # in the header of the file: it is a journal, not another program's database
_PATIENCE = 30.0  # seconds to wait for another process that writes

#: The statements that lead from each version of the schema to the next; the last one is today's.
_STEPS = (
    (
        """CREATE TABLE orders (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            directory TEXT NOT NULL, account TEXT NOT NULL, wish TEXT NOT NULL, csr BLOB NOT NULL, key BLOB,
            url TEXT, state TEXT NOT NULL, worker TEXT, holder TEXT, run INTEGER NOT NULL, changed REAL NOT NULL
        )""",
        "CREATE INDEX orders_by_wish ON orders (directory, account, wish)",
        "CREATE INDEX orders_by_url ON orders (url)",
        "CREATE INDEX orders_by_change ON orders (changed)",
        "CREATE INDEX orders_closed ON orders (state) WHERE state = 'closed'",
        """CREATE TABLE answers (
            order_id INTEGER NOT NULL, run INTEGER NOT NULL, solver TEXT NOT NULL, which TEXT NOT NULL,
            challenge TEXT NOT NULL, handle TEXT,
            PRIMARY KEY (order_id, run, solver, which)
        ) WITHOUT ROWID""",
    ),
    (
        """CREATE TABLE next_keys (
            directory TEXT NOT NULL, account TEXT NOT NULL, present TEXT NOT NULL,
            next TEXT NOT NULL, key BLOB, name TEXT NOT NULL,
            PRIMARY KEY (directory, present)
        ) WITHOUT ROWID""",
    ),
)


class JournalFile:
    """Reads and writes the file, which is opened when it is first used; after `close` for each use.

    Args:
        path: is created with mode 0600 if it is not there; on a local disk, which SQLite's locks need.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        self._database: sqlite3.Connection | None = None
        self._closed = False
        self._waiting: deque[tuple[Callable[[sqlite3.Connection], Any], Future[Any]]] = deque()
        forks.heed(self)

    def write(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Run *work* in a transaction, and return what it returns once that is on the disk.

        What several threads write at the same time shares one transaction: each waits for the disk once.

        Raises:
            JournalError: it could not be written; nothing was.
        """
        written: Future[T] = Future()
        self._waiting.append((work, written))
        with self._lock:
            if not written.done():
                self._write_waiting()
                self._disconnect_if_closed()
        return written.result()

    def read(self, query: str, values: Sequence[object]) -> list[tuple[Any, ...]]:
        """Return the rows of a query.

        Raises:
            JournalError: it could not be read.
        """
        with self._lock:
            try:
                return self._open().execute(query, values).fetchall()
            except sqlite3.Error as exc:
                raise JournalError(f"{self.path}: {exc}") from exc
            finally:
                self._disconnect_if_closed()

    def close(self) -> None:
        """Close the file; a certificate that is written to its files later opens it for that moment."""
        with self._lock:
            self._closed = True
            self._disconnect()

    def before_fork(self) -> None:
        # SQLite's locks do not survive a fork: neither side may find a connection of the other
        # (https://sqlite.org/howtocorrupt.html, "Carrying an open database connection across a fork").
        self._lock.acquire()
        self._disconnect()

    def after_fork(self, *, in_child: bool) -> None:
        if in_child:
            self._waiting.clear()  # the threads that wait are the parent's
        self._lock.release()

    def _write_waiting(self) -> None:
        group: list[tuple[Callable[[sqlite3.Connection], Any], Future[Any]]] = []
        try:
            while self._waiting:
                group.append(self._waiting.popleft())
            with self._open() as database:
                database.execute("BEGIN IMMEDIATE")
                results = [work(database) for work, _ in group]
        except sqlite3.Error as exc:
            error = JournalError(f"{self.path}: {exc}")
            error.__cause__ = exc
            _fail(group, error)
        except BaseException as exc:  # noqa: BLE001 - each gets it, this thread too
            _fail(group, exc)
        else:
            for (_, written), result in zip(group, results, strict=True):
                written.set_result(result)

    def _open(self) -> sqlite3.Connection:
        if self._database is None:
            try:
                if not self.path.exists():
                    self._create()
                self._refuse_shared()
                database = _connect(self.path)
                try:
                    self._bring_up_to_date(database)
                except BaseException:
                    database.close()
                    raise
            except OSError as exc:
                raise JournalError(f"{self.path}: cannot be used as a journal: {exc.strerror}") from exc
            except sqlite3.Error as exc:
                raise JournalError(f"{self.path}: cannot be used as a journal: {exc}") from exc
            self._database = database
        return self._database

    def _create(self) -> None:
        """Make the whole journal elsewhere and link it: who finds it never finds half of it, or the wrong mode."""
        with files.synced(self.path.parent), TemporaryDirectory(prefix=".acmez-", dir=self.path.parent) as directory:
            unborn = Path(directory) / "journal"
            unborn.touch(mode=0o600)
            with closing(_connect(unborn)) as database:
                database.execute("PRAGMA journal_mode = WAL")
                database.execute(f"PRAGMA application_id = {_APPLICATION}")
                _migrate(database)
            with suppress(FileExistsError):
                self.path.hardlink_to(unborn)

    def _refuse_shared(self) -> None:
        mode = stat.S_IMODE(self.path.stat().st_mode)
        if mode & 0o077:
            raise JournalError(
                f"{self.path}: others have access to the keys in it (mode {mode:04o}): "
                f"chmod 600 {shlex.quote(str(self.path))}"
            )

    def _bring_up_to_date(self, database: sqlite3.Connection) -> None:
        if _number(database, "PRAGMA application_id") != _APPLICATION:
            raise JournalError(f"{self.path}: is no journal, though a file is there")
        version = _number(database, "PRAGMA user_version")
        if version > len(_STEPS):
            raise JournalError(f"{self.path}: written by a newer version of acmez")
        if version < len(_STEPS):
            _migrate(database)

    def _disconnect_if_closed(self) -> None:
        if self._closed:
            self._disconnect()

    def _disconnect(self) -> None:
        database, self._database = self._database, None
        if database is not None:
            database.close()


def _fail(group: Sequence[tuple[object, Future[Any]]], error: BaseException) -> None:
    for _, written in group:
        written.set_exception(error)


def _connect(path: Path) -> sqlite3.Connection:
    database = sqlite3.connect(
        f"file:{quote(str(path))}?mode=rw", uri=True, timeout=_PATIENCE, isolation_level=None, check_same_thread=False
    )
    try:
        database.execute("PRAGMA synchronous = FULL")
        database.execute("PRAGMA secure_delete = ON")
    except BaseException:
        database.close()
        raise
    return database


def _migrate(database: sqlite3.Connection) -> None:
    with database:
        database.execute("BEGIN IMMEDIATE")
        for step in _STEPS[_number(database, "PRAGMA user_version") :]:  # another process may have been quicker
            for statement in step:
                database.execute(statement)
        database.execute(f"PRAGMA user_version = {len(_STEPS)}")


def _number(database: sqlite3.Connection, query: str) -> int:
    return int(database.execute(query).fetchone()[0])
