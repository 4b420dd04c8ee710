"""dns-01: a TXT record at _acme-challenge (RFC 8555 §8.4)."""

from __future__ import annotations

from acmez.acme.challenge import Challenge, ChallengeType
from acmez.acme.wire import b64encode

from .reading import key_authorization_digest, require_type
from .txt import TxtRecord, owner


def record(challenge: Challenge) -> TxtRecord:
    """Return the record that must exist for *challenge*; for a wildcard it is at the base name.

    Raises:
        InputError: it is of another type, carries no thumbprint, or its name is too long.
        MalformedAnswer: its token or name cannot be used.
    """
    require_type(challenge, ChallengeType.DNS_01)
    return TxtRecord(owner(challenge, "_acme-challenge"), b64encode(key_authorization_digest(challenge)))
