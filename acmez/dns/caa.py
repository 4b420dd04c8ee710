"""Whether CAA records let a CA issue (RFC 8659), to this account and by these challenges (RFC 8657)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import dns.message
import dns.name
import dns.rdatatype

from acmez.acme.wire import printable

_KNOWN = {"issue", "issuewild", "iodef", "issuemail", "issuevmc", "contactemail", "contactphone"}
_CRITICAL = 128
_PARAMETER = re.compile(r"([A-Za-z0-9][A-Za-z0-9-]*)[ \t]*=[ \t]*([!-:<-~]*)\Z")  # RFC 8659 §4.2


@dataclass(frozen=True, slots=True)
class Property:
    """One CAA record; *tag* is in lower case."""

    tag: str
    value: str
    critical: bool = False


@dataclass(frozen=True, slots=True)
class Applicant:
    """Who wants a certificate from whom.

    Attributes:
        identities: the CA's names in CAA records; none: it does not tell them.
        account_url: of the account; `None`: not known.
        methods: the challenge types that can be answered; none: not known.
    """

    identities: Sequence[str]
    account_url: str | None = None
    methods: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Permission:
    """What the records say.

    Attributes:
        granted: `None` if it depends on what is not known.
        says: in words.
    """

    granted: bool | None
    says: str


def properties_at(answer: dns.message.Message, name: dns.name.Name) -> tuple[Property, ...]:
    """Return the CAA records at *name*."""
    return tuple(
        Property(
            record.tag.decode("ascii", "replace").lower(),
            record.value.decode("utf-8", "replace"),
            bool(record.flags & _CRITICAL),
        )
        for rrset in answer.answer
        if rrset.rdtype == dns.rdatatype.CAA and rrset.name == name
        for record in rrset
    )


def permission(properties: Sequence[Property], applicant: Applicant, *, wildcard: bool) -> Permission:
    """Return whether the CA may issue, by the relevant set of records.

    Args:
        wildcard: whether it is for a wildcard name.
    """
    for each in properties:
        if each.critical and each.tag not in _KNOWN:
            return Permission(False, f"the record {printable(each.tag, 40)!r} is critical, and CAs do not know it")
    # RFC 8659 §4.3: "issuewild" takes the place of "issue" for wildcards, and is nothing to other names
    tag = "issuewild" if wildcard and any(each.tag == "issuewild" for each in properties) else "issue"
    grants = [_granted(each.value, applicant) for each in properties if each.tag == tag]
    if not grants:
        return Permission(True, "no restriction")
    for wanted in (True, None):
        if found := next((grant for grant in grants if grant.granted is wanted), None):
            return found
    return Permission(False, "; ".join(dict.fromkeys(grant.says for grant in grants)))


def _granted(value: str, applicant: Applicant) -> Permission:
    issuer, *rest = (part.strip(" \t") for part in value.split(";"))
    shown = printable(issuer, 100)
    if not issuer:
        return Permission(False, "no CA may")
    if applicant.identities and issuer.lower() not in {identity.lower() for identity in applicant.identities}:
        return Permission(False, f"only {shown} may")
    try:
        parameters = dict(_parameters(rest))
    except ValueError as error:
        return Permission(False, f"{shown} may not: {error}")
    if (methods := parameters.get("validationmethods")) is not None and applicant.methods:
        allowed = {method.strip(" \t") for method in methods.split(",")}
        if allowed.isdisjoint(applicant.methods):
            return Permission(False, f"{shown} may only by {printable(methods, 100)}, which no solver answers")
    if (account := parameters.get("accounturi")) is not None:
        only = f"{shown} may only for the account {printable(account, 200)}"
        if applicant.account_url is None:
            return Permission(None, only)
        if account != applicant.account_url:
            return Permission(False, only)
    if not applicant.identities:
        return Permission(None, f"{shown} may; the CA does not say whether it is that")
    return Permission(True, f"{shown} may")


def _parameters(parts: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield tag and value; raise `ValueError` where a CA has to refuse (RFC 8657 §3, RFC 8659 §4.2)."""
    seen: set[str] = set()
    for part in filter(None, parts):
        match = _PARAMETER.match(part)
        if match is None:
            raise ValueError(f"the parameter {printable(part, 100)!r} is malformed")
        tag = match[1].lower()
        if tag in seen:
            raise ValueError(f"there are two parameters {tag!r}")
        seen.add(tag)
        yield tag, match[2]
