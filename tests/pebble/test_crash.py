"""`kill -9` at any step: the next process goes on with the same order and key, and nothing is left behind."""

from __future__ import annotations

import multiprocessing
import signal
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from itertools import count
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from acmez import Certificate, Client, events
from acmez.csr import certificate_names
from acmez.keys import load_private_key
from tests.pebble import crash_child
from tests.pebble.crash_child import Place
from tests.pebble.crash_zone import Provider, serving_files
from tests.pebble.install import Binaries
from tests.pebble.server import Pebble, PebbleOptions

# Forks of a process that has everything imported: a new interpreter would take longer than the issuance.
processes = multiprocessing.get_context("forkserver")
processes.set_forkserver_preload([crash_child.__name__])

numbers = count(1)


@pytest.fixture(scope="module")
def ca(pebble_binaries: Binaries, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pebble]:
    """A Pebble that validates every name of every order, and takes every nonce."""
    options = PebbleOptions(authz_reuse=0, nonce_reject=0)
    with Pebble(tmp_path_factory.mktemp("pebble"), options, pebble_binaries) as server:
        yield server


@pytest.fixture(scope="module")
def provider(ca: Pebble) -> Provider:
    return Provider(ca.dns)


@pytest.fixture(scope="module")
def webroot(ca: Pebble, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    directory = tmp_path_factory.mktemp("webroot")
    with serving_files(directory, ca.http_port):
        yield directory


@pytest.fixture
def place(ca: Pebble, provider: Provider, webroot: Path, tmp_path: Path) -> Iterator[Place]:
    """A home with a registered account, and names of its own."""
    apex = f"crash-{next(numbers)}.test"
    (tmp_path / "webroot").symlink_to(webroot)
    with provider.serve() as address:
        place = Place(ca.directory_url, ca.trust, tmp_path, address, apex, (apex, f"*.{apex}", f"www-{apex}"))
        with place.client() as client:
            client.register(terms_of_service_agreed=True)
        yield place
    assert not provider.records
    assert not [path for path in webroot.rglob("*") if path.is_file()]


def kill_at(place: Place, step: str, number: int = 1) -> bytes | None:
    """Let a process die at a step; return the key that it left in the journal."""
    process = processes.Process(target=crash_child.obtain_and_die, args=(place, step, number))
    process.start()
    assert end_of(process) == -signal.SIGKILL
    return key_in(place.journal)


def end_of(process: BaseProcess) -> int | None:
    process.join(30)
    return process.exitcode


def key_in(journal: Path) -> bytes | None:
    if not journal.exists():
        return None
    with closing(sqlite3.connect(journal)) as database:
        rows = database.execute("SELECT key FROM orders").fetchall()
    assert len(rows) <= 1
    return rows[0][0] if rows else None


def orders_of(client: Client) -> list[str]:
    """Return the status of every order that the CA has for the account."""
    account = client.acme.account(client.account())
    return [client.acme.order(account, url).status for url in client.acme.orders(account)]


def names_of(certificate: Certificate) -> set[str]:
    return {value for _, value in certificate_names(certificate.leaf)}


def same_key(certificate: Certificate, pem: bytes) -> bool:
    key = load_private_key(pem, "journal")
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    return key.public_key() == certificate.leaf.public_key()


NOTHING_ORDERED = {"begin before", "begin after", "newOrder before"}
STEPS = [
    *(("begin before", 1), ("begin after", 1)),
    *(("newOrder before", 1), ("newOrder after", 1)),
    *(("ordered before", 1), ("ordered after", 1)),
    *(("authorization before", 1), ("authorization after", 3)),
    *(("presenting before", 1), ("presenting after", 1)),
    *(("presented before", 1), ("presented before", 3), ("presented after", 2)),
    *(("challenge before", 1), ("challenge after", 1), ("challenge after", 3)),
    *(("order before", 1), ("order after", 1)),
    *(("finalize before", 1), ("finalize after", 1)),
    *(("cleaned_up before", 1), ("cleaned_up after", 1)),
    *(("certificate before", 1), ("certificate after", 1)),
    *(("delivered before", 1), ("delivered after", 1)),
    *(("finish before", 1), ("finish after", 1)),
]


@pytest.mark.parametrize(("step", "number"), STEPS, ids=lambda value: str(value).replace(" ", "-"))
def test_the_next_process_goes_on(place: Place, provider: Provider, step: str, number: int):
    key = kill_at(place, step, number)
    with place.client() as client:
        certificate = client.obtain(place.names)
        assert names_of(certificate) == set(place.names)
        assert orders_of(client) == ["valid"]
        if step not in NOTHING_ORDERED:
            assert key is not None
            assert same_key(certificate, key)
        assert client.sweep() == []
        certificate.write(place.home / "certs")
    assert key_in(place.journal) is None
    assert not list(place.journal.with_name("acmez.journal.claims").iterdir())


@pytest.mark.parametrize(
    "step", ["newOrder after", "presented before", "challenge after", "finalize after", "finish before"]
)
def test_resume_goes_on_with_what_is_in_the_journal(place: Place, step: str):
    key = kill_at(place, step)
    with place.client() as client:
        (issued,) = client.resume()
        certificate = issued.result()
        assert names_of(certificate) == set(place.names)
        assert key is not None
        assert same_key(certificate, key)
        assert orders_of(client) == ["valid"]
        assert list(client.resume()) == []


def test_nothing_is_resumed_that_was_not_begun(place: Place):
    kill_at(place, "begin before")
    with place.client() as client:
        assert list(client.resume()) == []
        assert orders_of(client) == []


@pytest.mark.parametrize("step", ["presenting after", "presented after", "challenge after", "cleaned_up before"])
def test_sweeping_alone_leaves_the_order_for_later(place: Place, provider: Provider, step: str):
    kill_at(place, step)
    with place.client() as client:
        assert client.sweep() == []
        assert not provider.records
        assert client.sweep() == []
        assert len(orders_of(client)) == 1
        client.obtain(place.names)
        assert orders_of(client) == ["valid"]


def test_one_crash_after_the_other(place: Place):
    key = kill_at(place, "presented before", 2)
    for step in ("presenting after", "presented after", "challenge after", "finalize after", "certificate after"):
        assert kill_at(place, step) == key
    with place.client() as client:
        assert key is not None
        assert same_key(client.obtain(place.names), key)
        assert orders_of(client) == ["valid"]


def test_several_processes_at_once(place: Place):
    """Each has a certificate of its own: none takes over what a living one works on."""
    targets = [place.home / f"certs-{number}" for number in range(3)]
    started = [processes.Process(target=crash_child.obtain_and_write, args=(place, target)) for target in targets]
    for process in started:
        process.start()
    assert [end_of(process) for process in started] == [0, 0, 0]
    assert len({(target / "cert.pem").read_bytes() for target in targets}) == 3
    with place.client() as client:
        assert orders_of(client) == ["valid"] * 3
        assert client.sweep() == []
    assert key_in(place.journal) is None


def test_the_order_of_a_living_process_is_left_alone(place: Place):
    with place.client() as other:
        others: list[Certificate] = []

        def obtain_too(event: events.Event) -> None:
            if isinstance(event, events.OrderCreated):
                assert other.unfinished() == []
                others.append(other.obtain(place.names))

        with place.client(on_event=obtain_too) as client:
            assert client.obtain(place.names).leaf != others[0].leaf
        assert orders_of(other) == ["valid"] * 2
