"""What may be asked for, and what a certificate request asks for."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtensionOID, NameOID
from hypothesis import example, given, settings
from hypothesis import strategies as st

from acmez.acme.errors import InputError
from acmez.acme.identifier import Identifier, IdentifierType
from acmez.acme.jws import PrivateKey
from acmez.csr import (
    build_request,
    certificate_names,
    identifier,
    identifiers,
    load_request,
    request_identifiers,
)
from acmez.errors import CertificateError

KEY = ec.generate_private_key(ec.SECP256R1())
LABEL = "a" * 63


def request(
    *names: x509.GeneralName, common_name: str | None = None, key: PrivateKey = KEY
) -> x509.CertificateSigningRequest:
    subject = [] if common_name is None else [x509.NameAttribute(NameOID.COMMON_NAME, common_name)]
    builder = x509.CertificateSigningRequestBuilder(x509.Name(subject))
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return builder.sign(key, None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256())


DER = request(x509.DNSName("example.com"), common_name="example.com").public_bytes(Encoding.DER)


def request_with_raw_san(content: bytes) -> x509.CertificateSigningRequest:
    extension = x509.UnrecognizedExtension(ExtensionOID.SUBJECT_ALTERNATIVE_NAME, content)
    builder = x509.CertificateSigningRequestBuilder(x509.Name([])).add_extension(extension, critical=False)
    return builder.sign(KEY, hashes.SHA256())


def certificate(extension: x509.ExtensionType | None) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "common.example")])
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder(name, name, KEY.public_key(), 1)
        .not_valid_before(now)
        .not_valid_after(now + timedelta(days=1))
    )
    if extension is not None:
        builder = builder.add_extension(extension, critical=False)
    return builder.sign(KEY, hashes.SHA256())


def values(found: Sequence[Identifier]) -> list[str]:
    return [item.value for item in found]


def complaint(name: str) -> str:
    with pytest.raises(InputError) as caught:
        identifier(name)
    return str(caught.value)


# Names


@pytest.mark.parametrize(
    ("given_name", "value"),
    [
        ("example.com", "example.com"),
        ("EXAMPLE.Com", "example.com"),
        ("  example.com\n", "example.com"),
        ("example.com.", "example.com"),
        ("*.Example.com", "*.example.com"),
        ("*.example.com.", "*.example.com"),
        ("localhost", "localhost"),
        ("_service.example.com", "_service.example.com"),
        ("r3---sn-4g5e.example.com", "r3---sn-4g5e.example.com"),
        ("1.example", "1.example"),
        (f"{LABEL}.example", f"{LABEL}.example"),
        (".".join([LABEL] * 3 + ["a" * 61]), ".".join([LABEL] * 3 + ["a" * 61])),
    ],
)
def test_a_dns_name_is_folded(given_name: str, value: str):
    assert identifier(given_name) == Identifier(IdentifierType.DNS, value)


@pytest.mark.parametrize(
    ("given_name", "value"),
    [
        ("bücher.example", "xn--bcher-kva.example"),
        ("BÜCHER.Example", "xn--bcher-kva.example"),
        ("bu\u0308cher.example", "xn--bcher-kva.example"),
        ("*.bücher.example", "*.xn--bcher-kva.example"),
        ("bücher.example.", "xn--bcher-kva.example"),
        ("bücher。example。", "xn--bcher-kva.example"),
        ("\uff45\uff58\uff41\uff4d\uff50\uff4c\uff45\uff0e\uff43\uff4f\uff4d", "example.com"),
        ("faß.example", "xn--fa-hia.example"),
        ("_service.bücher.example", "_service.xn--bcher-kva.example"),
        ("例え.テスト", "xn--r8jz45g.xn--zckzah"),
        ("XN--BCHER-KVA.example", "xn--bcher-kva.example"),
        ("xn--fa-hia.bücher", "xn--fa-hia.xn--bcher-kva"),
        ("xn--ls8h.example", "xn--ls8h.example"),
    ],
)
def test_an_international_name_is_mapped_and_written_in_a_labels(given_name: str, value: str):
    assert identifier(given_name) == Identifier(IdentifierType.DNS, value)


@pytest.mark.parametrize(
    ("given_name", "value"),
    [
        ("192.0.2.1", "192.0.2.1"),
        (" 192.0.2.1 ", "192.0.2.1"),
        ("2001:DB8:0:0:0:0:0:1", "2001:db8::1"),
        ("[2001:db8::1]", "2001:db8::1"),
        ("2001:db8::192.0.2.1", "2001:db8::c000:201"),
        ("::1", "::1"),
    ],
)
def test_an_address_is_written_as_rfc_5952_says(given_name: str, value: str):
    assert identifier(given_name) == Identifier(IdentifierType.IP, value)


@pytest.mark.parametrize(
    ("given_name", "wrong"),
    [
        ("", "the name is empty"),
        ("   ", "the name is empty"),
        (".", "a label is empty"),
        ("*.", "a label is empty"),
        (".example.com", "a label is empty"),
        ("example..com", "a label is empty"),
        ("example.com..", "a label is empty"),
        ("-a.example", "'-a' is not a valid label"),
        ("a-.example", "'a-' is not a valid label"),
        ("a$b.example", "'a$b' is not a valid label"),
        ("a\x00b.example", r"'a\x00b' is not a valid label"),
        (f"a{LABEL}.example", "is not a valid label"),
        ("xn--.example", "'xn--' is not a valid label"),
        ("xn--abc-.example", "'xn--abc-' is not a valid label"),
        ("xn--99999999.example", "'xn--99999999' is not a valid label"),
        ("*", "a wildcard is '*.' in front of a name, once"),
        ("*.*.example", "a wildcard is '*.' in front of a name, once"),
        ("www.*.example", "a wildcard is '*.' in front of a name, once"),
        ("w*.example", "a wildcard is '*.' in front of a name, once"),
        ("*.example", "a wildcard needs a domain of at least two labels"),
        ("*.192.0.2.1", "neither an IP address nor a host name"),
        ("192.0.2", "neither an IP address nor a host name"),
        ("192.0.2.256", "neither an IP address nor a host name"),
        ("010.0.0.1", "neither an IP address nor a host name"),
        ("\uff11\uff19\uff12.0.2.1", "neither an IP address nor a host name"),
        ("[192.0.2.1]", "is not a valid label"),
        (".".join([LABEL] * 3 + ["a" * 62]), "longer than 253 characters"),
        ("*." + ".".join([LABEL] * 3 + ["a" * 60]), "longer than 253 characters"),
        ("é" * 1001, "longer than 253 characters"),
        ("a.example b.example", "give each name on its own"),
        ("a.example,b.example", "give each name on its own"),
        ("☃︎.\ud800.example", "not a valid internationalized name"),
        ("i❤.example", "not a valid internationalized name"),
        ("א1a.example", "not a valid internationalized name"),
        ("é" * 63 + ".example", "not a valid internationalized name"),
        ("bücher..example", "a label is empty"),
    ],
)
def test_what_is_no_name_is_refused(given_name: str, wrong: str):
    assert wrong in complaint(given_name)


@pytest.mark.parametrize(
    ("given_name", "meant"),
    [
        ("https://example.com", "example.com"),
        ("https://user@www.Example.com:8443/path?query#part", "www.example.com"),
        ("https://[2001:db8::1]:8443/", "2001:db8::1"),
        ("https://*.bücher.example/", "*.xn--bcher-kva.example"),
        ("//example.com/x", "example.com"),
        ("example.com/path", "example.com"),
        ("example.com:443", "example.com"),
        ("192.0.2.1:443", "192.0.2.1"),
        ("[2001:db8::1]:443", "2001:db8::1"),
        ("192.0.2.0/24", "192.0.2.0"),
        ("admin@example.com", "example.com"),
        ("mailto:admin@example.com", "example.com"),
        ("example.com?x", "example.com"),
        ("fe80::1%eth0", "fe80::1"),
        ("[fe80::1%25]", "fe80::1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("::ffff:c000:201", "192.0.2.1"),
        ("[::ffff:192.0.2.1]", "192.0.2.1"),
    ],
)
def test_a_name_in_another_notation_is_refused_with_the_name_that_is_in_it(given_name: str, meant: str):
    assert complaint(given_name).endswith(f"(did you mean {meant!r}?)")


@pytest.mark.parametrize("given_name", ["/", "https://", "a@", "https://[x", "https://a_b$/", ":::", "x@y@@"])
def test_nothing_is_suggested_where_no_name_is_inside(given_name: str):
    assert complaint(given_name).endswith("not a host name")


def test_every_problem_is_told_at_once_each_with_the_name_as_it_was_written():
    with pytest.raises(InputError) as caught:
        identifiers(["https://a.example", "ok.example", "B..example", 5])  # type: ignore[list-item]
    assert str(caught.value).splitlines() == [
        "'https://a.example': not a host name (did you mean 'a.example'?)",
        "'B..example': a label is empty (a dot too many)",
        "5: expected a name, got int",
    ]


def test_names_keep_their_order_and_come_once():
    names = ["b.example", "A.example", "192.0.2.1", "B.example.", "a.example", "*.a.example", "::1", "0::1"]
    assert values(identifiers(names)) == ["b.example", "a.example", "192.0.2.1", "*.a.example", "::1"]


def test_one_text_is_not_a_list_of_names():
    with pytest.raises(InputError, match=r"did you mean \['example.com'\]\?"):
        identifiers("example.com")


def test_at_least_one_name_is_needed():
    with pytest.raises(InputError, match="at least one name"):
        identifiers([])


# Any text whatever

WORDS = st.text(alphabet="aA-_.*:/@[]%0198 bcdefß。éxn\u0308\u200d\ufe0fא①\n", max_size=20)
TEXTS = st.one_of(
    st.text(max_size=300),
    WORDS,
    WORDS.map(lambda word: f"xn--{word}.example"),
    st.text(alphabet=st.characters(), max_size=40),
)


@settings(max_examples=400, deadline=None)
@given(TEXTS)
def test_any_text_is_a_name_that_survives_a_request_or_an_input_error(text: str):
    try:
        found = identifier(text)
    except InputError:
        return
    assert identifier(found.value) == found
    assert found.value == found.value.lower()
    assert len(found.value) <= 253
    read = load_request(build_request(KEY, [found]).public_bytes(Encoding.DER))
    assert request_identifiers(read) == (found,)
    assert identifier(found.value.upper()) == found


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 2**128 - 1).map(ipaddress.IPv6Address), st.booleans())
def test_any_address_is_recognized_in_any_spelling(address: ipaddress.IPv6Address, exploded: bool):
    text = address.exploded.upper() if exploded else str(address)
    if address.ipv4_mapped is None:
        assert identifier(text).value == str(address)
    else:
        assert str(address.ipv4_mapped) in complaint(text)


# Requests that acmez makes


@pytest.mark.parametrize(
    ("key", "algorithm"),
    [
        (KEY, "sha256"),
        (ec.generate_private_key(ec.SECP384R1()), "sha384"),
        (ec.generate_private_key(ec.SECP521R1()), "sha512"),
        (rsa.generate_private_key(65537, 2048), "sha256"),
        (ed25519.Ed25519PrivateKey.generate(), None),
    ],
    ids=["p256", "p384", "p521", "rsa", "ed25519"],
)
def test_a_request_has_its_names_in_the_san_and_no_subject(key: PrivateKey, algorithm: str | None):
    subjects = [
        *identifiers(["example.com", "*.example.com", "192.0.2.1", "2001:db8::1"]),
        Identifier(IdentifierType.EMAIL, "a@example.com"),
    ]
    made = load_request(build_request(key, subjects))
    assert made.public_key() == key.public_key()
    assert list(made.subject) == []
    assert list(made.extensions.get_extension_for_class(x509.SubjectAlternativeName).value) == [
        x509.DNSName("example.com"),
        x509.DNSName("*.example.com"),
        x509.IPAddress(ipaddress.ip_address("192.0.2.1")),
        x509.IPAddress(ipaddress.ip_address("2001:db8::1")),
        x509.RFC822Name("a@example.com"),
    ]
    assert (made.signature_hash_algorithm.name if made.signature_hash_algorithm else None) == algorithm
    assert request_identifiers(made) == tuple(subjects)


@pytest.mark.parametrize(
    ("subject", "wrong"),
    [
        (Identifier(IdentifierType.TN_AUTH_LIST, "F83n"), "'TNAuthList' need a CSR of your own"),
        (Identifier("new-type", "x"), "'new-type' need a CSR of your own"),
        (Identifier(IdentifierType.DNS, "bücher.example"), "'bücher.example': "),
        (Identifier(IdentifierType.IP, "192.0.2.1.5"), "'192.0.2.1.5': "),
    ],
)
def test_an_identifier_that_has_no_place_in_a_request_is_refused(subject: Identifier, wrong: str):
    with pytest.raises(InputError) as caught:
        build_request(KEY, [subject])
    assert wrong in str(caught.value)


# Requests that the caller made


def test_a_request_can_be_an_object_pem_or_der():
    made = request(x509.DNSName("example.com"))
    pem = made.public_bytes(Encoding.PEM)
    for spelling in (
        made,
        pem,
        pem.decode(),
        b"Certificate Request:\n    Data:\n" + pem,
        made.public_bytes(Encoding.DER),
    ):
        assert load_request(spelling) == made


@pytest.mark.parametrize("junk", [b"", "", b"junk", "\ud800", b"-----BEGIN CERTIFICATE REQUEST-----\nAAAA"])
def test_what_is_no_request_is_refused(junk: bytes | str):
    with pytest.raises(InputError, match="neither PEM nor DER"):
        load_request(junk)


def test_a_request_signed_by_another_key_is_refused():
    der = bytearray(DER)
    der[-1] ^= 1
    with pytest.raises(InputError, match="its signature does not fit its key"):
        load_request(bytes(der))


def test_a_request_for_an_unknown_kind_of_key_is_refused():
    p256 = bytes.fromhex("06082a8648ce3d030107")
    unknown = DER.replace(p256, p256[:-1] + b"\x7f")
    with pytest.raises(InputError, match="its signature cannot be checked"):
        load_request(unknown)


def test_a_common_name_alone_is_a_name():
    assert request_identifiers(request(common_name="Example.com")) == (Identifier.dns("example.com"),)
    assert request_identifiers(request(common_name="192.0.2.1")) == (Identifier.ip("192.0.2.1"),)


def test_a_common_name_is_one_more_name_unless_the_san_has_it():
    san = x509.DNSName("a.example"), x509.DNSName("B.example"), x509.DNSName("b.example")
    assert values(request_identifiers(request(*san, common_name="b.example"))) == ["a.example", "b.example"]
    assert values(request_identifiers(request(*san, common_name="c.example"))) == [
        "a.example",
        "b.example",
        "c.example",
    ]


def test_a_common_name_beside_e_mail_addresses_is_a_persons():
    made = request(x509.RFC822Name("alice@example.com"), common_name="Alice")
    assert request_identifiers(made) == (Identifier(IdentifierType.EMAIL, "alice@example.com"),)


def test_addresses_in_a_request_are_ip_identifiers():
    made = request(*[x509.IPAddress(ipaddress.ip_address(text)) for text in ("192.0.2.1", "2001:db8::1")])
    assert request_identifiers(made) == (Identifier.ip("192.0.2.1"), Identifier.ip("2001:db8::1"))


def test_a_request_without_names_is_refused():
    with pytest.raises(InputError, match="csr: it holds no name"):
        request_identifiers(request())


def test_every_problem_of_a_request_is_told_at_once():
    made = request(
        x509.DNSName("ok.example"),
        x509.DNSName("dot.example."),
        x509.DNSName("a..example"),
        x509.UniformResourceIdentifier("https://example.com"),
        x509.RFC822Name("nobody"),
        x509.IPAddress(ipaddress.ip_network("192.0.2.0/24")),
        common_name="bücher.example",
    )
    with pytest.raises(InputError) as caught:
        request_identifiers(made)
    assert str(caught.value).splitlines() == [
        "csr: 'dot.example.': must be 'dot.example' in a certificate request",
        "csr: 'a..example': a label is empty (a dot too many)",
        "csr: <UniformResourceIdentifier(value='https://example.com')>: ACME has no identifier for this kind of name",
        "csr: <RFC822Name(value='nobody')>: ACME has no identifier for this kind of name",
        "csr: '192.0.2.0/24': not a host name (did you mean '192.0.2.0'?)",
        "csr: 'bücher.example': must be 'xn--bcher-kva.example' in a certificate request",
    ]


@pytest.mark.parametrize(
    "content",
    [b"", b"\x30\x03\x82\x01", b"\x04\x01x", b"\x30\x03\x82\x01\xff", b"\x30\x02\xa3\x00", b"\x30\x04\x87\x02\x01\x02"],
    ids=["empty", "cut", "not-a-sequence", "not-ascii", "x400-address", "address-of-two-bytes"],
)
def test_a_malformed_san_is_refused(content: bytes):
    with pytest.raises(InputError, match="csr: its names cannot be read"):
        request_identifiers(request_with_raw_san(content))


def test_a_common_name_that_cannot_be_read_is_refused():
    utf8_string, bit_string = b"\x0c\x0bexample.com", b"\x03\x0bexample.com"
    with pytest.raises(InputError, match="csr: its names cannot be read"):
        request_identifiers(x509.load_der_x509_csr(DER.replace(utf8_string, bit_string)))


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(st.integers(0, len(DER) - 1), st.integers(0, 255)), min_size=1, max_size=3))
@example([(DER.index(b"\x02\x01\x00") + 2, 1)])  # its version
def test_a_damaged_request_is_read_or_refused(damage: list[tuple[int, int]]):
    der = bytearray(DER)
    for index, octet in damage:
        der[index] = octet
    with suppress(InputError):
        assert load_request(bytes(der)).public_bytes(Encoding.DER) == der
    try:
        damaged = x509.load_der_x509_csr(bytes(der))
    except (ValueError, x509.InvalidVersion):
        return
    with suppress(InputError):
        assert request_identifiers(damaged)


# Certificates


def test_a_certificate_is_for_what_is_in_its_san():
    san = x509.SubjectAlternativeName(
        [
            x509.DNSName("EXAMPLE.com"),
            x509.DNSName("*.example.com"),
            x509.IPAddress(ipaddress.ip_address("2001:db8::1")),
            x509.RFC822Name("a@example.com"),
            x509.UniformResourceIdentifier("urn:x"),
        ]
    )
    assert certificate_names(certificate(san)) == {
        ("dns", "example.com"),
        ("dns", "*.example.com"),
        ("ip", "2001:db8::1"),
        ("email", "a@example.com"),
    }


def test_a_certificate_without_san_is_for_nothing():
    assert certificate_names(certificate(None)) == frozenset()


def test_a_certificate_whose_names_cannot_be_read_is_the_cas_fault():
    broken = x509.UnrecognizedExtension(ExtensionOID.SUBJECT_ALTERNATIVE_NAME, b"\x30\x02\xa3\x00")
    with pytest.raises(CertificateError, match="names cannot be read"):
        certificate_names(certificate(broken))
