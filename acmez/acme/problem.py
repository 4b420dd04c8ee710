"""Problem documents (RFC 8555 §6.7, RFC 7807) and the exceptions that carry them."""

from __future__ import annotations

import html
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from types import MappingProxyType

from .errors import AcmeError, MalformedAnswer
from .identifier import Identifier
from .transport import Response
from .wire import JSONObject, Members, parse_object
from .wire import printable as printable  # noqa: PLC0414 - offered here, too

PREFIX = "urn:ietf:params:acme:error:"
BLANK = "about:blank"  # the type of a problem that says nothing about itself (RFC 7807 §4.2)
_TITLE = re.compile(r"<title[^<>]*>\s*([^<\s][^<]*)</title", re.IGNORECASE)


class ErrorType(StrEnum):
    """Every registered error type; a server may send others."""

    ACCOUNT_DOES_NOT_EXIST = PREFIX + "accountDoesNotExist"
    ALREADY_REPLACED = PREFIX + "alreadyReplaced"  # RFC 9773
    ALREADY_REVOKED = PREFIX + "alreadyRevoked"
    AUTO_RENEWAL_CANCELED = PREFIX + "autoRenewalCanceled"  # RFC 8739
    AUTO_RENEWAL_CANCELLATION_INVALID = PREFIX + "autoRenewalCancellationInvalid"
    AUTO_RENEWAL_EXPIRED = PREFIX + "autoRenewalExpired"
    AUTO_RENEWAL_REVOCATION_NOT_SUPPORTED = PREFIX + "autoRenewalRevocationNotSupported"
    BAD_ATTESTATION_STATEMENT = PREFIX + "badAttestationStatement"  # draft-ietf-acme-device-attest
    BAD_CSR = PREFIX + "badCSR"
    BAD_NONCE = PREFIX + "badNonce"
    BAD_PUBLIC_KEY = PREFIX + "badPublicKey"
    BAD_REVOCATION_REASON = PREFIX + "badRevocationReason"
    BAD_SIGNATURE_ALGORITHM = PREFIX + "badSignatureAlgorithm"
    CAA = PREFIX + "caa"
    COMPOUND = PREFIX + "compound"
    CONFLICT = PREFIX + "conflict"  # Boulder, not registered
    CONNECTION = PREFIX + "connection"
    DNS = PREFIX + "dns"
    EXTERNAL_ACCOUNT_REQUIRED = PREFIX + "externalAccountRequired"
    INCORRECT_RESPONSE = PREFIX + "incorrectResponse"
    INVALID_CONTACT = PREFIX + "invalidContact"
    INVALID_PROFILE = PREFIX + "invalidProfile"  # draft-ietf-acme-profiles
    MALFORMED = PREFIX + "malformed"
    ONION_CAA_REQUIRED = PREFIX + "onionCAARequired"  # RFC 9799
    ORDER_NOT_READY = PREFIX + "orderNotReady"
    RATE_LIMITED = PREFIX + "rateLimited"
    REJECTED_IDENTIFIER = PREFIX + "rejectedIdentifier"
    SERVER_INTERNAL = PREFIX + "serverInternal"
    TLS = PREFIX + "tls"
    UNAUTHORIZED = PREFIX + "unauthorized"
    UNKNOWN_DELEGATION = PREFIX + "unknownDelegation"  # RFC 9115
    UNSUPPORTED_CONTACT = PREFIX + "unsupportedContact"
    UNSUPPORTED_IDENTIFIER = PREFIX + "unsupportedIdentifier"
    USER_ACTION_REQUIRED = PREFIX + "userActionRequired"


@dataclass(frozen=True, slots=True)
class Problem:
    """What a server says went wrong.

    Attributes:
        type: an `ErrorType`, another URI, or "about:blank".
        detail: the server's words, without control characters.
        status: the HTTP status that the document itself states.
        instance: where a human can read or do something about it.
        identifier: the identifier that a subproblem is about.
        subproblems: one problem for each identifier or part (RFC 8555 §6.7.1).
        algorithms: what a server that refused the signature accepts (RFC 8555 §6.2).
        raw: all that the server sent.
    """

    type: str
    detail: str = ""
    status: int | None = None
    instance: str | None = None
    identifier: Identifier | None = None
    subproblems: tuple[Problem, ...] = ()
    algorithms: tuple[str, ...] = ()
    raw: JSONObject = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def from_json(cls, raw: JSONObject, url: str) -> Problem:
        """Read a problem document; every member may be missing or odd, none makes it fail."""
        members = Members(raw, url, "problem")
        status = raw.get("status")
        return cls(
            type=members.text("type") or BLANK,
            detail=printable(members.text("detail") or members.text("title") or ""),
            status=status if type(status) is int and 100 <= status <= 599 else None,
            instance=members.link("instance"),
            identifier=_identifier(members),
            subproblems=tuple(cls.from_json(item, url) for item in _subproblems(raw)),
            algorithms=members.texts("algorithms"),
            raw=raw,
        )

    @property
    def code(self) -> str:
        """The type without the ACME prefix: "rateLimited"."""
        return self.type.removeprefix(PREFIX)

    def __str__(self) -> str:
        about = f"{self.identifier}: " if self.identifier else ""
        words = [printable(self.code) if self.type != BLANK else "", self.detail]
        reason = ": ".join(word for word in words if word) or "no reason given"
        return "\n".join([f"{about}{reason}", *(f"  {sub}" for sub in self.subproblems)])


