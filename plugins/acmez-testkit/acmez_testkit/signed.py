"""A signed request: checked, authenticated, and its payload read strictly (RFC 8555 §6)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from acmez_testkit.jws import AccountKey, check_algorithm, parse, read_json, read_jwk, verify
from acmez_testkit.model import Account
from acmez_testkit.registry import Registry
from acmez_testkit.wire import Refusal, Request


@dataclass(frozen=True, slots=True)
class Signed:
    """An authentic request; `account` is None where the key itself was sent (`jwk`)."""

    url: str
    key: AccountKey
    account: Account | None
    payload: bytes
    strict: bool = True

    @property
    def owner(self) -> Account:
        """The account that signed; raises Refusal if the request has a `jwk` instead of a `kid`."""
        if self.account is None:
            raise Refusal("malformed", "sign this request with kid, not with jwk")
        return self.account

    def only_reads(self) -> None:
        """Raise Refusal unless this is a POST-as-GET (RFC 8555 §6.3)."""
        if self.payload:
            raise Refusal("malformed", "payload of a POST-as-GET has to be the empty string")

    def members(self, allowed: Iterable[str], *, may_be_empty: Iterable[str] = ()) -> dict[str, object]:
        """Return the members of the payload; raise Refusal for an unknown, null or empty one if `strict`."""
        members = read_json(self.payload, "payload")
        if not self.strict:
            return {name: members[name] for name in allowed if members.get(name) is not None}
        check_members(members, allowed, "payload", may_be_empty=may_be_empty)
        return members


def check_members(
    members: dict[str, object], allowed: Iterable[str], what: str, *, may_be_empty: Iterable[str] = ()
) -> None:
    """Raise Refusal for a member that is unknown, null or empty."""
    unknown = sorted(set(members) - set(allowed))
    if unknown:
        raise Refusal("malformed", f"{what} has the unknown member {unknown[0]!r}")
    for name, value in members.items():
        if value is None or (value in ("", [], {}) and name not in may_be_empty):
            raise Refusal("malformed", f"{what} has a null or empty member {name!r}")


def authenticate(registry: Registry, request: Request, *, accepts: Iterable[str]) -> Signed:
    """Return the request if it is authentic and fresh; raise Refusal otherwise.

    Args:
        registry: accounts and nonces
        request: a POST
        accepts: which of "jwk" and "kid" may say who signed

    """
    if request.headers.get("content-type") != "application/jose+json":
        raise Refusal("malformed", "Content-Type has to be exactly application/jose+json", 415)
    jws = parse(read_json(request.body, "request body"))
    header, offered = jws.protected, registry.behaviour.signature_algorithms
    check_algorithm(header.get("alg"), offered)
    signers = sorted({"jwk", "kid"} & set(header))
    if len(signers) != 1 or signers[0] not in accepts:
        raise Refusal("malformed", f"protected header has to have exactly one of {', '.join(accepts)}")
    unknown = sorted(set(header) - {"alg", "nonce", "url", "jwk", "kid"})
    if unknown:
        raise Refusal("malformed", f"protected header has the unknown member {unknown[0]!r}")
    account = None
    if "jwk" in header:
        key = read_jwk(header["jwk"], min_rsa_bits=registry.behaviour.min_rsa_bits)
    else:
        account = _account(registry, header["kid"])
        key = account.key
    verify(jws, key, offered)
    registry.nonces.use(header.get("nonce"))
    if header.get("url") != registry.url(request.path):
        raise Refusal("malformed", f"url of the JWS is {header.get('url')!r}, not {registry.url(request.path)!r}")
    if account is not None and account.status != "valid":
        raise Refusal("unauthorized", f"account is {account.status}", 403)
    strict = registry.behaviour.refuse_unknown_members
    return Signed(registry.url(request.path), key, account, jws.payload, strict)


def _account(registry: Registry, kid: object) -> Account:
    account = registry.accounts.get(kid) if isinstance(kid, str) else None
    if account is None:
        raise Refusal("accountDoesNotExist", f"there is no account {kid!r}")
    return account
