"""What a server refuses, told to the person who can mend it."""

from __future__ import annotations

from acmez.dns import DnsError, SignatureError


class UpdateError(DnsError):
    """A record could not be added or removed; the message starts with the server."""


_REASONS = {
    "REFUSED": "REFUSED: {key} may not change it (BIND: update-policy, Knot: acl, PowerDNS: TSIG-ALLOW-DNSUPDATE)",
    "NOTAUTH": "NOTAUTH: the server is no primary of the zone, or takes no updates of it by {key}",
    "NOTZONE": "NOTZONE: the name is outside of the zone",
    "NOTIMP": "NOTIMP: the server takes no dynamic updates",
    "SERVFAIL": "SERVFAIL: the server failed, and its log says why (BIND must be able to write beside the zone file)",
}
#: After SERVFAIL nobody knows: a secondary that passed the update on may have lost the answer (RFC 2136 §6).
_REFUSED = _REASONS.keys() - {"SERVFAIL"}
_SIGNATURES = {
    "BADKEY": "BADKEY: the server does not know {key} (or knows it with another algorithm)",
    "BADSIG": "BADSIG: 'key_secret' is not the server's for {key}",
    "BADTIME": "BADTIME: the clocks of this machine and of the server differ too much",
    "BADTRUNC": "BADTRUNC: the server wants a longer signature than that of 'key_algorithm'",
    "WRONG": "the signature of the answer is wrong: 'key_secret' or 'key_algorithm' is not the server's for {key}",
}
#: How Knot and PowerDNS refuse a key or a zone that they do not know.
_UNSIGNED = (
    "refused with {rcode}, unsigned: the server does not know {key}, its secret is another, or it has no such zone"
)


def refusal(server: object, zone: str, rcode: str, key: str) -> UpdateError:
    """Return the error for an answer with *rcode*; an update that was refused has changed nothing (RFC 2136 §3.3).

    Args:
        key: in words.
    """
    error = UpdateError(f"{server}: zone {zone!r}: {_REASONS.get(rcode, rcode).format(key=key)}")
    error.untouched = rcode in _REFUSED
    return error


def bad_signature(server: object, zone: str, error: SignatureError, key: str) -> UpdateError:
    """Return the error for signatures that do not fit."""
    template = _SIGNATURES.get(error.code, _UNSIGNED)
    return UpdateError(f"{server}: zone {zone!r}: {template.format(key=key, rcode=error.rcode or 'no reason')}")
