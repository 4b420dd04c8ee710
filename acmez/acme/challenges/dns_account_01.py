"""dns-account-01: dns-01 below a label of the account's own (draft-ietf-acme-dns-account-label-03).

Several accounts, clients or CAs can then prove the same name at once.
"""

from __future__ import annotations

import base64
import hashlib

from acmez.acme.challenge import Challenge, ChallengeType
from acmez.acme.errors import InputError
from acmez.acme.wire import b64encode

from .reading import key_authorization_digest, require_type
from .txt import TxtRecord, owner


def account_label(account_url: str) -> str:
    """Return the label of an account, with its leading underscore.

    Args:
        account_url: exactly as the server sent it in Location.

    Raises:
        InputError: it is empty or no ASCII text.
    """
    if not account_url or not account_url.isascii():
        raise InputError(f"account URL: expected ASCII text, got {account_url!a:.200}")
    return "_" + base64.b32encode(hashlib.sha256(account_url.encode()).digest()[:10]).decode().lower()


def record(challenge: Challenge) -> TxtRecord:
    """Return the record that must exist for *challenge*; for a wildcard it is at the base name.

    Raises:
        InputError: it is of another type, carries no account or thumbprint, or its name is too long.
        MalformedAnswer: its token or name cannot be used.
    """
    require_type(challenge, ChallengeType.DNS_ACCOUNT_01)
    name = owner(challenge, f"{account_label(challenge.account_url)}._acme-challenge")
    return TxtRecord(name, b64encode(key_authorization_digest(challenge)))
