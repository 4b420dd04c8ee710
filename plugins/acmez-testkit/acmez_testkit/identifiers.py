"""Identifiers as a client asks for them, checked all at once (RFC 8555 §7.4, RFC 8738 §3)."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Mapping

from acmez_testkit.behaviour import Behaviour
from acmez_testkit.model import Identifier
from acmez_testkit.wire import PROBLEM_PREFIX, Refusal

_NAME = re.compile(r"(\*\.)?([a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?\.)*[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?")


def read_identifiers(value: object, behaviour: Behaviour) -> tuple[Identifier, ...]:
    """Return the identifiers without duplicates; raise Refusal with a subproblem for each bad one."""
    if not isinstance(value, list) or not value:
        raise Refusal("malformed", "identifiers is not a list of identifiers")
    identifiers = tuple(dict.fromkeys(_read(item) for item in value))
    if len(identifiers) > behaviour.max_names:
        raise Refusal("malformed", f"more than {behaviour.max_names} identifiers")
    faults = {i: fault for i in identifiers if (fault := _fault(i, behaviour)) is not None}
    if not faults and behaviour.refuse_redundant_names:
        faults = _redundant(identifiers)
    if faults:
        raise refusal_of_each(faults)
    return identifiers


def refusal_of_each(faults: Mapping[Identifier, tuple[str, str]], status: int = 400) -> Refusal:
    """Return one problem with a subproblem for each identifier (RFC 8555 §6.7.1)."""
    subproblems = [
        {"type": PROBLEM_PREFIX + kind, "detail": detail, "identifier": identifier.document()}
        for identifier, (kind, detail) in faults.items()
    ]
    kinds = {kind for kind, _ in faults.values()}
    kind = kinds.pop() if len(kinds) == 1 else "compound"
    names = ", ".join(identifier.value for identifier in faults)
    return Refusal(kind, f"not for {names}: see the subproblems", status, subproblems=subproblems)


def _read(item: object) -> Identifier:
    if not isinstance(item, dict) or set(item) != {"type", "value"}:
        raise Refusal("malformed", "an identifier has to have exactly type and value")
    kind, value = item["type"], item["value"]
    if not isinstance(kind, str) or not isinstance(value, str):
        raise Refusal("malformed", "type and value of an identifier have to be strings")
    return Identifier(kind, value.lower() if kind == "dns" else value)


def _fault(identifier: Identifier, behaviour: Behaviour) -> tuple[str, str] | None:
    """Return the problem type and detail of a bad identifier."""
    kind, value = identifier.type, identifier.value
    if kind not in {"dns", "ip"}:
        return "unsupportedIdentifier", f"unknown identifier type {kind!r}"
    if value in behaviour.rejected_names:
        return "rejectedIdentifier", f"the CA does not issue for {value!r}"
    if kind == "ip" and not _is_canonical_address(value):
        return "malformed", f"{value!r} is not an address in the form of RFC 5952"
    if kind == "dns" and (len(value) > 253 or not _NAME.fullmatch(value)):
        return "malformed", f"{value!r} is not a host name"
    if kind == "dns" and value.rsplit(".", 1)[-1].isdigit():
        return "malformed", f"{value!r} is an address, not a host name"
    return None


def _is_canonical_address(text: str) -> bool:
    try:
        return str(ipaddress.ip_address(text)) == text
    except ValueError:
        return False


def _redundant(identifiers: Iterable[Identifier]) -> dict[Identifier, tuple[str, str]]:
    wildcards = {i.value for i in identifiers if i.value.startswith("*.")}
    covered = {i: f"*.{i.value.partition('.')[2]}" for i in identifiers if not i.value.startswith("*.")}
    return {
        identifier: ("malformed", f"{identifier.value!r} is redundant with {wildcard!r}")
        for identifier, wildcard in covered.items()
        if wildcard in wildcards
    }
