"""A crash-safe record of orders and presented answers: one SQLite file, safe for several processes.

Every step is written before and after its request, so that after `kill -9` the same order goes on with
the same key, and what was presented is cleaned up. The file holds private keys: it is made with mode 0600.
"""

from __future__ import annotations

import json
import os
import sqlite3
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from .acme.challenge import Challenge
from .acme.identifier import Identifier
from .claims import Claims
from .errors import AcmezError
from .protocols import Handle

_SCHEMA = """
CREATE TABLE IF NOT EXISTS orders (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    directory TEXT NOT NULL, account TEXT NOT NULL, names TEXT NOT NULL,
    csr BLOB NOT NULL, own_csr INTEGER NOT NULL, key BLOB, url TEXT, state TEXT NOT NULL, changed REAL NOT NULL
);
CREATE TABLE IF NOT EXISTS answers (
    solver TEXT NOT NULL, type TEXT NOT NULL, identifier TEXT NOT NULL, token TEXT NOT NULL,
    order_id INTEGER NOT NULL REFERENCES orders (id), challenge TEXT NOT NULL, handle TEXT,
    PRIMARY KEY (solver, type, identifier, token)
);
CREATE INDEX IF NOT EXISTS orders_by_names ON orders (directory, account, names);
"""

_BY_KEY = "solver = ? AND type = ? AND identifier = ? AND token = ?"
_FORGET_CLOSED = "DELETE FROM orders WHERE state = 'closed' AND id NOT IN (SELECT order_id FROM answers)"

#: The steps of an order, in their order: about to be ordered, ordered, about to be finalized, issued.
STATES = ("ordering", "ordered", "finalizing", "issued", "closed")

#: Seconds for which an issued certificate that nobody wrote to a file is offered again.
KEEP_ISSUED = 86400.0


class JournalError(AcmezError):
    """The journal cannot be used; the message starts with its path."""


