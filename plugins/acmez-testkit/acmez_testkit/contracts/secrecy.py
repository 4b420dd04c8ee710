"""Where secrets are, and whether they got out."""

from __future__ import annotations

import dataclasses
import logging
import traceback
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager

from acmez.acme.challenge import Challenge
from acmez.acme.errors import AcmeError
from acmez.options import Secret

from .expecting import require

_SHORTEST = 8  # what is shorter could be part of any text by chance


def secrets_of(component: object) -> frozenset[str]:
    """Return every `Secret` in the fields of a component.

    Raises:
        AssertionError: one is too short to be recognised.
    """
    found = frozenset(str(secret) for secret in _secrets(component))
    require(
        all(len(secret) >= _SHORTEST for secret in found),
        f"make() must give secrets of at least {_SHORTEST} characters, which no text contains by chance",
    )
    return found


def secrets_in(component: object, *challenges: Challenge) -> frozenset[str]:
    """Return what must not be shown: the component's secrets, and the key authorizations of *challenges*."""
    return secrets_of(component) | {each.key_authorization for each in challenges if each.token is not None}


def require_hidden(text: str, secrets: Iterable[str], where: str) -> None:
    """Fail if *text* has a secret in it; the message says *where*, and does not repeat it."""
    require(not any(secret in text for secret in secrets), f"{where} shows a secret")


def require_right_error(error: BaseException, secrets: Iterable[str], what: str) -> None:
    """Fail unless *error* is one that acmez tells its users in words: of the right kind, with a message, discreet."""
    secrets = frozenset(secrets)
    kind = type(error).__name__
    require_hidden("".join(traceback.format_exception(error)), secrets, f"the {kind} that {what} raised")
    require(
        isinstance(error, AcmeError | OSError),
        f"{what} raised {kind}: raise an error that descends from acmez.AcmeError, or an OSError",
    )
    require(str(error).strip(), f"{what} raised {kind} without a message: say what went wrong, and where")


@contextmanager
def listening() -> Iterator[list[str]]:
    """Give a list that gets everything that is logged meanwhile, whatever its level."""
    heard: list[str] = []

    class Ear(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            heard.append(self.format(record))

    root = logging.getLogger()
    before, ear = root.level, Ear()
    root.addHandler(ear)
    root.setLevel(logging.DEBUG)
    try:
        yield heard
    finally:
        root.setLevel(before)
        root.removeHandler(ear)


def _secrets(value: object) -> Iterator[Secret]:
    if isinstance(value, Secret):
        if value:
            yield value
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        for field in dataclasses.fields(value):
            yield from _secrets(getattr(value, field.name, None))
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _secrets(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _secrets(item)
