"""A real CA, with its 5 % of refused nonces and half of its authorizations reused, issues what is asked for."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from acmez import Certificate, Client, Route, events
from acmez.acme.jws import PrivateKey
from acmez.acme.problem import BadSignatureAlgorithm
from acmez.csr import build_request, certificate_names, identifiers
from acmez.protocols import Solver
from tests.pebble.server import Pebble
from tests.solvers import (
    BatchingTxtSolver,
    PebbleRecords,
    TxtSolver,
    Web,
    WebSolver,
    assert_no_threads,
)

Connect = Callable[..., Client]


@pytest.fixture(scope="module")
def web(pebble: Pebble) -> Iterator[Web]:
    with Web(pebble.http_port) as server:
        yield server
        assert not server.answers


@pytest.fixture
def zone(pebble: Pebble) -> Iterator[PebbleRecords]:
    records = PebbleRecords(pebble.dns)
    yield records
    assert not records.records


@pytest.fixture
def connect(pebble: Pebble) -> Iterator[Connect]:
    """Make registered clients; nothing that they or their solvers made may be left in the end."""
    clients: list[Client] = []
    solvers: list[Solver] = []

    def connect(*given: Solver | Route, **options: object) -> Client:
        client = Client(pebble.directory_url, solvers=given, trust=pebble.trust, **options)  # type: ignore[arg-type]
        clients.append(client)
        solvers.extend(item.solver if isinstance(item, Route) else item for item in given)
        client.register(terms_of_service_agreed=True)
        return client

    yield connect
    for client in clients:
        client.close()
    assert not any(getattr(solver, "left", None) for solver in solvers)
    assert_no_threads()


def fresh(count: int = 1) -> list[str]:
    """Names that no other test uses."""
    return [f"{secrets.token_hex(4)}.obtain.example" for _ in range(count)]


def names_of(certificate: Certificate) -> set[str]:
    return {value for _, value in certificate_names(certificate.leaf)}


def test_one_name(pebble: Pebble, web: Web, connect: Connect):
    names = fresh()
    issued = connect(WebSolver(web=web)).obtain(names)
    assert names_of(issued) == set(names)
    root = x509.load_pem_x509_certificate(pebble.root_pem().encode())
    issued.chain.certificates[-1].verify_directly_issued_by(root)


def test_the_private_key_is_the_certificates(web: Web, connect: Connect):
    issued = connect(WebSolver(web=web)).obtain(fresh())
    assert issued.private_key is not None
    assert issued.private_key.public_key() == issued.leaf.public_key()


def test_a_hundred_names(web: Web, connect: Connect):
    names = fresh(100)
    assert names_of(connect(WebSolver(web=web)).obtain(names)) == set(names)


def test_wildcard_and_apex(zone: PebbleRecords, connect: Connect):
    (apex,) = fresh()
    issued = connect(TxtSolver(zone=zone)).obtain([apex, f"*.{apex}"])
    assert names_of(issued) == {apex, f"*.{apex}"}


def test_wildcard_and_apex_in_one_call_of_the_solver(zone: PebbleRecords, connect: Connect):
    (apex,) = fresh()
    solver = BatchingTxtSolver(zone=zone)
    connect(solver).obtain([apex, f"*.{apex}"])
    assert solver.batches == [("present", 2), ("clean_up", 2)]


def test_an_address(web: Web, connect: Connect):
    assert names_of(connect(WebSolver(web=web)).obtain(["127.0.0.1"])) == {"127.0.0.1"}


def test_an_internationalized_name(web: Web, connect: Connect):
    (name,) = fresh()
    issued = connect(WebSolver(web=web)).obtain([f"Bücher.{name}"])
    assert names_of(issued) == {f"xn--bcher-kva.{name}"}


def test_names_in_any_spelling_and_more_than_once(web: Web, connect: Connect):
    (name,) = fresh()
    assert names_of(connect(WebSolver(web=web)).obtain([name.upper(), f"{name}.", name])) == {name}


@pytest.mark.parametrize("form", ["object", "DER", "PEM", "text"])
def test_a_request_of_ones_own(web: Web, connect: Connect, form: str):
    names = fresh(2)
    csr = build_request(ec.generate_private_key(ec.SECP256R1()), identifiers(names))
    forms: dict[str, bytes | str | x509.CertificateSigningRequest] = {
        "object": csr,
        "DER": csr.public_bytes(Encoding.DER),
        "PEM": csr.public_bytes(Encoding.PEM),
        "text": csr.public_bytes(Encoding.PEM).decode(),
    }
    issued = connect(WebSolver(web=web)).obtain(forms[form])
    assert names_of(issued) == set(names)
    assert issued.private_key is None
    assert issued.leaf.public_key() == csr.public_key()


KEYS: dict[str, Callable[[], PrivateKey]] = {
    "P-256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "P-384": lambda: ec.generate_private_key(ec.SECP384R1()),
    "P-521": lambda: ec.generate_private_key(ec.SECP521R1()),
    "RSA-2048": lambda: rsa.generate_private_key(65537, 2048),
}


@pytest.mark.parametrize("kind", KEYS)
def test_certificate_keys(web: Web, connect: Connect, kind: str):
    key = KEYS[kind]()
    issued = connect(WebSolver(web=web)).obtain(fresh(), key=key)
    form = Encoding.DER, PublicFormat.SubjectPublicKeyInfo
    assert issued.leaf.public_key().public_bytes(*form) == key.public_key().public_bytes(*form)


@pytest.mark.parametrize("kind", KEYS)
def test_account_keys(web: Web, connect: Connect, kind: str):
    names = fresh()
    assert names_of(connect(WebSolver(web=web), account_key=KEYS[kind]()).obtain(names)) == set(names)


def test_an_account_key_that_the_ca_does_not_take(connect: Connect):
    with pytest.raises(BadSignatureAlgorithm):
        connect(account_key=ed25519.Ed25519PrivateKey.generate())


def test_again_and_again_whether_authorizations_are_reused_or_not(web: Web, connect: Connect):
    names = fresh(3)
    client = connect(WebSolver(web=web))
    serials = {client.obtain(names).leaf.serial_number for _ in range(8)}
    assert len(serials) == 8


def test_two_orders_at_once_for_the_same_names(zone: PebbleRecords, web: Web, connect: Connect):
    (name,) = fresh()
    client = connect(Route(WebSolver(web=web), domains=(name,)), TxtSolver(zone=zone))
    together = threading.Barrier(2)

    def obtain(_: int) -> set[str]:
        together.wait(10)
        return names_of(client.obtain([name, f"*.{name}"]))

    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(obtain, range(2))) == [{name, f"*.{name}"}] * 2


def test_eight_threads_with_one_client(web: Web, connect: Connect):
    client = connect(WebSolver(web=web))
    orders = [fresh(3) for _ in range(8)]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda names: names_of(client.obtain(names)), orders)) == [set(names) for names in orders]


def test_each_domain_goes_to_its_solver(zone: PebbleRecords, web: Web, connect: Connect):
    apex, other = fresh(2)
    presented: set[tuple[str, str]] = set()

    def watch(event: events.Event) -> None:
        if isinstance(event, events.ChallengePresented):
            presented.add((event.identifier, event.solver))

    routes = [
        Route(WebSolver(web=web), name="front", domains=(apex,)),
        Route(TxtSolver(zone=zone), name="zone", domains=(f"*.{apex}",)),
        Route(WebSolver(web=web), name="rest"),
    ]
    connect(*routes, on_event=watch).obtain([apex, f"*.{apex}", f"www.{apex}", other])
    assert presented == {(apex, "front"), (f"*.{apex}", "zone"), (f"www.{apex}", "zone"), (other, "rest")}


def test_a_certificate_is_revoked(pebble: Pebble, web: Web, connect: Connect):
    client = connect(WebSolver(web=web))
    issued = client.obtain(fresh())
    client.revoke(issued.leaf)
    client.revoke(issued.leaf)
    assert pebble.certificate_status(issued.leaf.serial_number)["Status"] == "Revoked"


def test_renewal_information_of_a_new_certificate_lies_ahead(web: Web, connect: Connect):
    client = connect(WebSolver(web=web))
    issued = client.obtain(fresh())
    info = client.renewal_info(issued.leaf)
    assert issued.leaf.not_valid_before_utc < info.start < info.end <= issued.leaf.not_valid_after_utc