def _identifier(members: Members) -> Identifier | None:
    raw = members.object("identifier")
    if raw is None or not isinstance(raw.get("type"), str) or not isinstance(raw.get("value"), str):
        return None
    return Identifier(printable(str(raw["type"])), printable(str(raw["value"])), raw=raw)


def _subproblems(raw: JSONObject) -> list[JSONObject]:
    value = raw.get("subproblems")
    # A subproblem holds no subproblems (RFC 8555 §6.7.1): dropping deeper ones ends the recursion.
    return (
        [{k: v for k, v in item.items() if k != "subproblems"} for item in value if isinstance(item, Mapping)]
        if isinstance(value, list)
        else []
    )


class ProblemError(AcmeError):
    """The server refused a request.

    Attributes:
        problem: the problem document; for an answer that is none, one of type "about:blank".
        status: the HTTP status.
        method, url: the request.
        retry_after: seconds that the server asks to wait, if it says so.
        links: relation -> URLs of the answer's Link fields.
        location: the answer's Location, if any.
        body: the start of the raw body.
    """

    def __init__(
        self,
        problem: Problem,
        *,
        status: int,
        method: str,
        url: str,
        retry_after: float | None = None,
        links: Mapping[str, tuple[str, ...]] = MappingProxyType({}),
        location: str | None = None,
        body: bytes = b"",
    ) -> None:
        super().__init__(f"{method} {url}: HTTP {status}: {problem}")
        self.problem = problem
        self.status = status
        self.method = method
        self.url = url
        self.retry_after = retry_after
        self.links = dict(links)
        self.location = location
        self.body = body[:4096]


class AccountDoesNotExist(ProblemError):
    """No account belongs to the key."""


class AlreadyReplaced(ProblemError):
    """Another order replaces that certificate already (RFC 9773 §5)."""


class AlreadyRevoked(ProblemError):
    """The certificate is revoked already."""


class BadNonce(ProblemError):
    """The server did not accept the nonce, time after time."""


class BadSignatureAlgorithm(ProblemError):
    """The server does not accept the key's algorithm; `algorithms` says which ones it does."""

    @property
    def algorithms(self) -> tuple[str, ...]:
        return self.problem.algorithms


class Conflict(ProblemError):
    """The server is at it already, or another account holds the key; see `location`."""


class ExternalAccountRequired(ProblemError):
    """The server wants an external account binding (RFC 8555 §7.3.4)."""


class InvalidProfile(ProblemError):
    """The server does not know the profile, or it does not allow this order."""


class OrderNotReady(ProblemError):
    """The order cannot be finalized yet; read it again."""


class RateLimited(ProblemError):
    """A rate limit was hit; `retry_after` and `links["help"]` say more."""


class RejectedIdentifier(ProblemError):
    """The server will not issue for an identifier; the subproblems may say which."""


class UserActionRequired(ProblemError):
    """A human must do something first, such as agree to new terms of service."""

    @property
    def terms_of_service(self) -> str | None:
        """The URL of the terms to agree to (RFC 8555 §7.3.3)."""
        return next(iter(self.links.get("terms-of-service", ())), None)

    @property
    def instance(self) -> str | None:
        """The URL where the human can act."""
        return self.problem.instance


EXCEPTIONS: Mapping[str, type[ProblemError]] = MappingProxyType(
    {
        ErrorType.ACCOUNT_DOES_NOT_EXIST: AccountDoesNotExist,
        ErrorType.ALREADY_REPLACED: AlreadyReplaced,
        ErrorType.ALREADY_REVOKED: AlreadyRevoked,
        ErrorType.BAD_NONCE: BadNonce,
        ErrorType.BAD_SIGNATURE_ALGORITHM: BadSignatureAlgorithm,
        ErrorType.CONFLICT: Conflict,
        ErrorType.EXTERNAL_ACCOUNT_REQUIRED: ExternalAccountRequired,
        ErrorType.INVALID_PROFILE: InvalidProfile,
        ErrorType.ORDER_NOT_READY: OrderNotReady,
        ErrorType.RATE_LIMITED: RateLimited,
        ErrorType.REJECTED_IDENTIFIER: RejectedIdentifier,
        ErrorType.USER_ACTION_REQUIRED: UserActionRequired,
    }
)


def problem_error(response: Response) -> ProblemError:
    """Return the exception for an answer that is not a 2xx, whatever its body is."""
    problem = _read(response)
    return EXCEPTIONS.get(problem.type, ProblemError)(
        problem,
        status=response.status,
        method=response.method,
        url=response.url,
        retry_after=response.retry_after,
        links=response.links,
        location=response.location,
        body=response.body,
    )


def _read(response: Response) -> Problem:
    try:
        problem = Problem.from_json(parse_object(response.body, response.url), response.url)
    except MalformedAnswer:
        problem = Problem(BLANK)  # a load balancer's page, under whatever content type
    if problem.type != BLANK or problem.detail:
        return problem
    if 300 <= response.status < 400 and response.location:
        return replace(problem, detail=f"it redirects to {printable(response.location)!r}, which is not followed")
    return replace(problem, detail=_told(response))


def _told(response: Response) -> str:
    """Say what an answer is that is no problem document: a load balancer's page by its title, if it has one."""
    start = response.body[:4096].decode("utf-8", "replace")
    title = _TITLE.search(start)
    told = printable((html.unescape(title[1]) if title else start[:200]).strip(), 200)
    if not told:
        return "empty answer"
    media_type = f" ({printable(response.media_type, 60)})" if response.media_type else ""
    return f"the answer is no problem document{media_type}: {told!r}"
