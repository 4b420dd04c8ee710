"""The journal's file: a SQLite database that processes and threads share."""

from __future__ import annotations

import shlex
import sqlite3
import stat
import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from pathlib import Path
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
)


class JournalFile:
    """Reads and writes the file, which is opened when it is first used, and again after `close`.

    Args:
        path: is created with mode 0600 if it is not there; on a local disk, which SQLite's locks need.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        self._database: sqlite3.Connection | None = None
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

    def close(self) -> None:
        """Close the file until it is used again."""
        with self._lock:
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
                self._create()
                self._refuse_shared()
                self._database = self._connect()
            except OSError as exc:
                raise JournalError(f"{self.path}: cannot be used as a journal: {exc.strerror}") from exc
            except sqlite3.Error as exc:
                raise JournalError(f"{self.path}: cannot be used as a journal: {exc}") from exc
        return self._database

    def _create(self) -> None:
        # By linking, not by opening and closing: closing would let go of the locks that a connection of this
        # process has on the file (https://sqlite.org/howtocorrupt.html, "Posix advisory locks canceled").
        if not self.path.exists():
            with suppress(FileExistsError):
                files.create(self.path, b"", mode=0o600)

    def _refuse_shared(self) -> None:
        mode = stat.S_IMODE(self.path.stat().st_mode)
        if mode & 0o077:
            raise JournalError(
                f"{self.path}: others have access to the keys in it (mode {mode:04o}): "
                f"chmod 600 {shlex.quote(str(self.path))}"
            )

    def _connect(self) -> sqlite3.Connection:
        database = sqlite3.connect(
            f"file:{quote(str(self.path))}?mode=rw",
            uri=True,
            timeout=_PATIENCE,
            isolation_level=None,
            check_same_thread=False,
        )
        try:
            self._prepare(database)
        except BaseException:
            database.close()
            raise
        return database

    def _prepare(self, database: sqlite3.Connection) -> None:
        version = self._version(database)
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = FULL")
        database.execute("PRAGMA secure_delete = ON")
        if version < len(_STEPS):
            with database:
                database.execute("BEGIN IMMEDIATE")
                for step in _STEPS[self._version(database) :]:  # another process may have been quicker
                    for statement in step:
                        database.execute(statement)
                database.execute(f"PRAGMA application_id = {_APPLICATION}")
                database.execute(f"PRAGMA user_version = {len(_STEPS)}")

    def _version(self, database: sqlite3.Connection) -> int:
        """Return the version of the schema, 0 for an empty file."""
        # In this order: another process may be making the tables, and marks the file in the same transaction.
        tables, application, version = (
            int(database.execute(query).fetchone()[0])
            for query in ("SELECT count(*) FROM sqlite_master", "PRAGMA application_id", "PRAGMA user_version")
        )
        if application != _APPLICATION and (application or tables):
            raise JournalError(f"{self.path}: the database of another program, not a journal")
        if version > len(_STEPS):
            raise JournalError(f"{self.path}: written by a newer version of acmez")
        return version

    def _disconnect(self) -> None:
        database, self._database = self._database, None
        if database is not None:
            database.close()


def _fail(group: Sequence[tuple[object, Future[Any]]], error: BaseException) -> None:
    for _, written in group:
        written.set_exception(error)
