"""What a component must look like. No base classes: match the shape and it fits.

A component is usually a dataclass: its fields are its options, `name` is its word in the TOML.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from threading import Event as ThreadEvent
from typing import ClassVar, Protocol, TypeAlias, runtime_checkable

from .acme.challenge import Challenge
from .acme.jws import PrivateKey
from .acme.retry import Failure, RetryPolicy
from .acme.scope import CancelScope
from .acme.wire import JSON, JSONObject

#: What `present` created, as plain JSON data ({"record": "42"}), given back to `clean_up`.
Handle: TypeAlias = Mapping[str, JSON]


class Component(Protocol):
    """Anything a plugin offers by name."""

    name: ClassVar[str]


class Solver(Component, Protocol):
    """Answers challenges of one type.

    A solver is called from several threads at once.
    """

    challenge_type: ClassVar[str]

    def present(self, challenge: Challenge, scope: CancelScope) -> Handle | None:
        """Make the answer visible, so that the CA can look.

        MUST return quickly; a slow part goes into a `Waiter`. What is there already and is right counts
        as success. MAY return a handle, which `clean_up` gets back, even in another process after a crash.
        Whatever it raises, `clean_up` follows, unless it is an `AcmezError` that says `untouched`.
        """
        ...

    def clean_up(self, challenge: Challenge, handle: Handle | None, scope: CancelScope) -> None:
        """Remove what `present` made, and nothing else.

        MUST be idempotent, MUST NOT need that `present` finished. It runs under a deadline of its own,
        also when the caller was cancelled. Not called for what stays: the record of dns-persist-01.
        """
        ...


class Waiter(Component, Protocol):
    """Waits until a presented answer can be seen from outside."""

    def wait(self, challenge: Challenge, scope: CancelScope) -> None:
        """Return when the CA may look; raise if that cannot be expected any more.

        MUST end when *scope* does; use `scope.sleep`.
        """
        ...


class KeyProvider(Component, Protocol):
    """Hands out private keys, which may live in a file, an HSM or a KMS."""

    def get(self, purpose: str) -> PrivateKey:
        """Return the key for *purpose*: "account" or "certificate"."""
        ...


@runtime_checkable
class Replaceable(Protocol):
    """A key provider that keeps the account's next key beside the present one until the CA has taken it.

    What it keeps survives a crash from the moment `keep_next` returns.

    Args:
        ca: the CA's directory URL; the account at another CA has a next key of its own.
    """

    def next(self, ca: str) -> PrivateKey | None:
        """Return the next key, `None` if none is kept."""
        ...

    def keep_next(self, ca: str, key: PrivateKey) -> None:
        """Keep the next key."""
        ...

    def take_next(self, ca: str) -> None:
        """Put the next key in the place of the present one, at once or not at all."""
        ...

    def drop_next(self, ca: str) -> None:
        """Keep the present key only."""
        ...


@runtime_checkable
class SelfWaiting(Protocol):
    """A solver that is its own waiter."""

    def wait(self, challenge: Challenge, scope: CancelScope) -> None: ...


@runtime_checkable
class WithPayload(Protocol):
    """A solver that says what is POSTed to the challenge; the others send `{}`."""

    def payload(self, challenge: Challenge) -> JSONObject: ...


@runtime_checkable
class Versatile(Protocol):
    """A solver that answers more challenge types than its `challenge_type`, as every DNS solver can.

    Attributes:
        other_types: further challenge types; they are tried after `challenge_type`, in this order.
    """

    other_types: ClassVar[tuple[str, ...]]


@runtime_checkable
class Batching(Protocol):
    """A solver that presents and cleans up many challenges in one call, such as a zone's records.

    Both get and return one entry per challenge, in the same order.
    """

    def present_many(self, challenges: Sequence[Challenge], scope: CancelScope) -> Sequence[Handle | None]: ...

    def clean_up_many(
        self, challenges: Sequence[Challenge], handles: Sequence[Handle | None], scope: CancelScope
    ) -> None: ...


@runtime_checkable
class Locking(Protocol):
    """A solver that must not work on two challenges with the same key at once."""

    def lock_key(self, challenge: Challenge) -> str: ...


@runtime_checkable
class Signalling(Protocol):
    """A solver that notices the CA's validation request, so that polling need not guess."""

    def validated(self, challenge: Challenge) -> ThreadEvent: ...


@runtime_checkable
class Listing(Protocol):
    """A solver that knows the DNS providers it reaches, for `acmez providers`.

    Called on the class, for no instance is needed to know; the first line of its docstring is shown where it
    yields nothing.
    """

    @classmethod
    def providers(cls) -> Iterable[str]: ...


__all__ = [
    "Batching",
    "CancelScope",
    "Challenge",
    "Component",
    "Failure",
    "Handle",
    "KeyProvider",
    "Listing",
    "Locking",
    "Replaceable",
    "RetryPolicy",
    "SelfWaiting",
    "Signalling",
    "Solver",
    "Versatile",
    "Waiter",
    "WithPayload",
]
