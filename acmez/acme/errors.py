"""Everything acmez raises on purpose, plumbing part.

    AcmeError
    ├── InputError                   what the caller gave cannot be sent
    ├── UnsupportedError             the server's directory does not offer the operation
    ├── ProblemError                 the server refused, with a problem document (RFC 8555 §6.7)
    │   ├── AccountDoesNotExist
    │   ├── AlreadyReplaced
    │   ├── AlreadyRevoked
    │   ├── BadNonce
    │   ├── BadSignatureAlgorithm
    │   ├── Conflict
    │   ├── ExternalAccountRequired
    │   ├── InvalidProfile
    │   ├── OrderNotReady
    │   ├── RateLimited
    │   ├── RejectedIdentifier
    │   └── UserActionRequired
    ├── TransportError               no usable answer came
    │   ├── ConnectError             the server cannot have acted: it is safe to repeat the request
    │   └── LostAnswer               the request was sent: the server may have acted on it
    ├── MalformedAnswer              an answer came that RFC 8555 does not allow
    ├── KeyChangeError               a key rollover failed; knows which key the account answers to
    ├── PollTimeout                  a resource did not get where it was waited for
    ├── StateError                   a resource got where it cannot come back from
    └── Cancelled                    the caller's scope was cancelled
        └── DeadlineExceeded         the caller's scope ran out of time

`ProblemError` and what is below it live in `acmez.acme.problem`, `KeyChangeError` in
`acmez.acme.account`; the porcelain adds its own below `AcmezError` in `acmez.errors`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from enum import StrEnum
from typing import Any

# What plays tricks on terminals and logs: control characters, bidi marks, lone surrogates.
UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


class AcmeError(Exception):
    """Base of everything acmez raises on purpose."""

    @property
    def page(self) -> str:
        """The name of the page that explains it, which `acmez explain` shows; without one, that of a base."""
        from importlib import resources

        pages = resources.files(__name__.partition(".")[0]) / "explanations"
        return next(kind.__name__ for kind in type(self).__mro__ if (pages / f"{kind.__name__}.md").is_file())

    def __str__(self) -> str:
        """The message, without what plays tricks on terminals: names and URLs in it may be a server's."""
        lines = super().__str__().split("\n")
        return "\n".join(UNPRINTABLE.sub("\N{REPLACEMENT CHARACTER}", line) for line in lines)

    def __reduce__(self) -> tuple[Callable[..., AcmeError], tuple[type[AcmeError], tuple[Any, ...], dict[str, Any]]]:
        """Pickle without calling the constructor again: its arguments are not those of `Exception`."""
        return _restore, (type(self), self.args, self.__dict__)


class InputError(AcmeError, ValueError):
    """What the caller gave cannot be sent; nothing was sent."""


class UnsupportedError(AcmeError):
    """The server's directory does not offer the operation."""


class Stage(StrEnum):
    """How far a request got."""

    CONNECT = "connect"  # nothing was sent
    SEND = "send"  # a part of it was, which no server can act on
    ANSWER = "answer"  # all of it was, and no whole answer came


class TransportError(AcmeError):
    """No usable answer came.

    Attributes:
        method, url: the request.
        stage: how far it got.
        timed_out: whether its time was over, rather than that something broke.
    """

    def __init__(
        self, message: str, *, method: str, url: str, stage: Stage = Stage.ANSWER, timed_out: bool = False
    ) -> None:
        super().__init__(f"{method} {url}: {message}")
        self.method = method
        self.url = url
        self.stage = stage
        self.timed_out = timed_out


class ConnectError(TransportError):
    """The server cannot have acted, so it is safe to repeat the request: it was not sent whole, or it was no POST."""

    def __init__(
        self, message: str, *, method: str, url: str, stage: Stage = Stage.CONNECT, timed_out: bool = False
    ) -> None:
        super().__init__(message, method=method, url=url, stage=stage, timed_out=timed_out)


class LostAnswer(TransportError):
    """The request was sent and its answer did not arrive whole: the server may have acted on it.

    Attributes:
        location: the Location of the answer, if at least its head arrived.
    """

    def __init__(
        self, message: str, *, method: str, url: str, location: str | None = None, timed_out: bool = False
    ) -> None:
        super().__init__(message, method=method, url=url, timed_out=timed_out)
        self.location = location


class MalformedAnswer(AcmeError):
    """An answer came that RFC 8555 does not allow.

    Attributes:
        url: where the answer came from.
        acted: whether the server may have acted on what it was asked for.
    """

    def __init__(self, message: str, *, url: str, acted: bool = True) -> None:
        super().__init__(f"{url}: {message}")
        self.url = url
        self.acted = acted


class PollTimeout(AcmeError):
    """A resource did not reach the state that was waited for.

    Attributes:
        url: the resource.
        status: its last status.
        retry_after: seconds that the server asks to wait, if it says so.
    """

    def __init__(self, message: str, *, url: str, status: str, retry_after: float | None = None) -> None:
        super().__init__(f"{url}: {message}")
        self.url = url
        self.status = status
        self.retry_after = retry_after


class StateError(AcmeError):
    """A resource got into a state from which it will not reach the one that was waited for.

    Attributes:
        url: the resource.
        status: its status.
    """

    def __init__(self, message: str, *, url: str, status: str) -> None:
        super().__init__(f"{url}: {message}")
        self.url = url
        self.status = status


class Cancelled(AcmeError):
    """The caller's scope was cancelled."""


class DeadlineExceeded(Cancelled):
    """The caller's scope ran out of time."""


def _restore(kind: type[AcmeError], arguments: tuple[Any, ...], state: dict[str, Any]) -> AcmeError:
    error = kind.__new__(kind, *arguments)
    error.args = arguments
    error.__dict__.update(state)
    return error
