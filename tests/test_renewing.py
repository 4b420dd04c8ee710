"""A certificate is renewed when the CA wants it, always at the same moment of its window, and else by its lifetime."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import ClassVar

import pytest
from acmez_testkit import Problem
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding

from acmez import CancelScope, Certificate, CertificateSpec, DefaultRetry, InputError
from acmez.acme.errors import Cancelled
from acmez.acme.jws import PrivateKey
from acmez.acme.renewal import RenewalInfo, certificate_id
from acmez.csr import build_request, identifiers
from acmez.keys import FileKey
from acmez.renewing import Due, decide, present, renewal_of
from tests.acme.certificates import certificate
from tests.solvers import Lab, WebSolver, laboratory

NAMES = ("www.example.org", "example.org")
BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)
Start = Callable[..., Lab]


@pytest.fixture
def start() -> Iterator[Start]:
    with ExitStack() as stack:
        yield lambda **behaviour: stack.enter_context(laboratory(**behaviour))


def lasting(days: int, serial: int = 1) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "example.org")])
    key = ec.generate_private_key(ec.SECP256R1())
    builder = x509.CertificateBuilder(name, name, key.public_key(), serial)
    return builder.not_valid_before(BEGIN).not_valid_after(BEGIN + days * DAY).sign(key, SHA256())


NINETY = lasting(90)
WINDOW = RenewalInfo(BEGIN + 60 * DAY, BEGIN + 62 * DAY)


def test_the_moment_lies_in_the_window_and_is_the_same_at_each_look():
    found = {decide(NINETY, WINDOW, BEGIN + day * DAY).not_before for day in range(90)}
    (moment,) = found
    assert WINDOW.start <= moment < WINDOW.end


def test_it_is_due_from_that_moment_on():
    moment = decide(NINETY, WINDOW, BEGIN).not_before
    assert decide(NINETY, WINDOW, moment - timedelta(seconds=1)) == Due(False, moment, "the CA's window")
    assert decide(NINETY, WINDOW, moment) == Due(True, moment, "the CA's window")


def test_it_is_due_when_the_window_is_over():
    assert decide(NINETY, WINDOW, WINDOW.end).due
    assert decide(NINETY, RenewalInfo(BEGIN - 2 * DAY, BEGIN - DAY), BEGIN).due


def test_certificates_are_spread_over_the_window_and_so_is_one_when_the_window_moves():
    moments = {decide(lasting(90, serial), WINDOW, BEGIN).not_before for serial in range(1, 21)}
    assert len(moments) == 20
    moved = RenewalInfo(WINDOW.start + DAY, WINDOW.end + DAY)
    assert decide(NINETY, moved, BEGIN).not_before - DAY != decide(NINETY, WINDOW, BEGIN).not_before


def test_the_reason_for_a_window_is_told():
    told = RenewalInfo(WINDOW.start, WINDOW.end, "https://ca.example/incident")
    assert decide(NINETY, told, BEGIN).why == "the CA's window, see https://ca.example/incident"


@pytest.mark.parametrize(("days", "after", "why"), [(90, 60, "two thirds"), (10, 20 / 3, "two thirds"), (6, 3, "half")])
def test_without_a_window_the_lifetime_decides(days: int, after: float, why: str):
    moment = BEGIN + after * DAY
    leaf = lasting(days)
    assert decide(leaf, None, moment - timedelta(seconds=1)) == Due(False, moment, f"{why} of its lifetime")
    assert decide(leaf, None, moment).due


def test_a_window_behind_the_end_is_none():
    never = RenewalInfo(BEGIN + 90 * DAY, BEGIN + 4000 * DAY)
    assert decide(NINETY, never, BEGIN) == decide(NINETY, None, BEGIN)
    too_long = RenewalInfo(BEGIN + 80 * DAY, BEGIN + 400_000 * DAY)
    assert decide(NINETY, too_long, BEGIN + 90 * DAY).due


def test_the_client_asks_the_ca(start: Start):
    lab = start()
    with lab.client(WebSolver(web=lab.web)) as client:
        leaf = client.obtain(NAMES).leaf
        info = client.renewal_info(leaf)
        found = client.due(leaf)
        assert (found.due, found.why) == (False, "the CA's window")
        assert info.start <= found.not_before <= info.end
        assert client.due(leaf, now=info.end).due
        now = datetime.now(UTC)
        lab.ca.set_renewal_window(certificate_id(leaf), now - 2 * DAY, now - DAY)
        assert client.due(leaf).due


@pytest.mark.parametrize("behaviour", [{"renewal_info": False}, {}])
def test_a_ca_that_does_not_say_leaves_it_to_the_lifetime(start: Start, behaviour: dict[str, bool]):
    lab = start(**behaviour)
    with lab.client(WebSolver(web=lab.web), retry=DefaultRetry(attempts=1)) as client:
        leaf = client.obtain(NAMES).leaf
        lab.ca.faults.add("renewal-info", Problem("serverInternal", status=500), times=None)
        assert client.due(leaf) == decide(leaf, None, datetime.now(UTC))
        assert client.due(leaf, now=leaf.not_valid_after_utc - DAY).due
    lab.ca.faults.clear()


def test_of_one_that_has_expired_the_ca_is_not_asked(start: Start):
    lab = start()
    leaf = certificate("named")
    with lab.client(retry=DefaultRetry(attempts=1)) as client:
        assert client.due(leaf, now=leaf.not_valid_after_utc).due
        assert lab.requests()["renewal-info"] == 0
        assert not client.due(leaf).due
        assert lab.requests()["renewal-info"] == 1


def test_one_without_a_name_for_the_ca_is_left_to_its_lifetime(start: Start):
    bare = certificate("bare", bare=True)
    with start().client() as client:
        assert client.due(bare).why == "two thirds of its lifetime"
    spec = CertificateSpec(NAMES)
    assert renewal_of(spec, bare) == spec
    named = certificate("named")
    assert renewal_of(spec, named).replaces == certificate_id(named)


def test_asking_can_be_cancelled(start: Start):
    with start().client() as client, CancelScope() as scope:
        scope.cancel()
        with pytest.raises(Cancelled):
            client.due(certificate("named"), scope=scope)


# Files


@pytest.fixture
def written(start: Start, tmp_path: Path) -> Certificate:
    lab = start()
    with lab.client(WebSolver(web=lab.web)) as client:
        issued = client.obtain(NAMES)
    issued.write(tmp_path)
    return issued


def test_what_was_written_is_there(written: Certificate, tmp_path: Path):
    assert present(CertificateSpec(NAMES, directory=tmp_path)) == written.leaf
    assert present(CertificateSpec(NAMES[::-1], directory=tmp_path)) == written.leaf
    assert present(CertificateSpec(NAMES, directory=tmp_path / "elsewhere")) is None
    assert present(CertificateSpec(NAMES)) is None


@pytest.mark.parametrize("names", [NAMES[:1], (*NAMES, "more.example.org")])
def test_what_is_for_other_names_is_not(written: Certificate, tmp_path: Path, names: tuple[str, ...]):
    assert present(CertificateSpec(names, directory=tmp_path)) is None


@pytest.mark.parametrize("name", ["cert.pem", "chain.pem", "fullchain.pem", "privkey.pem"])
def test_a_missing_file_makes_it_incomplete(written: Certificate, tmp_path: Path, name: str):
    (tmp_path / name).unlink()
    assert present(CertificateSpec(NAMES, directory=tmp_path)) is None
    assert present(CertificateSpec(NAMES, key=FileKey(tmp_path / "key.pem"), directory=tmp_path)) is None


@pytest.mark.parametrize("name", ["cert.pem", "fullchain.pem", "privkey.pem"])
@pytest.mark.parametrize("content", [b"", b"-----BEGIN CERTIFICATE-----\n"])
def test_so_does_a_damaged_one(written: Certificate, tmp_path: Path, name: str, content: bytes):
    (tmp_path / name).write_bytes(content)
    assert present(CertificateSpec(NAMES, directory=tmp_path)) is None


def test_the_key_of_another_certificate_does_not_do(written: Certificate, tmp_path: Path):
    FileKey(tmp_path / "other.pem").get("certificate")
    (tmp_path / "other.pem").replace(tmp_path / "privkey.pem")
    assert present(CertificateSpec(NAMES, directory=tmp_path)) is None


@dataclass(frozen=True)
class Token:
    """Keeps its key."""

    name: ClassVar[str] = "token"

    def get(self, purpose: str) -> PrivateKey:
        raise AssertionError("nobody needs the key to look at files")


def test_a_key_that_is_elsewhere_needs_no_file(written: Certificate, tmp_path: Path):
    (tmp_path / "privkey.pem").unlink()
    assert present(CertificateSpec(NAMES, key=Token(), directory=tmp_path)) == written.leaf


def test_of_a_request_it_is_the_key_that_counts(written: Certificate, tmp_path: Path):
    (tmp_path / "privkey.pem").unlink()
    assert written.private_key is not None
    for key, expected in ((written.private_key, written.leaf), (ec.generate_private_key(ec.SECP256R1()), None)):
        request = build_request(key, identifiers(NAMES)).public_bytes(Encoding.PEM)
        assert present(CertificateSpec(csr=request, directory=tmp_path)) == expected


def test_a_placeholder_that_signed_itself_does_not_do(tmp_path: Path):
    key = FileKey(tmp_path / "privkey.pem").get("certificate")
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "snakeoil")])
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1)
    builder = builder.not_valid_before(BEGIN).not_valid_after(BEGIN + 3650 * DAY)
    own = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName("example.org")]), critical=False)
    pem = own.sign(key, SHA256()).public_bytes(Encoding.PEM)
    for file in ("cert.pem", "chain.pem", "fullchain.pem"):
        (tmp_path / file).write_bytes(pem)
    assert present(CertificateSpec(("example.org",), directory=tmp_path)) is None


def test_names_that_are_wrong_are_told(tmp_path: Path):
    with pytest.raises(InputError, match="no name"):
        present(CertificateSpec(("no name",), directory=tmp_path))
