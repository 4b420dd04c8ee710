"""Challenges such as a CA sends them, without a CA."""

from __future__ import annotations

import secrets

from acmez.acme.challenge import Challenge, ChallengeType
from acmez.acme.challenges import http_01, tls_alpn_01, txt_record
from acmez.acme.identifier import Identifier
from acmez.acme.wire import JSON

#: The types whose answer is a TXT record.
TXT_TYPES = frozenset({ChallengeType.DNS_01, ChallengeType.DNS_ACCOUNT_01, ChallengeType.DNS_PERSIST_01})
#: The types that have no token.
TOKENLESS = frozenset({ChallengeType.DNS_PERSIST_01})

_THUMBPRINT = "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"  # RFC 7638 §3.1; one account, as in one order


def new_challenge(challenge_type: str, identifier: Identifier, *, wildcard: bool = False) -> Challenge:
    """Return a pending challenge with a token and a URL of its own; all have one account."""
    token = None if challenge_type in TOKENLESS else secrets.token_urlsafe(32)
    url = f"https://ca.example/challenge/{secrets.token_hex(8)}"
    raw: dict[str, JSON] = {"type": challenge_type, "url": url, "status": "pending"}
    if token is None:
        raw["issuer-domain-names"] = ["ca.example"]
    else:
        raw["token"] = token
    return Challenge(
        type=challenge_type,
        url=url,
        status="pending",
        identifier=identifier,
        wildcard=wildcard,
        token=token,
        thumbprint=_THUMBPRINT,
        account_url="https://ca.example/account/1",
        raw=raw,
    )


def answer_to(challenge: Challenge) -> str:
    """Return what a CA must see: a TXT value, the body of a page, the hex of a certificate's acmeIdentifier."""
    if challenge.type in TXT_TYPES:
        return txt_record(challenge).value
    if challenge.type == ChallengeType.TLS_ALPN_01:
        return tls_alpn_01.extension_value(challenge.key_authorization).hex()
    if challenge.type == ChallengeType.HTTP_01:
        return http_01.answer(challenge).body
    return challenge.key_authorization
