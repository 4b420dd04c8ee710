"""TXT records, which three challenge types ask for."""

from __future__ import annotations

from dataclasses import dataclass

from acmez.acme.challenge import Challenge
from acmez.acme.errors import InputError

from .reading import domain_name


@dataclass(frozen=True, slots=True)
class TxtRecord:
    """A TXT record that must exist; others at the same name are not to be touched.

    Attributes:
        name: the owner, without a trailing dot.
        value: the text, in one piece.
        persistent: whether it must stay when the order is done (dns-persist-01).
    """

    name: str
    value: str
    persistent: bool = False

    @property
    def strings(self) -> tuple[str, ...]:
        """The value as character-strings of at most 255 octets (RFC 1035 §3.3.14)."""
        return tuple(self.value[start : start + 255] for start in range(0, len(self.value), 255))


def owner(challenge: Challenge, prefix: str) -> str:
    """Return the name of the record below which *prefix* is put.

    Raises:
        InputError: with the prefix, the name is too long for the DNS.
        MalformedAnswer: the identifier is no DNS name.
    """
    name = f"{prefix}.{domain_name(challenge)}"
    if len(name) > 253:
        raise InputError(
            f"{challenge.identifier}: too long for {challenge.type}: with {prefix!r} it exceeds 253 octets"
        )
    return name
