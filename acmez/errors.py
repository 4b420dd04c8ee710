"""Everything acmez raises on purpose, porcelain part.

AcmeError                        see acmez.acme.errors for the plumbing's part of the tree
└── AcmezError
    ├── ConfigError              the configuration is wrong; `problems` holds one line each
    ├── KeyFileError             a key file is missing, unreadable, or not safe
    ├── KeyProviderError         what provides a key failed
    ├── JournalError             the journal cannot be read or written
    ├── IssuanceError            no certificate; knows the order
    │   ├── ChallengesFailed     which identifiers failed, at which step, and why
    │   ├── OrderFailed          the CA gave the order up
    │   └── TryAgainLater        the CA asks for more patience than the caller's cap
    ├── CertificateError         the CA issued something else than was asked for
    └── PluginError
        ├── PluginNotFoundError  nothing installed answers to that name
        ├── PluginLoadError      it is there and does not import or register
        └── PluginConflictError  two of them claim it
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from .acme.errors import AcmeError


class AcmezError(AcmeError):
    """Base of what the porcelain adds.

    Attributes:
        untouched: whether it left everything as it was; a solver's `present` that raises it is not cleaned up after.
    """

    untouched: bool = False


class ConfigError(AcmezError):
    """The configuration is wrong.

    Attributes:
        problems: one line each, starting with the TOML path.
    """

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = tuple(problems)


class KeyFileError(AcmezError):
    """A key file is missing, unreadable, or not safe; the message starts with its path."""


class KeyProviderError(AcmezError):
    """What provides a key failed; the message starts with its name, and the cause is what it raised."""


class JournalError(AcmezError):
    """The journal cannot be read or written; the message starts with its path."""


@dataclass(frozen=True, slots=True)
class FailedIdentifier:
    """One identifier that kept an order from being issued.

    Attributes:
        identifier: as the user wrote it, "*." included.
        challenge_type: the challenge that was tried, `None` if none could be.
        solver: the solver's name, `None` if none was found.
        step: "choose", "present", "wait", "respond" or "validate".
        reason: what happened, in words.
    """

    identifier: str
    challenge_type: str | None
    solver: str | None
    step: str
    reason: str

    def __str__(self) -> str:
        by = f" by {self.challenge_type}" if self.challenge_type else ""
        with_solver = f" with {self.solver!r}" if self.solver else ""
        return f"{self.identifier}: {self.step}{by}{with_solver}: {self.reason}"


class IssuanceError(AcmezError):
    """No certificate.

    Attributes:
        order_url: the order, `None` if there is none yet.
    """

    def __init__(self, message: str, *, order_url: str | None) -> None:
        super().__init__(message)
        self.order_url = order_url


class ChallengesFailed(IssuanceError):
    """Some identifiers could not be proved.

    Attributes:
        failed: which ones, at which step, and why.
    """

    def __init__(self, failed: Sequence[FailedIdentifier], *, order_url: str | None) -> None:
        super().__init__("\n".join(str(item) for item in failed), order_url=order_url)
        self.failed = tuple(failed)


class OrderFailed(IssuanceError):
    """The CA gave the order up; the message holds its words."""


class TryAgainLater(IssuanceError):
    """The CA asks for more patience than the caller's cap, or a limit on orders for more than the deadline leaves.

    Attributes:
        not_before: when to come back.
    """

    def __init__(self, message: str, *, not_before: datetime, order_url: str | None) -> None:
        super().__init__(message, order_url=order_url)
        self.not_before = not_before

    @property
    def resume(self) -> str | None:
        """The order to go on with; with a journal, obtaining for the same names again does so."""
        return self.order_url


class CertificateError(AcmezError):
    """The CA issued something else than was asked for."""


class PluginError(AcmezError):
    """Base of trouble with plugins."""


class PluginNotFoundError(PluginError):
    """Nothing installed answers to that name."""


class PluginLoadError(PluginError):
    """The plugin is there and does not import or register."""


class PluginConflictError(PluginError):
    """Two plugins claim one name."""
