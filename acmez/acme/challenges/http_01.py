"""http-01: a file under /.well-known/acme-challenge/ on port 80 (RFC 8555 §8.3, RFC 8738 §4)."""

from __future__ import annotations

from dataclasses import dataclass, field

from acmez.acme.challenge import Challenge, ChallengeType
from acmez.acme.identifier import IdentifierType

from .reading import domain_name, ip_address, key_authorization, require_type

#: Where the CA looks, before the token.
PATH_PREFIX = "/.well-known/acme-challenge/"


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """What the web server of a name or address must answer.

    Attributes:
        path: of the request; it ends in the token.
        body: the key authorization, to be sent as `application/octet-stream` or plain text.
        url: what the CA fetches first; it may be redirected.
        host: of the URL, an IPv6 address in brackets.
    """

    path: str = field(repr=False)
    body: str = field(repr=False)
    url: str = field(repr=False)
    host: str


def answer(challenge: Challenge) -> HttpAnswer:
    """Return what must be served for *challenge*.

    Raises:
        InputError: it is of another type, or carries no thumbprint.
        MalformedAnswer: its token, name or address cannot be used.
    """
    require_type(challenge, ChallengeType.HTTP_01)
    host = _host(challenge)
    body = key_authorization(challenge)
    path = f"{PATH_PREFIX}{challenge.token}"
    return HttpAnswer(path=path, body=body, url=f"http://{host}{path}", host=host)


def _host(challenge: Challenge) -> str:
    if challenge.identifier.type != IdentifierType.IP:
        return domain_name(challenge)
    address = ip_address(challenge)
    return f"[{address}]" if address.version == 6 else str(address)
