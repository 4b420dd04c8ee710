"""dns-persist-01: one TXT record that stays (draft-ietf-acme-dns-persist). Experimental.

Two incompatible revisions are in the field. The challenge's own members tell them apart:

- `issuer-domain-names` (-00, -01): the record names the account by its URL.
- `issuerDomainNames` (-02): the record names it by a hash, below a prefix that the directory advertises.

The record is no answer to one order. It lets the account prove the name again and again, so nothing removes it
when the order is done (`Challenge.persistent`), whatever its solver is, and it stays valid until somebody removes
it, it expires, or the account is deactivated. Name the issuer that you trust: of the first revision, a hostile
server could otherwise make you publish a record in favour of somebody's account at another CA.

This module may change with the drafts, also in a minor release.
"""

from __future__ import annotations

import hashlib
import re
from datetime import datetime

from acmez.acme.challenge import Challenge, ChallengeType
from acmez.acme.directory import Meta
from acmez.acme.errors import InputError
from acmez.acme.wire import JSON, b64encode

from .reading import domain_name, malformed, normalized, require_type, thumbprint
from .txt import TxtRecord, owner

_LABEL = "_validation-persist"
_HASHED = "issuerDomainNames"  # -02
_PLAIN = "issuer-domain-names"  # -00 and -01
_ISSUER = re.compile(r"(?!.{254})[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*\Z")
_PARAMETER = re.compile(r"[\x21-\x3a\x3c-\x7e]+\Z")  # RFC 8659 §4.2: value
_URI = re.compile(r"[a-z][a-z0-9+.-]*://[\x21-\x3a\x3c-\x7e]+\Z", re.IGNORECASE)


def issuer_domain_names(challenge: Challenge, meta: Meta | None = None) -> tuple[str, ...]:
    """Return the names of the issuer; a record must hold one of them.

    Args:
        meta: the directory's, in place of that which the challenge carries; with one, a challenge of revision -02
            is compared with what the directory says.

    Raises:
        InputError: the challenge is of another type.
        MalformedAnswer: there are not 1 to 10 lower-case names without trailing dots, or they contradict the
            directory (-02 §3.2).
    """
    require_type(challenge, ChallengeType.DNS_PERSIST_01)
    member = _HASHED if _HASHED in challenge.raw else _PLAIN
    names = _issuers(challenge.raw.get(member))
    if names is None:
        raise malformed(challenge, f"{member}: expected 1 to 10 lower-case domain names without a trailing dot")
    meta = meta or challenge.meta
    if member == _HASHED and meta is not None:
        _compare(challenge, names, meta)
    return names


def record(
    challenge: Challenge,
    *,
    meta: Meta | None = None,
    issuer: str | None = None,
    wildcard: bool = False,
    persist_until: datetime | None = None,
    any_domain: bool = False,
) -> TxtRecord:
    """Return the record that must exist for *challenge*.

    Args:
        meta: the directory's, in place of that which the challenge carries; revision -02 needs one.
        issuer: which of the issuer's names to use; the first one by default.
        wildcard: let the record also cover wildcards and subdomains, even if this challenge is for neither.
        persist_until: when the record stops being valid.
        any_domain: -02: leave the name out of the hash, so that one value serves many names; they can then be
            seen to belong together.

    Raises:
        InputError: the challenge is of another type or carries no account, the issuer is not among the names
            offered, or *meta* is needed and missing.
        MalformedAnswer: what the server sent cannot be used.
    """
    meta = meta or challenge.meta
    names = issuer_domain_names(challenge, meta)
    if issuer is not None and issuer not in names:
        raise InputError(f"issuer: {issuer!r} is not offered by the server (it offers {', '.join(names)})")
    value = issue_value(
        names[0] if issuer is None else issuer,
        _account_uri(challenge, meta, any_domain=any_domain),
        wildcard=wildcard or challenge.wildcard,
        persist_until=persist_until,
    )
    return TxtRecord(owner(challenge, _LABEL), value, persistent=True)


