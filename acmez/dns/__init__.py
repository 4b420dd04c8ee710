"""The DNS as solvers and waiters need it: where a challenge's record goes, and who shows it.

Only dnspython is needed, and it is imported when something is asked.
"""

from __future__ import annotations

from .errors import DnsError, NoAnswerError, SignatureError, UnreachableError, ZoneError
from .records import DNS_CHALLENGE_TYPES, DnsOptions, RecordFinder, ZoneRecord, by_zone

__all__ = [
    "DNS_CHALLENGE_TYPES",
    "DnsError",
    "DnsOptions",
    "NoAnswerError",
    "RecordFinder",
    "SignatureError",
    "UnreachableError",
    "ZoneError",
    "ZoneRecord",
    "by_zone",
]
