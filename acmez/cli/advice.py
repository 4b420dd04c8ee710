"""What to do about an error."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from acmez.acme.errors import ConnectError, MalformedAnswer
from acmez.acme.problem import AccountDoesNotExist, ExternalAccountRequired, ProblemError, UserActionRequired
from acmez.errors import ChallengesFailed, FailedIdentifier, TryAgainLater

_WHERE_THE_CA_LOOKS = {
    "http-01": "the CA fetches http://NAME/.well-known/acme-challenge/ from port 80: NAME has to lead here",
    "tls-alpn-01": "the CA connects to port 443 of NAME: it has to lead here, with no proxy that ends TLS",
    "dns-01": "the CA asks the DNS for TXT records of _acme-challenge.NAME; see: acmez check FILE --online",
}


def not_before(error: Exception) -> datetime | None:
    """Return when to come back, `None` if the CA did not say."""
    if isinstance(error, TryAgainLater):
        return error.not_before
    if isinstance(error, ProblemError) and error.retry_after is not None and error.status in {429, 503}:
        return datetime.now(UTC) + timedelta(seconds=error.retry_after)
    return None


def hints(error: Exception) -> list[str]:
    """Return what to do about an error, a line for each thing."""
    return [*getattr(error, "__notes__", []), *_advice(error)]


def _advice(error: Exception) -> Iterator[str]:
    later = not_before(error)
    if later is not None:
        yield f"try again after {later.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
    match error:
        case ConnectError() if "CERTIFICATE_VERIFY_FAILED" in str(error):
            yield 'nobody known here vouches for the CA\'s own server: name its root, trust = "root.pem"'
        case ConnectError():
            yield "is the CA up, its URL in `directory` right, and this machine's way to it open?"
        case ChallengesFailed(failed=failed):
            yield from _of_challenges(failed)
        case ExternalAccountRequired():
            yield 'put what the CA gave you into [account] as eab = { kid = "...", hmac_key = "..." }'
        case UserActionRequired(terms_of_service=terms):
            yield f"the terms are at {terms}" if terms else "the terms are named in the CA's directory"
            yield "to agree: acmez account --agree; for a new account terms_of_service_agreed = true in [account]"
        case AccountDoesNotExist():
            yield "create it with: acmez register"
        case ProblemError(method="GET", status=404) | MalformedAnswer():
            yield "is the URL in `directory` that of an ACME directory?"
        case ProblemError(status=status) if status >= 500 and later is None:
            yield "that is trouble of the CA's own: try again later"
        case _:
            pass


def _of_challenges(failed: tuple[FailedIdentifier, ...]) -> Iterator[str]:
    """Say where the CA looks, once for each type, and what to do where nothing could be tried."""
    for kind in dict.fromkeys(each.challenge_type for each in failed if each.step == "validate"):
        if kind in _WHERE_THE_CA_LOOKS:
            yield _WHERE_THE_CA_LOOKS[kind]
    choices = [each.identifier for each in failed if each.step == "choose"]
    if any(name.startswith("*.") for name in choices):
        yield 'only the DNS proves a wildcard: add a solver for dns-01, such as [solver.dns] use = "dns-..."'
    elif choices:
        yield "add a solver for one of these challenges, or let one there be for this name, too (its `domains`)"
