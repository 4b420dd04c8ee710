"""The record for whichever challenge type is answered in the DNS."""

from __future__ import annotations

from acmez.acme.challenge import Challenge, ChallengeType
from acmez.acme.directory import Meta

from . import dns_01, dns_account_01, dns_persist_01
from .reading import require_type
from .txt import TxtRecord


def txt_record(challenge: Challenge, *, meta: Meta | None = None) -> TxtRecord:
    """Return the record that must exist for a dns-01, dns-account-01 or dns-persist-01 challenge.

    Args:
        meta: the directory's, if the challenge does not carry it; revision -02 of dns-persist-01 needs it.

    Raises:
        InputError: the challenge is of another type, or lacks what its record is made of.
        MalformedAnswer: what the server sent cannot be used.
    """
    match challenge.type:
        case ChallengeType.DNS_01:
            return dns_01.record(challenge)
        case ChallengeType.DNS_ACCOUNT_01:
            return dns_account_01.record(challenge)
        case _:
            require_type(challenge, ChallengeType.DNS_PERSIST_01, ChallengeType.DNS_01, ChallengeType.DNS_ACCOUNT_01)
            return dns_persist_01.record(challenge, meta=meta)
