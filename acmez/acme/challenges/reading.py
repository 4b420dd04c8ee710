"""What every challenge type reads from a challenge, checked before anything is built from it."""

from __future__ import annotations

import hashlib
import ipaddress
import re

from acmez.acme.challenge import Challenge
from acmez.acme.errors import InputError, MalformedAnswer
from acmez.acme.identifier import IdentifierType
from acmez.acme.wire import is_base64url

# Underscores are no host names, but private CAs issue for them.
_NAME = re.compile(r"(?!.{254})[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?)*\Z")


def require_type(challenge: Challenge, *types: str) -> None:
    """Refuse a challenge of another type.

    Raises:
        InputError: the challenge has none of *types*.
    """
    if challenge.type not in types:
        wanted = " or ".join(repr(str(each)) for each in types)
        raise InputError(
            f"{challenge.identifier.value!a}: expected a challenge of type {wanted}, got {str(challenge.type)!a:.110}"
        )


def malformed(challenge: Challenge, reason: str) -> MalformedAnswer:
    """Return the error that says what is wrong with what the server sent."""
    return MalformedAnswer(f"{challenge.identifier.value!a:.260}: {challenge.type}: {reason}", url=challenge.url)


def domain_name(challenge: Challenge) -> str:
    """Return the DNS name to prove: lower case, no trailing dot, without a wildcard's "*.".

    Raises:
        MalformedAnswer: the identifier is no DNS name in A-labels.
    """
    if challenge.identifier.type != IdentifierType.DNS:
        raise malformed(challenge, f"the identifier is of type {str(challenge.identifier.type)!a:.50}, not a DNS name")
    name = normalized(challenge.identifier.value)
    if name is None:
        raise malformed(challenge, "the identifier is not a DNS name in A-labels")
    return name


def normalized(name: str) -> str | None:
    """Return a DNS name of A-labels in lower case without a trailing dot; `None` if it is not one."""
    # `lower` turns U+212A KELVIN SIGN into an ASCII letter.
    lower = name.lower().removesuffix(".") if name.isascii() else ""
    return lower if _NAME.match(lower) else None


def ip_address(challenge: Challenge) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """Return the IP address to prove (RFC 8738 §3).

    Raises:
        MalformedAnswer: the identifier is no IP address.
    """
    value = challenge.identifier.value
    try:
        if "%" in value:  # a zone (RFC 4007 §11) may be any text
            raise ValueError
        return ipaddress.ip_address(value)
    except ValueError:
        raise malformed(challenge, "the identifier is not an IP address") from None


def key_authorization(challenge: Challenge) -> str:
    """Return the key authorization (RFC 8555 §8.1); treat it as a secret.

    Raises:
        InputError: the challenge carries no thumbprint of the account key.
        MalformedAnswer: the server sent no token, or one outside the base64url alphabet.
    """
    account_key = thumbprint(challenge)
    if challenge.token is None:
        wrong = "the token is not base64url" if "token" in challenge.raw else "there is no token"
        raise malformed(challenge, wrong)
    return f"{challenge.token}.{account_key}"


def key_authorization_digest(challenge: Challenge) -> bytes:
    """Return the SHA-256 of the key authorization; raises like `key_authorization`."""
    return hashlib.sha256(key_authorization(challenge).encode()).digest()


def thumbprint(challenge: Challenge) -> str:
    """Return the account key's thumbprint.

    Raises:
        InputError: the challenge carries none.
    """
    if not is_base64url(challenge.thumbprint):
        raise InputError(f"{challenge.identifier.value!a}: the challenge carries no thumbprint of the account key")
    return challenge.thumbprint