def issue_value(issuer: str, account_uri: str, *, wildcard: bool = False, persist_until: datetime | None = None) -> str:
    """Return the text of a record, also for one that is published before any order.

    Args:
        issuer: lower case, without a trailing dot.
        account_uri: the account's URL, or of revision -02 its `hashed_account_uri`.

    Raises:
        InputError: an argument cannot be written into a record.
    """
    if not _ISSUER.match(issuer):
        raise InputError(f"issuer: expected a lower-case domain name without a trailing dot, got {issuer!a:.260}")
    if not _PARAMETER.match(account_uri):
        raise InputError(f"account URI: expected printable ASCII text without ';', got {account_uri!a:.200}")
    parts = [issuer, f"accounturi={account_uri}"]
    if wildcard:
        parts.append("policy=wildcard")
    if persist_until is not None:
        parts.append(f"persistUntil={_unix_time(persist_until)}")
    # Boulder and Pebble refuse a semicolon at the end.
    return "; ".join(parts)


def hashed_account_uri(prefix: str, domain: str, account_thumbprint: str, account_url: str) -> str:
    """Return the `accounturi` of revision -02 (§4.1).

    Args:
        prefix: the directory's `accountHashPrefix`.
        domain: where the record is, without "_validation-persist."; "*": valid at any name.
        account_thumbprint: of the account's current key (RFC 7638), base64url.
        account_url: exactly as the server sent it in Location.

    Raises:
        InputError: an argument cannot be used.
    """
    name = "*" if domain == "*" else normalized(domain)
    if name is None:
        raise InputError(f"domain: expected a DNS name in A-labels, got {domain!a:.260}")
    if len(account_thumbprint) != 43 or not account_thumbprint.isascii():
        raise InputError("account thumbprint: expected 43 characters of base64url")
    if not account_url or not account_url.isascii():
        raise InputError(f"account URL: expected ASCII text, got {account_url!a:.200}")
    if not _URI.match(prefix):
        raise InputError(f"accountHashPrefix: expected the start of a URL, got {prefix!a:.200}")
    hashed = bytes([len(name)]) + f"{name}{account_thumbprint}{account_url}".encode("ascii")
    return f"{prefix}sha-256/{b64encode(hashlib.sha256(hashed).digest())}"


def _account_uri(challenge: Challenge, meta: Meta | None, *, any_domain: bool) -> str:
    url = challenge.account_url
    if not url:
        raise InputError(f"{challenge.identifier.value!a}: the challenge carries no account URL")
    if _HASHED not in challenge.raw:
        # -01; Boulder leaves it out unless it is configured to know its own account URLs.
        expected = challenge.raw.get("accounturi", url)
        if expected != url:
            raise malformed(challenge, f"accounturi: {expected!a:.200} is not the account {url!r}")
        return url
    if meta is None:
        raise InputError(
            f"{challenge.identifier.value!a}: this revision of {challenge.type} needs the directory's meta"
        )
    if meta.account_hash_prefix is None or not _URI.match(meta.account_hash_prefix):
        raise malformed(challenge, f"the directory's accountHashPrefix is {meta.account_hash_prefix!a:.200}, not a URL")
    domain = "*" if any_domain else domain_name(challenge)
    return hashed_account_uri(meta.account_hash_prefix, domain, thumbprint(challenge), url)


def _compare(challenge: Challenge, offered: tuple[str, ...], meta: Meta) -> None:
    # -02 §3.2: a directory's list that does not conform counts as missing.
    if missing := set(_issuers(list(meta.issuer_domain_names)) or ()) - set(offered):
        raise malformed(challenge, f"{_HASHED}: {min(missing)!r} of the directory is missing")
    identities = {normalized(name) for name in meta.caa_identities}
    if identities and None not in identities and (unknown := set(offered) - identities):
        raise malformed(challenge, f"{_HASHED}: {min(unknown)!r} is not among the directory's caaIdentities")


def _issuers(value: JSON) -> tuple[str, ...] | None:
    if not isinstance(value, list) or not 1 <= len(value) <= 10:
        return None
    names = tuple(name for name in value if isinstance(name, str) and _ISSUER.match(name))
    return names if len(names) == len(value) else None


def _unix_time(moment: datetime) -> int:
    if moment.tzinfo is None:
        raise InputError(f"persist_until: {moment.isoformat()!r} has no time zone (did you mean datetime.now(UTC)?)")
    seconds = int(moment.timestamp())
    if seconds < 0:
        raise InputError(f"persist_until: {moment.isoformat()!r} is before 1970")
    return seconds
