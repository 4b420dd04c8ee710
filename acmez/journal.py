"""A crash-safe record of orders and presented answers, so that after `kill -9` another process goes on.

An order and its key are written before it is sent, every answer before it is presented; after the next request
the journal says how far it got. What the CA knows better, such as whether an order was finalized, it is asked.
"""

from __future__ import annotations

import json
import os
import sqlite3
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from .acme.challenge import Challenge
from .acme.identifier import Identifier
from .claims import Claims
from .errors import JournalError
from .journal_file import JournalFile
from .protocols import Handle

#: Seconds for which an issued certificate that nobody wrote to a file is offered again.
KEEP_ISSUED = 86400.0

#: Seconds after which an order that nobody went on with is forgotten; the CA has forgotten it, too.
KEEP_UNFINISHED = 30 * 86400.0

_CLOSE = "UPDATE orders SET state = 'closed', key = NULL WHERE"
_FORGET = "DELETE FROM orders WHERE state = 'closed' AND NOT EXISTS (SELECT 1 FROM answers WHERE order_id = orders.id)"
_PLACE = "order_id = ? AND run = ? AND solver = ? AND which = ?"


@dataclass(frozen=True, slots=True)
class OrderEntry:
    """One order in the journal, claimed by this process.

    Attributes:
        id: the journal's number for it.
        run: how often it was begun or gone on with.
        url: `None` if it is not known whether the CA took the order.
        csr: DER of the certificate request.
        key: PEM of its private key, `None` if the key lives elsewhere.
    """

    id: int
    run: int
    url: str | None
    csr: bytes = field(repr=False)
    key: bytes | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class NextKey:
    """The key that an account gets, or has got, after another one.

    Attributes:
        thumbprint: its own.
        name: for messages.
        pem: `None` if the key lives elsewhere.
    """

    thumbprint: str
    name: str
    pem: bytes | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class Answer:
    """A challenge that a solver presented, or was about to, in one run of an order."""

    order_id: int
    run: int
    solver: str
    challenge: Challenge
    handle: Handle | None


