"""A crash-safe record of orders and presented answers, so that after `kill -9` another process goes on.

An order and its key are written before it is sent, every answer before it is presented; after the next request
the journal says how far it got. What the CA knows better, such as whether an order was finalized, it is asked.
"""

from __future__ import annotations

import json
import os
import sqlite3
import time
import uuid
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

_THIS_RUN = uuid.uuid4().hex

_UNFINISHED = "directory = ? AND account = ? AND (state = 'open' OR (state = 'issued' AND changed > ? AND holder != ?))"
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
        path: the SQLite file on a local disk, which is made when it is first used. A folder beside it holds one
            lock file for every order that a living process works on.
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
        """Close the file, which is opened again when it is used, and let go of every claim."""
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
        now = time.time()

        def work(database: sqlite3.Connection) -> int:
            database.execute(
                f"{_CLOSE} changed < ? AND (state = 'issued' OR changed < ?)",
                (now - KEEP_ISSUED, now - KEEP_UNFINISHED),
            )
            database.execute(_FORGET)
            cursor = database.execute(
                "INSERT INTO orders (directory, account, wish, csr, key, state, run, changed) "
                "VALUES (?, ?, ?, ?, ?, 'open', 1, ?)",
                (directory, account, wish, csr, key, now),
            )
            number = int(cursor.lastrowid or 0)
            if not self._take(number):  # before others can see the order
                raise JournalError(f"{self.path}: the order {number} is another's")
            taken.append(number)
            return number

        taken: list[int] = []
        try:
            return OrderEntry(self._file.write(work), 1, None, csr, key)
        except BaseException:
            for number in taken:
                self._claims.drop(number)
            raise

    def unfinished(self, directory: str, account: str, wish: str) -> OrderEntry | None:
        """Claim and return an order that a process left behind, the newest first.

        An issued one counts for a day, unless its certificate was written to a file, or is with this process.
        """
        rows = self._file.read(
            f"SELECT id FROM orders WHERE {_UNFINISHED} AND wish = ? ORDER BY id DESC",  # noqa: S608 - constants
            (*self._unfinished_of(directory, account), wish),
        )
        for (number,) in rows:
            if self._take(number):
                # Read again now that nobody else can be at it.
                entry = self._run_again(number)
                if entry is not None:
                    return entry
                self._claims.drop(number)
        return None

    def waiting(self, directory: str, account: str) -> dict[str, bytes]:
        """Return the wish and certificate request of every order that no living process works on."""
        rows = self._file.read(
            f"SELECT id, wish, csr FROM orders WHERE {_UNFINISHED} ORDER BY id",  # noqa: S608 - constants
            self._unfinished_of(directory, account),
        )
        left: dict[str, bytes] = {}
        for number, wish, csr in rows:
            if self._take(number):
                self._claims.drop(number)
                left[wish] = csr
        return left

    def ordered(self, entry: OrderEntry, url: str) -> None:
        """Note that the CA took the order."""
        self._execute("UPDATE orders SET url = ?, changed = ? WHERE id = ?", (url, time.time(), entry.id))

    def delivered(self, entry: OrderEntry) -> None:
        """Note that a caller in this process has the certificate: asking again means wanting another one.

        Earlier ones for the same wish, which nobody wrote to a file, are of no use any more.
        """

        def work(database: sqlite3.Connection) -> None:
            database.execute(
                "UPDATE orders SET state = 'issued', holder = ?, changed = ? WHERE id = ?",
                (self._holder(), time.time(), entry.id),
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
        self._execute("UPDATE orders SET holder = ? WHERE url = ?", (self._holder(), url))

    def finish(self, entry: OrderEntry, *, forget: bool) -> None:
        """Let go of an order; forget it, or keep it so that it can be gone on with."""
        try:
            if forget:
                self._forget("id = ?", entry.id)
        finally:
            self._claims.drop(entry.id)

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

    # Answers

    def presenting(self, entry: OrderEntry, solver: str, challenges: Sequence[Challenge]) -> None:
        """Note that answers are about to be presented."""
        rows = [(entry.id, entry.run, solver, _which(challenge), _dump(challenge)) for challenge in challenges]
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

    def cleaned_up(self, entry: OrderEntry, solver: str, challenges: Sequence[Challenge]) -> None:
        """Note that the answers of this run are gone."""
        self._remove([_place(entry.id, entry.run, solver, challenge) for challenge in challenges])

    def swept(self, answer: Answer) -> None:
        """Note that the answer of an earlier run is gone."""
        self._remove([_place(answer.order_id, answer.run, answer.solver, answer.challenge)])

    def inherited(self, entry: OrderEntry) -> list[Answer]:
        """Return what earlier runs presented for an order and is not known to be gone."""
        return self._answers("order_id = ? AND run < ?", (entry.id, entry.run))

    def abandoned(self) -> list[tuple[OrderEntry, list[Answer]]]:
        """Claim and return the orders with answers that no living process takes care of."""
        found = []
        for (number,) in self._file.read("SELECT DISTINCT order_id FROM answers ORDER BY order_id", ()):
            if self._take(number):
                entry, answers = self._entry(number), self._answers("order_id = ?", (number,))
                if entry is None or not answers:
                    self._claims.drop(number)
                else:
                    found.append((entry, answers))
        return found

    def _take(self, number: int) -> bool:
        try:
            return self._claims.take(number)
        except OSError as exc:
            raise JournalError(f"{exc.filename}: cannot be locked: {exc.strerror}") from exc

    def _run_again(self, number: int) -> OrderEntry | None:
        self._execute("UPDATE orders SET run = run + 1 WHERE id = ? AND state != 'closed'", (number,))
        return self._entry(number, "state != 'closed'")

    def _entry(self, number: int, condition: str = "1") -> OrderEntry | None:
        query = f"SELECT id, run, url, csr, key FROM orders WHERE id = ? AND {condition}"  # noqa: S608 - constants
        rows = self._file.read(query, (number,))
        return OrderEntry(*rows[0]) if rows else None

    def _answers(self, condition: str, values: Sequence[object]) -> list[Answer]:
        query = f"SELECT order_id, run, solver, challenge, handle FROM answers WHERE {condition}"  # noqa: S608
        return [
            Answer(number, run, solver, _load(challenge), None if handle is None else json.loads(handle))
            for number, run, solver, challenge, handle in self._file.read(query, values)
        ]

    def _unfinished_of(self, directory: str, account: str) -> tuple[object, ...]:
        return directory, account, time.time() - KEEP_ISSUED, self._holder()

    def _holder(self) -> str:
        """What tells this process from others, its children too."""
        return f"{_THIS_RUN}-{os.getpid()}"

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
