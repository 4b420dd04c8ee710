"""Challenges and key authorizations (RFC 8555 §7.5.1, §8)."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum

from .directory import Meta
from .errors import MalformedAnswer
from .identifier import Identifier
from .problem import Problem
from .transport import Response
from .wire import JSONObject, Members, is_base64url, parse_object


class ChallengeType(StrEnum):
    """The challenge types that clients meet; a server may send others."""

    HTTP_01 = "http-01"
    DNS_01 = "dns-01"
    TLS_ALPN_01 = "tls-alpn-01"  # RFC 8737
    DNS_ACCOUNT_01 = "dns-account-01"  # draft-ietf-acme-dns-account-label
    DNS_PERSIST_01 = "dns-persist-01"  # draft-ietf-acme-dns-persist
    EMAIL_REPLY_00 = "email-reply-00"  # RFC 8823
    TKAUTH_01 = "tkauth-01"  # RFC 9447
    ONION_CSR_01 = "onion-csr-01"  # RFC 9799
    DEVICE_ATTEST_01 = "device-attest-01"  # draft-ietf-acme-device-attest
    BP_NODEID_00 = "bp-nodeid-00"  # RFC 9891


class ChallengeStatus(StrEnum):
    """The states of a challenge (RFC 8555 §7.1.6); a server may send others."""

    PENDING = "pending"
    PROCESSING = "processing"
    VALID = "valid"
    INVALID = "invalid"


@dataclass(frozen=True, slots=True)
class Challenge:
    """One way to prove control of an identifier.

    Attributes:
        type: a `ChallengeType`, or whatever the server sent.
        url: where the challenge is answered.
        status: a `ChallengeStatus`, or whatever the server sent.
        identifier: what is to be proved, without a wildcard's "*." prefix.
        wildcard: whether the proof is for "*." in front of the identifier.
        token: base64url text, checked; `None`: this type has none, or it was malformed.
        validated: when the server succeeded.
        error: what the server did not like, possibly while still pending.
        thumbprint: of the account key (RFC 7638).
        account_url: the account that answers.
        meta: what the directory said of the server, which a dns-persist-01 answer is made of; `None`: not known.
        raw: all that the server sent.
    """

    type: str
    url: str
    status: str
    identifier: Identifier
    wildcard: bool = False
    token: str | None = field(default=None, repr=False)
    validated: datetime | None = None
    error: Problem | None = None
    thumbprint: str = field(default="", repr=False)
    account_url: str = field(default="", repr=False)
    meta: Meta | None = field(default=None, repr=False, compare=False)
    raw: JSONObject = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def from_json(
        cls,
        raw: JSONObject,
        url: str,
        *,
        identifier: Identifier,
        wildcard: bool,
        thumbprint: str,
        account_url: str,
        meta: Meta | None = None,
    ) -> Challenge:
        """Read a challenge; *url* is where the answer came from."""
        members = Members(raw, url, "challenge")
        error = members.object("error")
        token = members.text("token")
        return cls(
            type=members.required_word("type"),
            url=members.link("url") or "",
            status=members.word("status") or ChallengeStatus.PENDING,
            identifier=identifier,
            wildcard=wildcard,
            token=token if token is not None and is_base64url(token) and len(token) <= 512 else None,
            validated=members.time("validated"),
            error=None if error is None else Problem.from_json(error, url),
            thumbprint=thumbprint,
            account_url=account_url,
            meta=meta,
            raw=raw,
        )

    @property
    def persistent(self) -> bool:
        """Whether its answer stays when the order is done, and proves the name to later orders as well."""
        return self.type == ChallengeType.DNS_PERSIST_01

    @property
    def key_authorization(self) -> str:
        """The token joined with the account key's thumbprint (RFC 8555 §8.1); treat it as a secret.

        Raises:
            MalformedAnswer: the server sent no token, or one outside the base64url alphabet.
        """
        if self.token is None:
            wrong = "the token is not base64url" if "token" in self.raw else "there is no token"
            raise MalformedAnswer(f"{self.identifier}: {self.type}: {wrong}", url=self.url)
        return f"{self.token}.{self.thumbprint}"

    def updated(self, response: Response) -> Challenge:
        """Return this challenge as the answer tells it anew; an empty answer changes nothing.

        Raises:
            MalformedAnswer: the answer is not JSON: a captive portal's page, say, and the server saw nothing.
        """
        if not response.body.strip():
            return self
        raw = parse_object(response.body, response.url)
        members = Members(raw, response.url, "challenge")
        error = members.object("error")
        return replace(
            self,
            status=members.word("status") or self.status,
            validated=members.time("validated"),
            error=None if error is None else Problem.from_json(error, response.url),
            raw=raw,
        )

    @property
    def name(self) -> str:
        """The identifier as users write it, "*." included."""
        return f"*.{self.identifier}" if self.wildcard else str(self.identifier)

    def __str__(self) -> str:
        return f"{self.name} by {self.type}"