class Journal:
    """Records orders and answers in a file that processes and threads can share.

    It holds private keys, so others must have no access to it. Every method raises `JournalError` if the file
    cannot be read or written.

    Args:
        path: the SQLite file on a local disk, which is made when it is first used. A folder beside it holds a lock
            file for each process that uses it.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path).absolute()
        self._file = JournalFile(self.path)
        self._claims = Claims(self.path.with_name(f"{self.path.name}.claims"))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __reduce__(self) -> tuple[type[Journal], tuple[Path]]:
        """Pickle the path: another process claims for itself."""
        return type(self), (self.path,)

    def close(self) -> None:
        """Close the file, which is opened for a moment when it is used later, and let go of every claim."""
        self._file.close()
        self._claims.close()

    # Orders

    def begin(self, directory: str, account: str, wish: str, *, csr: bytes, key: bytes | None) -> OrderEntry:
        """Note that an order is about to be sent, and claim it.

        Args:
            directory, account: URLs of the CA's directory and of the account.
            wish: what is ordered, in words that are the same whenever the same is wanted.
            csr: DER of the certificate request.
            key: PEM of its private key, if losing that would lose the certificate.
        """
        now, worker = time.time(), self._own

        def work(database: sqlite3.Connection) -> int:
            database.execute(
                f"{_CLOSE} changed < ? AND (state = 'issued' OR changed < ?)",
                (now - KEEP_ISSUED, now - KEEP_UNFINISHED),
            )
            database.execute(_FORGET)
            cursor = database.execute(
                "INSERT INTO orders (directory, account, wish, csr, key, state, worker, run, changed) "
                "VALUES (?, ?, ?, ?, ?, 'open', ?, 1, ?)",
                (directory, account, wish, csr, key, worker, now),
            )
            return int(cursor.lastrowid or 0)

        return OrderEntry(self._file.write(work), 1, None, csr, key)

    def unfinished(self, directory: str, account: str, wish: str) -> OrderEntry | None:
        """Claim and return an order that a process left behind, the newest first.

        An issued one counts for a day, unless its certificate was written to a file, or is with a living process.
        """
        for number, run, _, _ in reversed(self._left(directory, account, wish)):
            entry = self._claim(number, run, "state != 'closed'")
            if entry is not None:
                return entry
        return None

    def waiting(self, directory: str, account: str) -> dict[str, bytes]:
        """Return the wish and certificate request of every order that no living process works on."""
        return {wish: csr for _, _, wish, csr in self._left(directory, account, None)}

    def ordered(self, entry: OrderEntry, url: str) -> None:
        """Note that the CA took the order."""
        self._execute("UPDATE orders SET url = ?, changed = ? WHERE id = ?", (url, time.time(), entry.id))

    def delivered(self, entry: OrderEntry) -> None:
        """Note that a caller in this process has the certificate: asking again means wanting another one.

        Earlier ones for the same wish, which nobody wrote to a file, are of no use any more.
        """
        holder = self._own

        def work(database: sqlite3.Connection) -> None:
            database.execute(
                "UPDATE orders SET state = 'issued', holder = ?, changed = ? WHERE id = ?",
                (holder, time.time(), entry.id),
            )
            database.execute(
                f"{_CLOSE} state = 'issued' AND id < ? AND (directory, account, wish) = "  # noqa: S608 - constants
                "(SELECT directory, account, wish FROM orders WHERE id = ?)",
                (entry.id, entry.id),
            )
            database.execute(_FORGET)

        self._file.write(work)

    def adopt(self, url: str) -> None:
        """Note that this process has the certificate of an order, which another one obtained."""
        self._execute("UPDATE orders SET holder = ? WHERE url = ?", (self._own, url))

    def finish(self, entry: OrderEntry, *, forget: bool) -> None:
        """Let go of an order; forget it, or keep it so that it can be gone on with."""

        def work(database: sqlite3.Connection) -> None:
            if forget:
                database.execute(f"{_CLOSE} id = ?", (entry.id,))
            database.execute("UPDATE orders SET worker = NULL WHERE id = ? AND run = ?", (entry.id, entry.run))
            database.execute(_FORGET)

        self._file.write(work)

    def forget(self, url: str) -> None:
        """Forget an issued order: its certificate is safe in a file."""
        self._forget("url = ? AND state = 'issued'", url)

    def revoked(self, public_key: bytes) -> None:
        """Forget what was issued for a key: the certificate must not be offered again.

        Args:
            public_key: DER of its SubjectPublicKeyInfo, which a certificate request contains as it is.
        """
        self._forget("state = 'issued' AND instr(csr, ?)", public_key)

    def known_urls(self, directory: str, account: str) -> frozenset[str]:
        """Return the URLs of all orders of an account in the journal."""
        query = "SELECT url FROM orders WHERE directory = ? AND account = ? AND url IS NOT NULL"
        return frozenset(url for (url,) in self._file.read(query, (directory, account)))

    def accounts_elsewhere(self, directory: str) -> list[str]:
        """Return the URLs of the accounts at other CAs that have orders in the journal."""
        query = "SELECT DISTINCT account FROM orders WHERE directory != ? ORDER BY account"
        return [account for (account,) in self._file.read(query, (directory,))]

    # Keys of accounts, RFC 8555 §7.3.5

    def keep_next_key(self, directory: str, account: str, present: str, key: NextKey) -> None:
        """Note that an account's key is about to be replaced.

        Args:
            present: thumbprint of the key until now.
        """
        self._execute(
            "INSERT OR REPLACE INTO next_keys (directory, account, present, next, key, name) VALUES (?, ?, ?, ?, ?, ?)",
            (directory, account, present, key.thumbprint, key.pem, key.name),
        )

    def next_key(self, directory: str, present: str) -> NextKey | None:
        """Return the key that replaces another one."""
        query = "SELECT next, name, key FROM next_keys WHERE directory = ? AND present = ?"
        rows = self._file.read(query, (directory, present))
        return NextKey(*rows[0]) if rows else None

    def drop_next_key(self, directory: str, present: str) -> None:
        """Forget that a key was about to be replaced."""
        self._execute("DELETE FROM next_keys WHERE directory = ? AND present = ?", (directory, present))

    def holds_key(self, directory: str, account: str, present: str) -> None:
        """Forget every other key that an account had: who uses it was given the present one."""
        others = "directory = ? AND account = ? AND present != ?"
        if self._file.read(f"SELECT 1 FROM next_keys WHERE {others}", (directory, account, present)):  # noqa: S608
            self._execute(f"DELETE FROM next_keys WHERE {others}", (directory, account, present))  # noqa: S608

    # Answers

    def presenting(self, entry: OrderEntry, answers: Iterable[tuple[str, Challenge]]) -> None:
        """Note that answers are about to be presented, each by a solver."""
        rows = [(entry.id, entry.run, solver, _which(challenge), _dump(challenge)) for solver, challenge in answers]
        statement = "INSERT OR REPLACE INTO answers (order_id, run, solver, which, challenge) VALUES (?, ?, ?, ?, ?)"
        self._file.write(lambda database: database.executemany(statement, rows))

    def presented(
        self, entry: OrderEntry, solver: str, challenges: Sequence[Challenge], handles: Sequence[Handle | None]
    ) -> None:
        """Note the handles of answers that are visible.

        Raises:
            TypeError, ValueError: a handle is not plain JSON data.
        """
        rows = [
            (json.dumps(dict(handle)), *_place(entry.id, entry.run, solver, challenge))
            for challenge, handle in zip(challenges, handles, strict=True)
            if handle is not None
        ]
        if rows:
            statement = f"UPDATE answers SET handle = ? WHERE {_PLACE}"  # noqa: S608 - a constant
            self._file.write(lambda database: database.executemany(statement, rows))

    def cleaned_up(self, entry: OrderEntry, answers: Iterable[tuple[str, Challenge]]) -> None:
        """Note that answers of this run are gone."""
        self._remove([_place(entry.id, entry.run, solver, challenge) for solver, challenge in answers])

    def swept(self, answer: Answer) -> None:
        """Note that the answer of an earlier run is gone."""
        self._remove([_place(answer.order_id, answer.run, answer.solver, answer.challenge)])

    def inherited(self, entry: OrderEntry) -> list[Answer]:
        """Return what earlier runs presented for an order and is not known to be gone."""
        return self._answers("order_id = ? AND run < ?", (entry.id, entry.run))

    def abandoned(self) -> list[tuple[OrderEntry, list[Answer]]]:
        """Claim and return the orders with answers that no living process takes care of."""
        found = []
        rows = self._file.read(
            "SELECT id, run, worker FROM orders WHERE id IN (SELECT order_id FROM answers) ORDER BY id", ()
        )
        for number, run, worker in rows:
            entry = None if self._lives(worker) else self._claim(number, run, "1")
            if entry is not None:
                found.append((entry, self._answers("order_id = ?", (number,))))
        return found

    @property
    def _own(self) -> str:
        try:
            return self._claims.own
        except OSError as exc:
            raise JournalError(f"{self.path}: the lock files beside it cannot be used: {exc}") from exc

    def _lives(self, process: str | None) -> bool:
        try:
            return process is not None and self._claims.live(process)
        except OSError as exc:
            raise JournalError(f"{self.path}: the lock files beside it cannot be used: {exc}") from exc

    def _left(self, directory: str, account: str, wish: str | None) -> list[tuple[int, int, str, bytes]]:
        """Return number, run, wish and certificate request of what no living process works on, or has."""
        rows = self._file.read(
            "SELECT id, run, wish, csr, worker, holder FROM orders WHERE directory = ? AND account = ? "  # noqa: S608
            f"AND (state = 'open' OR (state = 'issued' AND changed > ?)) {'AND wish = ?' if wish else ''} ORDER BY id",
            (directory, account, time.time() - KEEP_ISSUED, *([wish] if wish else [])),
        )
        return [row[:4] for row in rows if not self._lives(row[4]) and not self._lives(row[5])]

    def _claim(self, number: int, run: int, condition: str) -> OrderEntry | None:
        """Begin the next run of an order, unless another process was quicker."""
        worker = self._own

        def work(database: sqlite3.Connection) -> OrderEntry | None:
            cursor = database.execute(
                f"UPDATE orders SET worker = ?, run = run + 1 WHERE id = ? AND run = ? AND {condition}",  # noqa: S608
                (worker, number, run),
            )
            if not cursor.rowcount:
                return None
            query = "SELECT id, run, url, csr, key FROM orders WHERE id = ?"
            return OrderEntry(*database.execute(query, (number,)).fetchone())

        return self._file.write(work)

    def _answers(self, condition: str, values: Sequence[object]) -> list[Answer]:
        query = f"SELECT order_id, run, solver, challenge, handle FROM answers WHERE {condition}"  # noqa: S608
        return [
            Answer(number, run, solver, _load(challenge), None if handle is None else json.loads(handle))
            for number, run, solver, challenge, handle in self._file.read(query, values)
        ]

    def _remove(self, places: Iterable[tuple[object, ...]]) -> None:
        def work(database: sqlite3.Connection) -> None:
            database.executemany(f"DELETE FROM answers WHERE {_PLACE}", places)  # noqa: S608 - a constant
            database.execute(_FORGET)

        self._file.write(work)

    def _forget(self, condition: str, value: object) -> None:
        def work(database: sqlite3.Connection) -> None:
            database.execute(f"{_CLOSE} {condition}", (value,))
            database.execute(_FORGET)

        self._file.write(work)

    def _execute(self, statement: str, values: Sequence[object]) -> None:
        self._file.write(lambda database: database.execute(statement, values))


def _place(order_id: int, run: int, solver: str, challenge: Challenge) -> tuple[object, ...]:
    return order_id, run, solver, _which(challenge)


def _which(challenge: Challenge) -> str:
    """What tells a challenge from the others of its order."""
    return json.dumps([challenge.type, *challenge.identifier.key, challenge.token or challenge.url])


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
