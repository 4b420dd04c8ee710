from __future__ import annotations

import base64
import contextlib
import pickle
import time
from datetime import UTC, datetime

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from hypothesis import given, settings
from hypothesis import strategies as st

from acmez.acme import AcmeError, Chain, MalformedAnswer, RevocationReason, certificate_id
from acmez.acme.certificate import certificates_only, same_public_key
from tests.acme.answers import URL, response
from tests.acme.certificates import ARI_PEM, certificate, key, pem, request

CHAIN = pem("leaf", "intermediate")
KEY = key("leaf").private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
JUNK = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"


def read(body: bytes, **fields: str) -> Chain:
    return Chain.from_response(response(body, 200, **fields))


def test_a_chain_is_read_leaf_first():
    chain = read(CHAIN, content_type="application/pem-certificate-chain")

    assert (chain.url, chain.pem) == (URL, CHAIN)
    assert chain.certificates == (certificate("leaf"), certificate("intermediate"))
    assert chain.leaf == certificate("leaf")
    assert chain.alternates == ()
    assert (chain.not_before, chain.not_after) == (None, None)


def test_other_chains_are_linked_but_itself_is_not_one():
    link = f'</1>;rel="alternate", <{URL}>;rel="alternate", </mtc>;rel="acme-optional-alternate", </2>;rel="alternate"'

    assert read(CHAIN, link=link).alternates == ("https://ca.example/1", "https://ca.example/2")


def test_a_star_certificate_tells_its_validity_in_headers():
    # RFC 8739 §3.3
    chain = read(CHAIN, cert_not_before="Thu, 10 Jan 2019 00:00:00 GMT", cert_not_after="Mon, 14 Jan 2019 00:00:00 GMT")

    assert chain.not_before == datetime(2019, 1, 10, tzinfo=UTC)
    assert chain.not_after == datetime(2019, 1, 14, tzinfo=UTC)


@pytest.mark.parametrize(
    "body",
    [
        CHAIN.replace(b"\n", b"\r\n"),
        b"\n\n" + CHAIN,
        CHAIN.rstrip(b"\n"),
        CHAIN.replace(b"-----\n-----", b"-----\n\n-----"),
        CHAIN.replace(b"-----\n-----", b"----------"),
    ],
    ids=["crlf", "before", "no end", "between", "joined"],
)
def test_line_ends_and_blank_lines_do_not_matter(body: bytes):
    assert read(body).pem == CHAIN


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "the answer is no PEM certificate chain"),
        (b"<html>", "the answer is no PEM certificate chain"),
        (certificate("leaf").public_bytes(Encoding.DER), "the answer is no PEM certificate chain"),
        (b"subject=a\n" + CHAIN, "the answer is no PEM certificate chain"),
        (CHAIN[:-30], "the certificate chain holds something beside certificates"),
        (CHAIN[:100], "the answer is no PEM certificate chain"),
        (CHAIN + b"more", "the certificate chain holds something beside certificates"),
        (KEY, "the certificate chain holds 'PRIVATE KEY'"),
        (CHAIN + KEY, "the certificate chain holds 'PRIVATE KEY'"),
        (KEY + CHAIN, "the certificate chain holds 'PRIVATE KEY'"),
        (CHAIN.replace(b"CERTIFICATE", b"TRUSTED CERTIFICATE", 2), "the certificate chain holds 'TRUSTED CERTIFICATE'"),
        (CHAIN + b"-----BEGIN \x1b\xff-----", r"the certificate chain holds '\\x1b\ufffd'"),
        (pem("leaf") * 33, r"the chain holds 33 certificates \(limit: 32\)"),
        (JUNK, "a certificate cannot be read: "),
    ],
    ids=map(str, range(14)),
)
def test_anything_else_is_refused(body: bytes, message: str):
    with pytest.raises(MalformedAnswer, match=f"^{URL}: {message}"):
        read(body)


@pytest.mark.parametrize(
    "unit", [b"-----BEGIN CERTIFICATE-----\n", b"-----BEGIN A-----", b"-----END CERTIFICATE-----", b"\n", b"-"]
)
def test_no_body_takes_long_to_refuse(unit: bytes):
    body = unit * (4_000_000 // len(unit))
    began = time.process_time()

    with pytest.raises(MalformedAnswer):
        certificates_only(body, URL)

    assert time.process_time() - began < 5  # with backtracking it would be days


def test_the_certificate_of_rfc_9773_is_read():
    assert read(ARI_PEM).leaf.serial_number == 0x87654321


def test_the_reasons_have_the_numbers_of_rfc_5280():
    assert [(reason.name, int(reason)) for reason in RevocationReason][:2] == [
        ("UNSPECIFIED", 0),
        ("KEY_COMPROMISE", 1),
    ]
    assert 7 not in list(RevocationReason)


def test_a_certificate_is_for_the_key_of_its_request():
    assert same_public_key(certificate("leaf"), request("leaf"))
    assert not same_public_key(certificate("leaf"), request("other"))


def test_it_can_be_handed_to_another_process():
    chain = read(CHAIN)

    again = pickle.loads(pickle.dumps(chain))  # noqa: S301

    assert again == chain
    assert again.leaf == chain.leaf


def test_its_repr_is_short():
    assert "BEGIN" not in repr(read(CHAIN))


@st.composite
def nearly_chains(draw: st.DrawFn) -> bytes:
    body = bytearray(CHAIN)
    for _ in range(draw(st.integers(0, 3))):
        start = draw(st.integers(0, len(body)))
        body[start : start + draw(st.integers(0, 40))] = draw(
            st.binary(max_size=40) | st.sampled_from([JUNK, KEY, CHAIN])
        )
    return bytes(body)


@given(st.binary(max_size=100) | nearly_chains())
def test_reading_raises_nothing_else(body: bytes):
    with contextlib.suppress(AcmeError):
        read(body, link="<[", cert_not_before="soon")


@pytest.mark.filterwarnings("ignore::cryptography.utils.CryptographyDeprecationWarning")
@settings(max_examples=1000)
@given(st.integers(0, len(certificate("leaf").public_bytes(Encoding.DER)) - 1), st.integers(1, 255))
def test_a_damaged_certificate_raises_nothing_else(position: int, flip: int):
    damaged = bytearray(certificate("leaf").public_bytes(Encoding.DER))
    damaged[position] ^= flip
    body = b"-----BEGIN CERTIFICATE-----\n" + base64.encodebytes(damaged) + b"-----END CERTIFICATE-----\n"
    with contextlib.suppress(AcmeError):
        assert certificate_id(read(body).leaf).count(".") == 1
