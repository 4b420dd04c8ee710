"""What is read from a ClientHello, whoever made it."""

from __future__ import annotations

import itertools
import ssl
from collections.abc import Sequence

import pytest
from acmez_tls_alpn.client_hello import MAX_BYTES, ClientHello, HelloReader, NotClientHello
from hypothesis import given
from hypothesis import strategies as st

NAMES = st.from_regex(r"[a-z0-9]{1,20}(\.[a-z0-9]{1,20}){0,5}", fullmatch=True)
PROTOCOLS = st.lists(st.binary(min_size=1, max_size=255), max_size=5)


def vector(size: int, data: bytes) -> bytes:
    return len(data).to_bytes(size, "big") + data


def extension(number: int, data: bytes) -> bytes:
    return number.to_bytes(2, "big") + vector(2, data)


def sni(name: bytes) -> bytes:
    return extension(0, vector(2, b"\0" + vector(2, name)))


def alpn(protocols: Sequence[bytes]) -> bytes:
    return extension(16, vector(2, b"".join(vector(1, each) for each in protocols)))


def message(extensions: bytes | None) -> bytes:
    """Return a handshake message; `None`: without the list of extensions, as TLS 1.2 permits."""
    body = b"\3\3" + bytes(32) + vector(1, b"") + vector(2, b"\x13\x01") + vector(1, b"\0")
    return b"\1" + vector(3, body if extensions is None else body + vector(2, extensions))


def records(handshake: bytes, cuts: Sequence[int] = ()) -> bytes:
    """Return *handshake* in as many records as *cuts* say."""
    edges = [0, *sorted({cut % len(handshake) for cut in cuts} - {0}), len(handshake)]
    return b"".join(b"\x16\3\1" + vector(2, handshake[start:end]) for start, end in itertools.pairwise(edges))


def read(data: bytes, pieces: Sequence[int] = ()) -> ClientHello | str | None:
    """Return the outcome of feeding *data* in pieces of these sizes, and the rest at once."""
    reader = HelloReader()
    hello: ClientHello | None = None
    try:
        for size in pieces:
            if data and hello is None:
                hello = reader.feed(data[:size])
                data = data[size:]
        return reader.feed(data) if data and hello is None else hello
    except NotClientHello as error:
        return str(error)


def openssl_hello(name: str, protocols: Sequence[str]) -> bytes:
    context = ssl.create_default_context()
    if protocols:
        context.set_alpn_protocols(list(protocols))
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    with pytest.raises(ssl.SSLWantReadError):
        context.wrap_bio(incoming, outgoing, server_hostname=name).do_handshake()
    return outgoing.read()


@pytest.mark.parametrize("protocols", [[], ["acme-tls/1"], ["h2", "http/1.1"]])
def test_openssls_hello_is_read(protocols):
    expected = ClientHello("www.example.com", tuple(each.encode() for each in protocols))
    assert read(openssl_hello("www.example.com", protocols)) == expected


@given(NAMES, PROTOCOLS, st.lists(st.integers(0, 5000), max_size=20), st.lists(st.integers(1, 50), max_size=40))
def test_records_and_pieces_make_no_difference(name, protocols, cuts, pieces):
    data = records(message(sni(name.encode()) + alpn(protocols)), cuts)
    assert read(data, pieces) == ClientHello(name, tuple(protocols))


def test_it_may_come_byte_by_byte_each_in_a_record_of_its_own():
    whole = message(sni(b"example.com") + alpn([b"acme-tls/1"]))
    data = records(whole, range(len(whole)))
    assert read(data, [1] * len(data)) == ClientHello("example.com", (b"acme-tls/1",))


def test_what_nobody_named_is_not_there():
    assert read(records(message(None))) == read(records(message(b""))) == ClientHello(None, ())


def test_a_name_is_in_lower_case_and_in_ascii():
    assert read(records(message(sni(b"WWW.Example.COM")))) == ClientHello("www.example.com", ())
    assert read(records(message(sni("bücher.example".encode())))) == ClientHello(None, ())


def test_no_prefix_is_a_hello():
    whole = records(message(sni(b"example.com")), [10, 20])
    assert [read(whole[:length]) for length in range(len(whole))] == [None] * len(whole)


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"G",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"\x16\2\0\0\1\1",
        b"\x16\3\1\0\0",
        b"\x16\3\1\x40\1",
        b"\x15\3\1\0\2\2\x50",
        records(b"\2\0\0\0"),
        records(message(None) + b"\1"),
        records(message(sni(b"a.test") + sni(b"b.test"))),
        records(message(extension(0, vector(2, b"\1" + vector(2, b"a"))))),
        records(message(extension(0, vector(2, b"\0" + vector(2, b"a") + b"\0" + vector(2, b"b"))))),
        records(message(extension(16, b"\0\5\4abc"))),
        records(message(extension(16, b"\0\2\1ab"))),
        records(message(b"\0")),
        records(b"\1\0\0\1\3"),
    ],
)
def test_what_is_no_hello_is_told_at_once(data):
    assert isinstance(read(data), str)


def test_a_hello_without_end_is_given_up():
    endless = records(b"\1\xff\xff\xff" + bytes(12_000))
    assert read(endless) is None
    outcome = read(endless + records(bytes(MAX_BYTES - len(endless) - 5)))
    assert outcome == f"no end within {MAX_BYTES} bytes"


@given(st.binary(max_size=400), st.lists(st.integers(1, 50), max_size=20))
def test_any_bytes_have_one_outcome_however_they_come(data, pieces):
    at_once, in_pieces = read(data), read(data, pieces)
    assert isinstance(at_once, str) == isinstance(in_pieces, str)
    assert isinstance(at_once, str) or at_once == in_pieces


@given(st.data())
def test_a_damaged_hello_is_read_or_refused(data):
    whole = bytearray(records(message(sni(b"example.com") + alpn([b"acme-tls/1", b"h2"])), [30, 60]))
    for position in data.draw(st.lists(st.integers(0, len(whole) - 1), min_size=1, max_size=4)):
        whole[position] = data.draw(st.integers(0, 255))
    outcome = read(bytes(whole), data.draw(st.lists(st.integers(1, 50), max_size=10)))
    assert outcome is None or isinstance(outcome, str | ClientHello)


@given(st.binary(max_size=100))
def test_every_byte_is_kept_for_whoever_takes_over(data):
    reader = HelloReader()
    outcomes = []
    for value in data:
        try:
            outcomes.append(reader.feed(bytes([value])))
        except NotClientHello:
            break
    assert data.startswith(bytes(reader.received))
    assert len(reader.received) >= len(outcomes)
