"""Which of a CA's chains is wanted."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from acmez.acme.certificate import Chain
from acmez.chains import issued_by, preferred

KEY = ec.generate_private_key(ec.SECP256R1())


def certificate(subject: str, issuer: str | None) -> x509.Certificate:
    now = datetime.now(UTC)
    kind, value = (NameOID.ORGANIZATION_NAME, "ISRG Root X1") if issuer is None else (NameOID.COMMON_NAME, issuer)
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)]))
        .issuer_name(x509.Name([x509.NameAttribute(kind, value)]))
        .public_key(KEY.public_key())
        .serial_number(1)
        .not_valid_before(now)
        .not_valid_after(now + timedelta(days=1))
        .sign(KEY, hashes.SHA256())
    )


def chain(*issuers: str | None) -> Chain:
    """Return a chain: a leaf by the first of *issuers*, that one's certificate by the second, ..."""
    subjects = ["leaf", *(issuer or "nameless" for issuer in issuers)]
    pem = b"".join(
        certificate(subject, issuer).public_bytes(Encoding.PEM)
        for subject, issuer in zip(subjects, issuers, strict=False)
    )
    return Chain("https://ca.example/cert/1", pem)


@pytest.mark.parametrize("name", ["ISRG Root X1", "isrg root x1", "Root X1"])
def test_a_chain_is_known_by_who_issued_its_topmost_certificate(name: str):
    assert issued_by(chain("R10", "ISRG Root X1"), name)
    assert issued_by(chain("ISRG Root X1"), name)


@pytest.mark.parametrize("name", ["R10", "leaf", "ISRG Root X2"])
def test_nothing_else_in_it_counts(name: str):
    assert not issued_by(chain("R10", "ISRG Root X1"), name)


def test_an_issuer_without_common_name_has_no_name():
    assert not issued_by(chain("R10", None), "ISRG Root X1")


@pytest.mark.parametrize("octets", [b"\x0c\x0cISRG Root \xffX", b"\x03\x0cISRG Root X1"], ids=["not-utf-8", "no-text"])
def test_an_issuer_whose_name_cannot_be_read_has_none(octets: bytes):
    der = certificate("leaf", "ISRG Root X1").public_bytes(Encoding.DER)
    broken = x509.load_der_x509_certificate(der.replace(b"\x0c\x0cISRG Root X1", octets))
    assert not issued_by(Chain("https://ca.example/cert/1", broken.public_bytes(Encoding.PEM)), "ISRG Root X1")


def test_the_first_chain_that_is_wanted_is_taken_and_no_further_one_is_asked_for():
    wanted = chain("R10", "Wanted Root")

    def offered() -> Iterator[Chain]:
        yield chain("R10", "Other Root")
        yield wanted
        pytest.fail("one more would be downloaded")

    assert preferred(offered(), "wanted root") is wanted


def test_there_may_be_no_chain_that_is_wanted():
    assert preferred([chain("R10", "Other Root")], "Wanted Root") is None
    assert preferred([], "Wanted Root") is None
