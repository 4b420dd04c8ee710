"""When to renew, in the CA's view (RFC 9773)."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.x509.oid import ExtensionOID

from .errors import AcmeError, InputError, MalformedAnswer
from .problem import ErrorType, ProblemError
from .transport import Response
from .wire import JSONObject, Members, b64encode, is_base64url, parse_object, parse_timestamp

_MIN_RETRY = 60.0
_MAX_RETRY = 86400.0
_DEFAULT_RETRY = 6 * 3600.0  # RFC 9773 §4.3.3: after a long-term failure

_REFUSALS = frozenset(
    {
        ErrorType.ALREADY_REPLACED,
        ErrorType.CONFLICT,  # Boulder, earlier
        ErrorType.MALFORMED,  # Boulder, with 404 for an unknown certificate, and Actalis
        ErrorType.UNAUTHORIZED,  # Boulder: the certificate is another account's
        ErrorType.SERVER_INTERNAL,  # Pebble: the certificate is unknown
    }
)


@dataclass(frozen=True, slots=True)
class RenewalInfo:
    """The window in which a CA wants a certificate to be renewed.

    Attributes:
        start, end: the window.
        explanation_url: a page for humans, if the CA has something to explain.
        retry_after: seconds until the next look, between one minute and one day (RFC 9773 §4.3.2).
        raw: all that the server sent.
    """

    start: datetime
    end: datetime
    explanation_url: str | None = None
    retry_after: float = _DEFAULT_RETRY
    raw: JSONObject = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def from_response(cls, response: Response) -> RenewalInfo:
        """Read renewal information.

        Raises:
            MalformedAnswer: there is no window, or it ends before it starts (RFC 9773 §4.2).
        """
        raw = parse_object(response.body, response.url)
        window = Members(raw, response.url, "renewalInfo").object("suggestedWindow") or {}
        start, end = (parse_timestamp(str(window.get(name, ""))) for name in ("start", "end"))
        if start is None or end is None:
            raise MalformedAnswer("renewalInfo.suggestedWindow: start or end is missing", url=response.url)
        if end <= start:
            raise MalformedAnswer("renewalInfo.suggestedWindow: it ends before it starts", url=response.url)
        asked = response.retry_after
        return cls(
            start=start,
            end=end,
            explanation_url=Members(raw, response.url, "renewalInfo").link("explanationURL"),
            retry_after=_DEFAULT_RETRY if asked is None else min(max(asked, _MIN_RETRY), _MAX_RETRY),
            raw=raw,
        )

    def pick(self, rng: random.Random | None = None) -> datetime:
        """Return a random moment of the window, uniformly (RFC 9773 §4.2)."""
        return self.start + (self.end - self.start) * (rng or random.SystemRandom()).random()


def due(moment: datetime, *, now: datetime, next_wake: timedelta) -> bool:
    """Whether to renew now, given the moment picked from the window (RFC 9773 §4.2).

    Args:
        moment: from `RenewalInfo.pick`; keep it until the window changes.
        next_wake: how long until the caller looks again; what falls before that is done now.
    """
    return moment <= now + next_wake


def certificate_id(certificate: x509.Certificate) -> str:
    """Return the name of a certificate in renewal information and `replaces` (RFC 9773 §4.1).

    Raises:
        InputError: the certificate has no authority key identifier.
    """
    try:
        extension = certificate.extensions.get_extension_for_oid(ExtensionOID.AUTHORITY_KEY_IDENTIFIER)
    except (x509.ExtensionNotFound, x509.DuplicateExtension, x509.UnsupportedGeneralNameType, ValueError):
        raise InputError("certificate: it has no readable authority key identifier, which RFC 9773 needs") from None
    value = extension.value
    identifier = value.key_identifier if isinstance(value, x509.AuthorityKeyIdentifier) else None
    if not identifier:
        raise InputError("certificate: its authority key identifier is empty, which RFC 9773 cannot use")
    serial = certificate.serial_number
    # The DER content octets: a leading zero keeps the number positive.
    octets = serial.to_bytes(serial.bit_length() // 8 + 1, "big", signed=True)
    return f"{b64encode(identifier)}.{b64encode(octets)}"


def certificate_name(certificate: x509.Certificate | str) -> str:
    """Return the `certificate_id` of a certificate, or the text if it can be one.

    Raises:
        InputError: it has none, or cannot be one.
    """
    name = certificate if isinstance(certificate, str) else certificate_id(certificate)
    if not all(is_base64url(part) for part in name.split(".", 1)) or "." not in name:
        raise InputError(f"{name[:200]!r}: not the id of a certificate (RFC 9773 §4.1)")
    return name


def refuses_replaces(error: AcmeError) -> bool:
    """Whether a refused newOrder is worth sending again without `replaces` (RFC 9773 §5).

    CAs disagree on how to say so, and in which language. An order that was refused for another reason is
    refused again.
    """
    return isinstance(error, ProblemError) and (error.problem.type in _REFUSALS or error.status in (404, 409))