@dataclass(frozen=True, slots=True)
class OrderEntry:
    """One order in the journal, claimed by this process.

    Attributes:
        id: the journal's number for it.
        url: `None` if it is not known whether the CA took the order.
        state: one of `STATES`.
        csr: DER of the certificate request.
        key: PEM of its private key, `None` if the key lives elsewhere.
    """

    id: int
    url: str | None
    state: str
    csr: bytes = field(repr=False)
    key: bytes | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What an unfinished order is for: names, or the certificate request that the caller brought."""

    names: tuple[str, ...]
    csr: bytes | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class Answer:
    """A challenge that a solver presented, or was about to."""

    solver: str
    challenge: Challenge
    handle: Handle | None


class Journal:
    """Records orders and answers in a file.

    Args:
        path: the SQLite file; it is created if it is not there. A folder beside it holds one lock file
            for every order that a living process works on.

    Raises:
        JournalError: the file cannot be opened, or is none.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self._lock = threading.Lock()
        self._delivered: set[int] = set()
        self._claims = Claims(self.path.with_name(f"{self.path.name}.claims"))
        try:
            os.close(os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
            self._database = sqlite3.connect(self.path, timeout=30.0, isolation_level=None, check_same_thread=False)
            self._database.execute("PRAGMA journal_mode = WAL")
            self._database.execute("PRAGMA synchronous = FULL")
            self._database.executescript(_SCHEMA)
        except (OSError, sqlite3.Error) as exc:
            raise JournalError(f"{self.path}: cannot be used as a journal: {exc}") from exc

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __reduce__(self) -> tuple[type[Journal], tuple[Path]]:
        """Pickle the path: another process claims for itself."""
        return Journal, (self.path,)

    def close(self) -> None:
        """Close the file and let go of every claim."""
        with self._lock:
            self._database.close()
        self._claims.close()

    # Orders

    def begin(
        self,
        directory: str,
        account: str,
        subjects: Iterable[Identifier],
        *,
        csr: bytes,
        own_csr: bool,
        key: bytes | None,
    ) -> OrderEntry:
        """Note that an order is about to be sent, and claim it."""
        with self._transaction() as database:
            cursor = database.execute(
                "INSERT INTO orders (directory, account, names, csr, own_csr, key, state, changed) "
                "VALUES (?, ?, ?, ?, ?, ?, 'ordering', ?)",
                (directory, account, names_key(subjects), csr, own_csr, key, time.time()),
            )
            entry = OrderEntry(int(cursor.lastrowid or 0), None, "ordering", csr, key)
            # Before others can see the order: it is this process's from the start.
            self._claims.take(entry.id)
        return entry

    def unfinished(self, directory: str, account: str, subjects: Iterable[Identifier]) -> OrderEntry | None:
        """Claim and return an order for the same names that a process left behind, the newest first.

        An issued one counts for a day, unless its certificate was written to a file.
        """
        rows = self._read(
            "SELECT id FROM orders WHERE directory = ? AND account = ? AND names = ? AND state != 'closed' "
            "AND (state != 'issued' OR changed > ?) ORDER BY id DESC",
            (directory, account, names_key(subjects), time.time() - KEEP_ISSUED),
        )
        for (number,) in rows:
            if number not in self._delivered and self._claims.take(number):
                # Read again now that nobody else can be at it.
                entry = self._entry(number)
                if entry is not None and entry.state != "closed":
                    return entry
                self._claims.drop(number)
        return None

    def waiting(self, directory: str, account: str) -> list[Wanted]:
        """Return what orders of an account, left behind by whichever process, are for."""
        rows = self._read(
            "SELECT id, names, CASE WHEN own_csr THEN csr END FROM orders WHERE directory = ? AND account = ? "
            "AND state != 'closed' AND (state != 'issued' OR changed > ?) ORDER BY id",
            (directory, account, time.time() - KEEP_ISSUED),
        )
        wanted = {
            (names, csr): Wanted(() if csr else tuple(value for _, value in json.loads(names)), csr)
            for number, names, csr in rows
            if number not in self._delivered
        }
        return list(wanted.values())

    def ordered(self, entry: OrderEntry, url: str) -> None:
        """Note that the CA took the order."""
        with self._transaction() as database:
            database.execute(
                "UPDATE orders SET url = ?, state = 'ordered', changed = ? WHERE id = ?", (url, time.time(), entry.id)
            )

    def reach(self, entry: OrderEntry, state: str) -> None:
        """Note that the order is "finalizing" or "issued"."""
        with self._transaction() as database:
            database.execute("UPDATE orders SET state = ?, changed = ? WHERE id = ?", (state, time.time(), entry.id))

    def finish(self, entry: OrderEntry, *, forget: bool) -> None:
        """Let go of an order; forget it, or keep it so that it can be gone on with."""
        if forget:
            with self._transaction() as database:
                database.execute("UPDATE orders SET state = 'closed', key = NULL WHERE id = ?", (entry.id,))
                database.execute(_FORGET_CLOSED)
        self._claims.drop(entry.id)

    def forget(self, url: str) -> None:
        """Forget an issued order: its certificate is safe in a file."""
        with self._transaction() as database:
            database.execute("UPDATE orders SET state = 'closed', key = NULL WHERE url = ?", (url,))
            database.execute(_FORGET_CLOSED)

    def delivered(self, entry: OrderEntry) -> None:
        """Note that a caller in this process has the certificate: asking again means wanting another one.

        Earlier certificates for the same names, which nobody wrote to a file, are of no use any more.
        """
        self._delivered.add(entry.id)
        with self._transaction() as database:
            database.execute(
                "UPDATE orders SET state = 'closed', key = NULL WHERE state = 'issued' AND id < ? AND EXISTS ("
                "SELECT 1 FROM orders AS newer WHERE newer.id = ? AND newer.directory = orders.directory "
                "AND newer.account = orders.account AND newer.names = orders.names)",
                (entry.id, entry.id),
            )
            database.execute(_FORGET_CLOSED)

    def known_urls(self) -> frozenset[str]:
        """Return the URLs of all orders in the journal."""
        return frozenset(url for (url,) in self._read("SELECT url FROM orders WHERE url IS NOT NULL", ()))

    # Answers

    def presenting(self, entry: OrderEntry, solver: str, challenges: Sequence[Challenge]) -> None:
        """Note that answers are about to be presented."""
        with self._transaction() as database:
            database.executemany(
                "INSERT OR REPLACE INTO answers (solver, type, identifier, token, order_id, challenge) "
                "VALUES (?, ?, ?, ?, ?, ?)",
                [(*_key(solver, challenge), entry.id, _dump(challenge)) for challenge in challenges],
            )

    def presented(self, solver: str, challenges: Sequence[Challenge], handles: Sequence[Handle | None]) -> None:
        """Note the handles of answers that are visible.

        Raises:
            TypeError, ValueError: a handle is not plain JSON data.
        """
        rows = [
            (json.dumps(handle), *_key(solver, challenge))
            for challenge, handle in zip(challenges, handles, strict=True)
            if handle is not None
        ]
        with self._transaction() as database:
            database.executemany(f"UPDATE answers SET handle = ? WHERE {_BY_KEY}", rows)  # noqa: S608 - a constant

    def cleaned_up(self, solver: str, challenges: Sequence[Challenge]) -> None:
        """Note that answers are gone."""
        with self._transaction() as database:
            database.executemany(
                f"DELETE FROM answers WHERE {_BY_KEY}",  # noqa: S608 - a constant
                [_key(solver, challenge) for challenge in challenges],
            )
            database.execute(_FORGET_CLOSED)

    def answers_of(self, entry: OrderEntry) -> list[Answer]:
        """Return what was presented for an order and is not known to be gone."""
        rows = self._read("SELECT solver, challenge, handle FROM answers WHERE order_id = ?", (entry.id,))
        return [
            Answer(solver, _load(challenge), None if handle is None else json.loads(handle))
            for solver, challenge, handle in rows
        ]

    def abandoned(self) -> list[tuple[OrderEntry, list[Answer]]]:
        """Claim and return the orders with answers that no living process takes care of."""
        found = []
        for (number,) in self._read("SELECT DISTINCT order_id FROM answers ORDER BY order_id", ()):
            if self._claims.take(number):
                entry = self._entry(number)
                if entry is None:
                    self._claims.drop(number)
                else:
                    found.append((entry, self.answers_of(entry)))
        return found

    def _entry(self, number: int) -> OrderEntry | None:
        rows = self._read("SELECT id, url, state, csr, key FROM orders WHERE id = ?", (number,))
        return OrderEntry(*rows[0]) if rows else None

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            try:
                self._database.execute("BEGIN IMMEDIATE")
                with self._database:
                    yield self._database
            except sqlite3.Error as exc:
                raise JournalError(f"{self.path}: {exc}") from exc

    def _read(self, statement: str, values: Sequence[object]) -> list[tuple[Any, ...]]:
        with self._lock:
            return self._database.execute(statement, values).fetchall()


def names_key(subjects: Iterable[Identifier]) -> str:
    """Return what orders for the same names have in common."""
    return json.dumps(sorted(subject.key for subject in subjects))


def _key(solver: str, challenge: Challenge) -> tuple[str, str, str, str]:
    return solver, challenge.type, json.dumps(challenge.identifier.key), challenge.token or challenge.url


def _dump(challenge: Challenge) -> str:
    return json.dumps(
        {
            "raw": dict(challenge.raw),
            "identifier": dict(challenge.identifier.to_json()),
            "wildcard": challenge.wildcard,
            "thumbprint": challenge.thumbprint,
            "account_url": challenge.account_url,
            "url": challenge.url,
        }
    )


def _load(text: str) -> Challenge:
    stored = json.loads(text)
    return Challenge.from_json(
        stored["raw"],
        stored["url"],
        identifier=Identifier.from_json(stored["identifier"], stored["url"]),
        wildcard=stored["wildcard"],
        thumbprint=stored["thumbprint"],
        account_url=stored["account_url"],
    )
