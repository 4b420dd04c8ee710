"""Authorizations and their challenges (RFC 8555 §7.4.1, §7.5)."""

from __future__ import annotations

import random
import secrets
from datetime import UTC, datetime, timedelta

from acmez_testkit.background import Background
from acmez_testkit.identifiers import read_identifiers
from acmez_testkit.model import Account, Authorization, Challenge, Identifier
from acmez_testkit.registry import Registry
from acmez_testkit.signed import Signed
from acmez_testkit.validation import Validator
from acmez_testkit.wire import Refusal, Response, retry_after


class Authorizations:
    """Answers newAuthz, authorization and challenge, and has challenges validated."""

    def __init__(self, registry: Registry, validator: Validator, background: Background) -> None:
        self._registry = registry
        self._behaviour = registry.behaviour
        self._validator = validator
        self._background = background
        self._random = random.Random(registry.behaviour.seed)  # noqa: S311 - an order of challenges

    def get(self, account: Account, identifier: Identifier) -> Authorization:
        """Return an authorization for one identifier of an order: a valid one, where that is allowed."""
        bare, wildcard = _bare(identifier)
        for known in self._registry.authorizations_for(account, bare, wildcard=wildcard):
            if known.status == "valid" and (known.pre_authorized or self._behaviour.reuse_authorizations):
                return known
        return self._create(account, bare, wildcard=wildcard)

    def _create(self, account: Account, identifier: Identifier, *, wildcard: bool = False) -> Authorization:
        url = self._registry.new_url("authz")
        expires = datetime.now(UTC) + timedelta(seconds=self._behaviour.authorization_lifetime_seconds)
        kinds = [kind for kind in self._behaviour.challenge_types if _suits(kind, identifier, wildcard=wildcard)]
        if not kinds:
            raise Refusal("rejectedIdentifier", f"no challenge type for {identifier.value!r} is offered")
        self._random.shuffle(kinds)
        challenges = tuple(
            Challenge(self._registry.new_url("challenge"), kind, secrets.token_urlsafe(32), url) for kind in kinds
        )
        authorization = Authorization(url, account.url, identifier, wildcard, expires, challenges)
        self._registry.add_authorization(authorization)
        return authorization

    def new(self, signed: Signed) -> Response:
        """Create a pre-authorization (RFC 8555 §7.4.1)."""
        if not self._behaviour.new_authz:
            raise Refusal("malformed", "newAuthz is not offered", 404)
        members = signed.members(("identifier",))
        (identifier,) = read_identifiers([members.get("identifier")], self._behaviour)
        if identifier.value.startswith("*."):
            raise Refusal("malformed", "a wildcard cannot be pre-authorized")
        with self._registry.lock:
            authorization = self._create(signed.owner, identifier)
            authorization.pre_authorized = True
            return Response.of_json(authorization.document(), 201, [("Location", authorization.url)])

    def one(self, signed: Signed, url: str) -> Response:
        """Return or deactivate the authorization (RFC 8555 §7.5, §7.5.2)."""
        with self._registry.lock:
            authorization = self._registry.authorization(url, signed.owner)
            if signed.payload:
                if signed.members(("status",)) != {"status": "deactivated"}:
                    raise Refusal("malformed", "status of an authorization can only become 'deactivated'")
                if authorization.status not in {"pending", "valid"}:
                    raise Refusal("malformed", f"authorization is {authorization.status}")
                authorization.status = "deactivated"
            return Response.of_json(authorization.document(), headers=self._retry_after(authorization))

    def challenge(self, signed: Signed, url: str) -> Response:
        """Return the challenge, or begin to validate it (RFC 8555 §7.5.1)."""
        with self._registry.lock:
            challenge = self._registry.challenges.get(url)
            if challenge is None:
                raise Refusal("malformed", f"nothing at {url!r}", 404)
            authorization = self._registry.authorization(challenge.authorization, signed.owner)
            if signed.payload:
                self._respond(signed, authorization, challenge)
            headers = [("Link", f'<{authorization.url}>;rel="up"'), *self._retry_after(authorization)]
            return Response.of_json(challenge.document(), headers=headers)

    def _respond(self, signed: Signed, authorization: Authorization, challenge: Challenge) -> None:
        signed.members(())
        if challenge.status != "pending":
            return
        if authorization.status != "pending":
            raise Refusal("malformed", f"authorization is {authorization.status}")
        if any(other.status == "processing" for other in authorization.challenges):
            raise Refusal("malformed", "another challenge of the authorization is being validated")
        challenge.status, challenge.error = "processing", None
        account = signed.owner
        thumbprint = account.key.thumbprint
        self._background.run(
            lambda: self._validate(authorization, challenge, thumbprint, account.url),
            after=self._behaviour.validation_delay,
        )

    def _validate(self, authorization: Authorization, challenge: Challenge, thumbprint: str, account: str) -> None:
        try:
            self._validator.check(authorization, challenge, thumbprint, account)
        except Refusal as refusal:
            with self._registry.lock:
                self._fail(authorization, challenge, refusal.document())
            return
        with self._registry.lock:
            challenge.status, challenge.validated = "valid", datetime.now(UTC)
            if authorization.status == "pending":
                authorization.status = "valid"

    def _fail(self, authorization: Authorization, challenge: Challenge, problem: dict[str, object]) -> None:
        challenge.error = problem
        if self._behaviour.leave_failed_pending:
            challenge.status = "pending"
            return
        challenge.status = "invalid"
        if authorization.status == "pending":
            authorization.status = "invalid"

    def _retry_after(self, authorization: Authorization) -> list[tuple[str, str]]:
        value = self._behaviour.retry_after[0] if authorization.status == "pending" else None
        return retry_after(value, as_date=self._behaviour.retry_after_as_date)


def _bare(identifier: Identifier) -> tuple[Identifier, bool]:
    bare = identifier.value.removeprefix("*.")
    return Identifier(identifier.type, bare), bare != identifier.value


def _suits(kind: str, identifier: Identifier, *, wildcard: bool) -> bool:
    """Whether a challenge type is for this identifier (RFC 8555 §8.3, RFC 8737 §3, RFC 8738 §7)."""
    by_dns = kind in {"dns-01", "dns-account-01"}
    return not by_dns if identifier.type == "ip" else by_dns or not wildcard
