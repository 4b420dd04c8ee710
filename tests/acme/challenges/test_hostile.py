"""Whatever a server sends, nothing but acmez's own errors comes out, and no result leaves its grammar."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TypeVar

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from acmez.acme import Challenge, Identifier, InputError, MalformedAnswer, Meta
from acmez.acme.challenges import (
    device_attest_01,
    dns_persist_01,
    email_reply_00,
    http_01,
    onion_csr_01,
    tkauth_01,
    tls_alpn_01,
    txt_record,
)
from acmez.acme.wire import JSON
from tests.acme.challenges.making import TOKEN, URL, make

Result = TypeVar("Result")
KEY = Ed25519PrivateKey.from_private_bytes(bytes(32))
META = Meta(account_hash_prefix="https://ca.example/", caa_identities=("ca.example",))

scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=30)
json_values: st.SearchStrategy[JSON] = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=8,
)
hosts = st.sampled_from(["example.com", "EXAMPLE.com.", "192.0.2.1", "::1", "a@example.com"]) | st.from_regex(
    r"[a-z0-9.:_@/%\r\n-]{1,40}", fullmatch=True
)
values = hosts | st.text(min_size=1, max_size=40)
identifiers = st.builds(Identifier, st.sampled_from(["dns", "ip", "email", "TNAuthList"]) | st.text(min_size=1), values)
members = st.dictionaries(
    st.sampled_from(
        [
            "accounturi",
            "authKey",
            "error",
            "from",
            "issuer-domain-names",
            "issuerDomainNames",
            "nonce",
            "status",
            "tkauth-type",
            "token-authority",
            "validated",
        ]
    ),
    json_values | st.lists(hosts, max_size=11) | hosts,
)
tokens = json_values | st.just(TOKEN) | st.from_regex(r"[A-Za-z0-9_-]{1,50}", fullmatch=True)


@st.composite
def challenges(draw: st.DrawFn, kind: str) -> Challenge:
    return make(kind, draw(identifiers), token=draw(tokens), wildcard=draw(st.booleans()), members=draw(members))


def attempt(build: Callable[[], Result]) -> Result | None:
    try:
        return build()
    except (MalformedAnswer, InputError) as exc:
        message = str(exc)
    assert message.isprintable()
    return None


@settings(max_examples=60, deadline=None)
@given(challenges("http-01"))
def test_http_01(challenge: Challenge):
    if answer := attempt(lambda: http_01.answer(challenge)):
        assert re.fullmatch(r"http://[a-z0-9._:\[\]-]+/\.well-known/acme-challenge/[A-Za-z0-9_-]+", answer.url)
        assert answer.url.endswith(answer.path)


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(["dns-01", "dns-account-01", "dns-persist-01"]).flatmap(challenges))
def test_txt_records(challenge: Challenge):
    for meta in (None, META):
        if record := attempt(lambda meta=meta: txt_record(challenge, meta=meta)):  # type: ignore[misc]
            assert re.fullmatch(r"_[a-z0-9_.-]{1,252}", record.name)
            assert re.fullmatch(r"[\x20-\x7e]+", record.value)
            assert all(len(string) <= 255 for string in record.strings)


@settings(max_examples=60, deadline=None)
@given(st.lists(hosts | st.text(max_size=20) | scalars, max_size=12))
def test_dns_persist_01_issuers(names: list[JSON]):
    challenge = make("dns-persist-01", token=None, members={"issuerDomainNames": names})
    if issuers := attempt(lambda: dns_persist_01.issuer_domain_names(challenge)):
        assert list(issuers) == names
        assert all(re.fullmatch(r"[a-z0-9.-]+", issuer) for issuer in issuers)


@settings(max_examples=40, deadline=None)
@given(challenges("tls-alpn-01"))
def test_tls_alpn_01(challenge: Challenge):
    if made := attempt(lambda: tls_alpn_01.certificate(challenge)):
        assert re.fullmatch(r"[a-z0-9._-]+", made.sni)


@settings(max_examples=60, deadline=None)
@given(challenges("email-reply-00"), st.text(max_size=60))
def test_email_reply_00(challenge: Challenge, text: str):
    attempt(lambda: email_reply_00.sender(challenge))
    attempt(lambda: email_reply_00.token_part1(text))
    for decode_parts in (False, True):
        attempt(lambda decode=decode_parts: email_reply_00.response(challenge, text, decode_parts=decode))  # type: ignore[misc]


field_values = st.binary(max_size=80) | st.from_regex(rb"[()<>@,;:\\\".\[\]a =?\r\n\t]{0,60}", fullmatch=True)
challenge_mails = st.lists(
    st.tuples(
        st.sampled_from([b"From", b"To", b"Subject", b"Auto-Submitted", b"Reply-To", b"Message-ID"]), field_values
    ),
    max_size=7,
).map(lambda fields: b"".join(name + b": " + value + b"\r\n" for name, value in fields))


@settings(max_examples=150, deadline=None)
@given(challenge_mails, st.booleans())
def test_mails(fields: bytes, plausible: bool):
    start = b"From: ca@ca.example\r\nTo: a@example.com\r\nAuto-Submitted: auto-generated\r\n" if plausible else b""
    challenge = make("email-reply-00", Identifier("email", "a@example.com"), members={"from": "ca@ca.example"})
    if mail := attempt(lambda: email_reply_00.read_mail(start + fields, challenge)):
        head = email_reply_00.reply(challenge, mail).as_bytes().partition(b"\r\n\r\n")[0]
        names = [line.partition(b":")[0] for line in head.split(b"\r\n")]
        assert set(names) <= {b"From", b"To", b"Subject", b"Date", b"In-Reply-To", b"MIME-Version"} | {
            b"Content-Type",
            b"Content-Transfer-Encoding",
        }


@settings(max_examples=60, deadline=None)
@given(challenges("onion-csr-01"), values)
def test_onion_csr_01(challenge: Challenge, name: str):
    ours = make("onion-csr-01", onion_csr_01.address(KEY.public_key()), members={**challenge.raw, "url": URL})
    attempt(lambda: onion_csr_01.csr(challenge, KEY))
    attempt(lambda: onion_csr_01.csr(ours, KEY))
    attempt(lambda: onion_csr_01.auth_key(challenge))
    attempt(lambda: onion_csr_01.public_key(name))


@settings(max_examples=60, deadline=None)
@given(challenges("tkauth-01"), st.text(max_size=40) | st.from_regex(r"a\.[A-Za-z0-9_-]{1,20}\.c", fullmatch=True))
def test_tkauth_01(challenge: Challenge, text: str):
    if wanted := attempt(lambda: tkauth_01.token_request(challenge)):
        assert wanted.authority is None or wanted.authority.lower().startswith("https://")
    attempt(lambda: tkauth_01.matches(text, challenge))
    attempt(lambda: tkauth_01.payload(text))


@settings(max_examples=40, deadline=None)
@given(challenges("device-attest-01"))
def test_device_attest_01(challenge: Challenge):
    if data := attempt(lambda: device_attest_01.signed_data(challenge, token_only=True)):
        assert re.fullmatch(rb"[A-Za-z0-9_-]+", data)
