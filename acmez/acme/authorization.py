"""Authorizations (RFC 8555 §7.1.4, §7.5)."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from .account import Account
from .challenge import Challenge
from .directory import Meta
from .errors import MalformedAnswer
from .identifier import Identifier
from .problem import Problem
from .transport import Response
from .wire import JSONObject, Members, parse_object


class AuthorizationStatus(StrEnum):
    """The states of an authorization (RFC 8555 §7.1.6); a server may send others."""

    PENDING = "pending"
    VALID = "valid"
    INVALID = "invalid"
    DEACTIVATED = "deactivated"
    EXPIRED = "expired"
    REVOKED = "revoked"


FINAL = frozenset(set(AuthorizationStatus) - {AuthorizationStatus.PENDING})

_MAX_CHALLENGES = 100  # all of them may be tried, one after the other


@dataclass(frozen=True, slots=True)
class Authorization:
    """Whether the account may have certificates for an identifier, and how it can prove that.

    Attributes:
        url: the authorization's URL.
        identifier: without a wildcard's "*." prefix; it may be an ancestor of what was ordered (RFC 9444).
        status: an `AuthorizationStatus`, or whatever the server sent.
        challenges: the ways to prove it.
        wildcard: whether it is for "*." in front of the identifier.
        expires: when the server forgets it.
        subdomain_auth_allowed: whether it covers subdomains (RFC 9444 §4.2).
        retry_after: seconds that the server asked to wait before looking again.
        raw: all that the server sent.
    """

    url: str
    identifier: Identifier
    status: str
    challenges: tuple[Challenge, ...] = ()
    wildcard: bool = False
    expires: datetime | None = None
    subdomain_auth_allowed: bool = False
    retry_after: float | None = field(default=None, compare=False)
    raw: JSONObject = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def from_response(
        cls, response: Response, account: Account, url: str | None = None, *, meta: Meta | None = None
    ) -> Authorization:
        """Read an authorization.

        Args:
            url: its URL where it is known already.
            meta: the directory's, for the challenges.

        Raises:
            MalformedAnswer: the answer is no authorization, or newAuthz does not say where it is.
        """
        where = url or response.location
        if where is None:
            raise MalformedAnswer("the answer to newAuthz has no Location", url=response.url)
        raw = parse_object(response.body, response.url)
        members = Members(raw, response.url, "authorization")
        given = members.object("identifier")
        if given is None:
            raise members.malformed("identifier", "an object")
        offered = members.objects("challenges")
        if len(offered) > _MAX_CHALLENGES:
            raise MalformedAnswer(
                f"the authorization has {len(offered)} challenges (limit: {_MAX_CHALLENGES})", url=response.url
            )
        identifier = Identifier.from_json(given, response.url)
        # Some CAs leave the prefix in place that RFC 8555 §7.1.4 takes off.
        starred = identifier.value.startswith("*.")
        if starred:
            identifier = Identifier(identifier.type, identifier.value[2:], raw=identifier.raw)
        wildcard = members.flag("wildcard") or starred
        return cls(
            url=where,
            identifier=identifier,
            status=members.word("status") or AuthorizationStatus.PENDING,
            challenges=tuple(
                Challenge.from_json(
                    item,
                    response.url,
                    identifier=identifier,
                    wildcard=wildcard,
                    thumbprint=account.key.thumbprint,
                    account_url=account.url,
                    meta=meta,
                )
                for item in offered
                if item.get("type")  # one that does not say what it is cannot be answered
            ),
            wildcard=wildcard,
            expires=members.time("expires"),
            subdomain_auth_allowed=members.flag("subdomainAuthAllowed"),
            retry_after=response.retry_after,
            raw=raw,
        )

    @property
    def name(self) -> str:
        """The identifier as users write it, "*." included."""
        return f"*.{self.identifier}" if self.wildcard else str(self.identifier)

    @property
    def problem(self) -> Problem | None:
        """What the server did not like about a challenge; there may be one while all is still pending."""
        return next((challenge.error for challenge in self.challenges if challenge.error is not None), None)
