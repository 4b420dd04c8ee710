"""Every reader of foreign input, and what it is fed."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dns.exception
import dns.message
import dns.name
from acmez_tls_alpn.client_hello import ClientHello, HelloReader, NotClientHello
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import strategies as st

from acmez import config
from acmez.acme import Account, Authorization, Chain, Directory, Identifier, Order, RenewalInfo, SigningKey
from acmez.acme.account import check_contacts, listed_urls
from acmez.acme.challenge import Challenge
from acmez.acme.challenges import email_reply_00, http_01, tkauth_01, tls_alpn_01, txt_record
from acmez.acme.delegation import Delegation
from acmez.acme.headers import parse_links
from acmez.acme.nonces import nonce_of
from acmez.acme.problem import problem_error
from acmez.acme.wire import b64decode, parse_http_date, parse_json, parse_timestamp, retry_after
from acmez.csr import identifier, load_request, request_identifiers
from acmez.dns import reading
from acmez.keys import load_private_key, private_pem
from tests.acme.answers import JSON, NEARLY, NOW, URL, bodies, response
from tests.acme.certificates import pem, request
from tests.acme.keys import P256

ACCOUNT = Account("https://ca.example/account/1", SigningKey(P256))
NAME = dns.name.from_text("_acme-challenge.example.com.")
KEY = private_pem(P256)

ORDER = ("status", "identifiers", "authorizations", "finalize", "certificate", "expires", "error", "star-certificate")
AUTHORIZATION = ("status", "identifier", "challenges", "wildcard", "expires", "subdomainAuthAllowed")
DIRECTORY = ("newNonce", "newAccount", "newOrder", "meta", "keyChange", "renewalInfo")
PROBLEM = ("type", "title", "detail", "status", "instance", "identifier", "subproblems", "algorithms")
CHALLENGE = ("type", "url", "status", "token", "validated", "error", "from", "tkauth-type", "issuer-domain-names")


@dataclass(frozen=True)
class Fuzzed:
    """One reader.

    Attributes:
        read: is given an example, and raises what is wrong with it.
        examples: what to feed it.
        refusals: what it may raise beside acmez's own errors.
    """

    read: Callable[[Any], object]
    examples: st.SearchStrategy[Any]
    refusals: tuple[type[Exception], ...] = ()


def torn(whole: bytes) -> st.SearchStrategy[bytes]:
    """Return *whole* with bytes replaced, removed and repeated."""

    def tear(cuts: list[tuple[int, int, bytes]]) -> bytes:
        data = whole
        for start, length, new in cuts:
            data = data[:start] + new + data[start + length :]
        return data

    cut = st.tuples(st.integers(0, len(whole)), st.integers(0, 40), st.binary(max_size=20))
    return st.lists(cut, max_size=4).map(tear)


def _challenge(raw: Mapping[str, Any]) -> Challenge:
    return Challenge.from_json(
        raw,
        URL,
        identifier=Identifier.dns("example.com"),
        wildcard=False,
        thumbprint=ACCOUNT.key.thumbprint,
        account_url=ACCOUNT.url,
    )


def _dns_answer(data: bytes) -> object:
    answer = dns.message.from_wire(data)
    facts = reading.values_at(answer, NAME), reading.chain_from(answer, NAME), reading.zone_of(answer, NAME)
    return facts, reading.told(answer, NAME)


def _configuration(data: bytes) -> object:
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory) / "acmez.toml"
        file.write_bytes(data)
        return config.bind(config.read(file), file.parent)


def _client_hello(data: bytes) -> ClientHello | None:
    return HelloReader().feed(data)


def _members(names: tuple[str, ...]) -> st.SearchStrategy[dict[str, Any]]:
    return st.dictionaries(st.sampled_from(names), NEARLY | JSON, max_size=10)


def _dns_wire() -> st.SearchStrategy[bytes]:
    query = dns.message.make_query(NAME, "TXT", id=1)
    answer = dns.message.make_response(query)
    for line in ("300 IN TXT value", "300 IN CNAME alias.example.net."):
        answer.answer += dns.message.from_text(f"id 1\n;ANSWER\n{NAME} {line}\n").answer
    return torn(answer.to_wire()) | st.binary(max_size=100)


TOML = b"""directory = "https://ca.example/"
parallelism = 3
[account]
contact = ["mailto:a@example.com"]
eab = { kid = "1", hmac_key = "AAAA" }
[account_key]
use = "file"
path = "account.pem"
[solver.web]
use = "http-webroot"
domains = ["example.com"]
[[certificate]]
names = ["example.com", "*.example.com"]
"""

LINKS = st.text(st.sampled_from('<>;,"= \\relnxt/a*\x1b'), max_size=200)
DIGITS = st.text(st.sampled_from("0123456789-+.eEnaifTZ: ,GMTJan"), max_size=40) | st.text(max_size=40)
NAMES = st.text(st.sampled_from("ab.-*_:/@%[]0123ßé\u202e\u3002 "), max_size=80) | st.text(max_size=40)

READERS: Mapping[str, Fuzzed] = {
    "json": Fuzzed(lambda body: parse_json(body, URL), bodies("a")),
    "directory": Fuzzed(lambda body: Directory.from_response(response(body)), bodies(*DIRECTORY)),
    "account": Fuzzed(
        lambda body: Account.from_response(response(body, location="/1"), ACCOUNT.key),
        bodies("status", "contact", "orders", "externalAccountBinding", "termsOfServiceAgreed"),
    ),
    "list-of-orders": Fuzzed(lambda body: listed_urls(response(body), "orders"), bodies("orders")),
    "order": Fuzzed(lambda body: Order.from_response(response(body, location="/1")), bodies(*ORDER)),
    "authorization": Fuzzed(
        lambda body: Authorization.from_response(response(body, location="/1"), ACCOUNT), bodies(*AUTHORIZATION)
    ),
    "challenge": Fuzzed(_challenge, _members(CHALLENGE)),
    "http-01": Fuzzed(lambda raw: http_01.answer(_challenge(raw | {"type": "http-01"})), _members(CHALLENGE)),
    "dns-01": Fuzzed(lambda raw: txt_record(_challenge(raw | {"type": "dns-01"})), _members(CHALLENGE)),
    "tls-alpn-01": Fuzzed(
        lambda raw: tls_alpn_01.certificate(_challenge(raw | {"type": "tls-alpn-01"})), _members(CHALLENGE)
    ),
    "tkauth-01": Fuzzed(
        lambda raw: tkauth_01.token_request(_challenge(raw | {"type": "tkauth-01"})), _members(CHALLENGE)
    ),
    "email-reply-00": Fuzzed(
        lambda raw: email_reply_00.sender(_challenge(raw | {"type": "email-reply-00"})), _members(CHALLENGE)
    ),
    "subject-of-a-mail": Fuzzed(email_reply_00.token_part1, st.text() | st.text().map("ACME: {}".format)),
    "problem": Fuzzed(lambda body: str(problem_error(response(body, 400))), bodies(*PROBLEM)),
    "delegation": Fuzzed(
        lambda body: Delegation.from_response(response(body)), bodies("csr-template", "cname-map", "type")
    ),
    "renewal-information": Fuzzed(
        lambda body: RenewalInfo.from_response(response(body)), bodies("suggestedWindow", "explanationURL", "start")
    ),
    "chain": Fuzzed(lambda body: Chain.from_response(response(body)), torn(pem("leaf", "intermediate"))),
    "certificate-request": Fuzzed(
        lambda data: request_identifiers(load_request(data)),
        torn(request("leaf").public_bytes(Encoding.PEM)) | torn(request("leaf").public_bytes(Encoding.DER)),
    ),
    "private-key": Fuzzed(lambda data: load_private_key(data, "fuzz"), torn(KEY)),
    "links": Fuzzed(lambda text: parse_links([text], URL), LINKS | st.text()),
    "retry-after": Fuzzed(lambda text: retry_after(text, NOW), DIGITS),
    "http-date": Fuzzed(parse_http_date, DIGITS),
    "timestamp": Fuzzed(parse_timestamp, DIGITS),
    "nonce": Fuzzed(lambda text: nonce_of(response(replay_nonce=text)), st.text()),
    "base64url": Fuzzed(b64decode, st.text() | st.from_regex(r"[A-Za-z0-9_=-]*", fullmatch=True)),
    "name": Fuzzed(identifier, NAMES),
    "contact": Fuzzed(lambda text: check_contacts([text]), NAMES.map("mailto:{}".format) | NAMES),
    "configuration": Fuzzed(_configuration, torn(TOML) | st.binary(max_size=100)),
    "dns-answer": Fuzzed(_dns_answer, _dns_wire(), (dns.exception.DNSException,)),
    "client-hello": Fuzzed(_client_hello, st.binary(max_size=300).map(b"\x16\x03\x01".__add__), (NotClientHello,)),
    "json-of-everything": Fuzzed(lambda value: parse_json(json.dumps(value).encode(), URL), JSON),
}
