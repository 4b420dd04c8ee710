"""Keys, certificates, journals and answers: a full disk spoils none, and no planted link leads them astray."""

from __future__ import annotations

import sqlite3
import stat
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from acmez.acme.errors import AcmeError
from acmez.answer_store import DirectoryStore
from acmez.journal_file import JournalFile
from acmez.keys import FileKey, generate
from tests.disk import FULL, little_room, no_room, umask
from tests.test_certificate import issued

CERTIFICATE = issued()
CA = "https://ca.example/directory"
#: What fills the disk, and what SQLite keeps beside a journal until it can write again.
UNFINISHED = {"ballast", "acmez.journal-wal", "acmez.journal-shm"}


def nothing(directory: Path) -> None:
    pass


def key(directory: Path) -> None:
    FileKey(directory / "account.pem").get("account")


def next_key(directory: Path) -> None:
    FileKey(directory / "account.pem").keep_next(CA, generate("ec-p256"))


def certificate(directory: Path) -> None:
    CERTIFICATE.write(directory)


def renewal(directory: Path) -> None:
    issued().write(directory)


def journal(directory: Path, rows: int = 1) -> None:
    def insert(database: sqlite3.Connection) -> None:
        many = [(number, "x" * 1000) for number in range(rows)]
        database.executemany("INSERT OR REPLACE INTO answers VALUES (1, ?, 'web', ?, 'b', NULL)", many)

    file = JournalFile(directory / "acmez.journal")
    try:
        file.write(insert)
    finally:
        file.close()


def growing_journal(directory: Path) -> None:
    journal(directory, rows=20)


def answer(directory: Path) -> None:
    DirectoryStore(directory).put("http-01/token", "token.thumbprint", 60)


@dataclass(frozen=True)
class Case:
    """Something that is written.

    Attributes:
        first: writes what is there already.
        write: what is tested.
        mode: of the files that *write* makes; those that end in `public` differ.
    """

    first: Callable[[Path], None]
    write: Callable[[Path], None]
    mode: int = 0o600
    public: tuple[str, ...] = ()


CASES = {
    "key": Case(nothing, key),
    "next key": Case(key, next_key),
    "certificate": Case(nothing, certificate, public=("chain.pem", "cert.pem")),
    "renewal": Case(certificate, renewal, public=("chain.pem", "cert.pem")),
    "journal": Case(nothing, journal),
    "growing journal": Case(journal, growing_journal),
    "answer": Case(nothing, answer, mode=0o644),
    "new answer": Case(answer, answer, mode=0o644),
}


@pytest.fixture(params=[*CASES.values()], ids=[*CASES])
def case(request: pytest.FixtureRequest) -> Case:
    found: Case = request.param
    return found


def content(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in directory.iterdir()}


def test_a_full_disk_is_told_and_leaves_what_was_there(case: Case, tmp_path: Path):
    with little_room(tmp_path):
        case.first(tmp_path)
        before = content(tmp_path)
        with no_room(tmp_path):
            with pytest.raises((AcmeError, OSError), match=rf"{FULL}|disk is full|disk I/O error"):
                case.write(tmp_path)
            left = {name: data for name, data in content(tmp_path).items() if name not in UNFINISHED}
            assert left == before
        case.write(tmp_path)


def test_others_get_no_access_whatever_the_umask_is(case: Case, tmp_path: Path):
    with umask(0):
        case.first(tmp_path)
        case.write(tmp_path)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    assert modes == {name: 0o644 if name.endswith(case.public or ("?",)) else case.mode for name in modes}


@pytest.mark.parametrize("kind", ["symbolic", "hard", "dangling"])
def test_a_planted_link_does_not_lead_to_anothers_file(case: Case, kind: str, tmp_path: Path):
    model, place, victim = tmp_path / "model", tmp_path / "place", tmp_path / "victim"
    for directory in (model, place, victim):
        directory.mkdir()
    case.first(model)
    case.write(model)
    for name in content(model):
        if kind != "dangling":
            (victim / name).write_bytes(b"another's")
            (victim / name).chmod(0o640)
        if kind == "hard":
            (place / name).hardlink_to(victim / name)
        else:
            (place / name).symlink_to(victim / name)
    before = content(victim)
    with suppress(AcmeError):
        case.first(place)
        case.write(place)
    assert content(victim) == before
    assert {stat.S_IMODE(path.stat().st_mode) for path in victim.iterdir()} <= {0o640}
