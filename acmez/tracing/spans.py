"""What took time in issuances, or changed a state: the model of every timeline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Final, TypeAlias

Details: TypeAlias = Mapping[str, str | int | float]

NOTHING: Final[Details] = MappingProxyType({})
PROVED: Final = "proved"


class Kind(StrEnum):
    """What a span is about."""

    ISSUANCE = "issuance"
    REQUEST = "request"
    PRESENT = "present"
    WAIT = "wait"
    VALIDATE = "validate"
    ISSUE = "issue"
    CLEAN_UP = "clean-up"
    STATE = "state"


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """Something that took time, or happened at an instant.

    Attributes:
        label: what it was, in a few words.
        start, end: seconds on the monotonic clock; the same for an instant.
        issuance, order, identifier: what it was for, "" if it was for none.
        failed: whether it went wrong.
        details: what more is known: HTTP status, URL, the CA's words.
    """

    kind: Kind
    label: str
    start: float
    end: float
    issuance: str = ""
    order: str = ""
    identifier: str = ""
    failed: bool = False
    details: Details = field(default_factory=dict)

    @property
    def seconds(self) -> float:
        return self.end - self.start


def titled(names: Sequence[str]) -> str:
    """Return what to call a certificate for *names*."""
    more = f" and {len(names) - 1} more" if len(names) > 1 else ""
    return f"{names[0]}{more}" if names else "no name"
