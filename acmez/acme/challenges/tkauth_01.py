"""tkauth-01: a token of an authority that knows who may use the identifier (RFC 9447, RFC 9448).

The authority is asked for a token over the claim that `atc_claim` returns; how, is between it and its
customers. The token is a signed JWT; the CA verifies the signature, `matches` only what was asked for.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from acmez.acme.challenge import Challenge, ChallengeType
from acmez.acme.errors import InputError, MalformedAnswer
from acmez.acme.wire import JSONObject, b64decode, is_base64url, parse_object

from .reading import malformed, require_type, thumbprint

_URL = re.compile(r"https://[\x21-\x7e]+\Z", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class TokenRequest:
    """What the CA says about the token that it wants.

    Attributes:
        kind: "atc" for every token that is specified today.
        authority: where to ask for it, an HTTPS URL, if the CA gives a hint.
    """

    kind: str
    authority: str | None = None


def token_request(challenge: Challenge) -> TokenRequest:
    """Read what the CA wants (RFC 9447 §3).

    Raises:
        InputError: the challenge is of another type.
        MalformedAnswer: it does not say which kind of token, or the authority's URL is not HTTPS.
    """
    require_type(challenge, ChallengeType.TKAUTH_01)
    kind, authority = challenge.raw.get("tkauth-type"), challenge.raw.get("token-authority")
    if not isinstance(kind, str) or not kind:
        raise malformed(challenge, "tkauth-type: expected a string")
    if authority is None:
        return TokenRequest(kind)
    if not isinstance(authority, str) or not _URL.match(authority):
        raise malformed(challenge, "token-authority: expected an HTTPS URL")
    return TokenRequest(kind, authority)


def fingerprint(account_thumbprint: str) -> str:
    """Return the account key's thumbprint as tokens have it: "SHA256 56:3E:CF:...".

    Raises:
        InputError: *account_thumbprint* is not the base64url of 32 bytes.
    """
    digest = b64decode(account_thumbprint)
    if len(digest) != 32:
        raise InputError(f"account thumbprint: expected 32 bytes, got {len(digest)}")
    return f"SHA256 {digest.hex(':').upper()}"


def atc_claim(challenge: Challenge, *, ca: bool = False) -> JSONObject:
    """Return the claim that the authority is asked to sign (RFC 9447 §4).

    Args:
        ca: whether the certificate shall be a CA's.

    Raises:
        InputError: the challenge is of another type, or carries no thumbprint.
    """
    require_type(challenge, ChallengeType.TKAUTH_01)
    return {
        "tktype": str(challenge.identifier.type),
        "tkvalue": challenge.identifier.value,
        "ca": ca,
        "fingerprint": fingerprint(thumbprint(challenge)),
    }


def payload(token: str) -> JSONObject:
    """Return what is sent to the challenge's URL (RFC 9448 §4).

    Args:
        token: a JWT in compact form.

    Raises:
        InputError: it is not one.
    """
    _claims(token)
    return {"tkauth": token}


def matches(token: str, challenge: Challenge, *, ca: bool = False) -> bool:
    """Whether a token is for this identifier and account, and for a CA or not; its signature is not looked at.

    Raises:
        InputError: *token* is not a JWT in compact form, or the challenge cannot be used.
    """
    wanted, given = atc_claim(challenge, ca=ca), _claims(token).get("atc")
    if not isinstance(given, Mapping):
        return False
    # RFC 9447's examples write "TnAuthList" and pad the value, RFC 9448 writes "TNAuthList" and does not.
    return (
        _text(given, "tktype").casefold() == challenge.identifier.type.casefold()
        and same_value(_text(given, "tkvalue"), challenge.identifier.value)
        and given.get("ca", False) is ca
        and _text(given, "fingerprint").casefold() == str(wanted["fingerprint"]).casefold()
    )


def same_value(one: str, other: str) -> bool:
    """Whether two TNAuthLists are the same, padded or not."""
    return one.rstrip("=") == other.rstrip("=")


def _claims(token: str) -> JSONObject:
    parts = token.split(".")
    if len(parts) != 3 or not all(is_base64url(part) for part in parts):
        raise InputError("authority token: not a JWT in compact form")
    try:
        return parse_object(b64decode(parts[1]), "authority token")
    except (InputError, MalformedAnswer):
        raise InputError("authority token: its claims are not a JSON object") from None


def _text(members: JSONObject, name: str) -> str:
    value = members.get(name)
    return value if isinstance(value, str) else ""
