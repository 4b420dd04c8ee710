"""Answers that one process gives and another one shows: workers of a server, nodes behind a load balancer.

Whoever presents a challenge puts its `entry` into a store; whoever the CA happens to ask looks it up there. An
entry vanishes by itself after a while, so that a crash leaves nothing for ever.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from . import files
from .acme.challenge import Challenge, ChallengeType
from .acme.challenges import http_01, tls_alpn_01
from .acme.errors import InputError, MalformedAnswer
from .acme.identifier import Identifier, IdentifierType
from .acme.wire import is_base64url
from .errors import AcmezError

#: Seconds that an entry lives if nobody removes it.
LIFETIME = 86_400

_SWEEP_EVERY = 3600  # seconds between looks for files of crashed processes; each look reads them all
_MAX_ENTRY = 8192  # bytes
_MAX_TOKEN = 512


class AnswerStoreError(AcmezError):
    """A store cannot be read or written; the message starts with where it is."""


class AnswerStore(Protocol):
    """Keeps short texts by key for a while; safe for many threads and processes.

    Every method may raise `AnswerStoreError`.
    """

    def put(self, key: str, value: str, seconds: float) -> None:
        """Keep *value*, in place of what was there, for so many seconds."""
        ...

    def get(self, key: str) -> str | None:
        """Return the value, `None` if there is none any more."""
        ...

    def remove(self, key: str, value: str) -> None:
        """Forget *key* if it still has this value; another one is somebody else's."""
        ...


def entry(challenge: Challenge) -> tuple[str, str]:
    """Return the key and the value of what answers an http-01 or tls-alpn-01 challenge.

    Raises:
        InputError: it is of another type.
        MalformedAnswer: the CA's token or identifier cannot be used.
    """
    match challenge.type:
        case ChallengeType.HTTP_01:
            return f"{ChallengeType.HTTP_01} {challenge.token}", http_01.answer(challenge).body
        case ChallengeType.TLS_ALPN_01:
            value = {
                "type": challenge.identifier.type,
                "value": challenge.identifier.value,
                "token": challenge.token,
                "thumbprint": challenge.thumbprint,
            }
            # Who cannot make the certificate here must not leave it to the process that the CA asks.
            return f"{ChallengeType.TLS_ALPN_01} {tls_alpn_01.certificate(challenge).sni}", json.dumps(value)
        case other:
            raise InputError(f"{challenge.identifier}: {other!r} cannot be answered from a store")


def publish(store: AnswerStore, challenge: Challenge, seconds: float = LIFETIME) -> None:
    """Put the answer to *challenge*; raises like `entry` and `AnswerStore.put`."""
    store.put(*entry(challenge), seconds)


def withdraw(store: AnswerStore, challenge: Challenge) -> None:
    """Remove what `publish` put; what it could not put is not there."""
    try:
        key, value = entry(challenge)
    except (InputError, MalformedAnswer):
        return
    store.remove(key, value)


def find_http(store: AnswerStore, token: str) -> str | None:
    """Return the key authorization that was put for *token*, which may be any text."""
    if len(token) > _MAX_TOKEN or not is_base64url(token):
        return None
    return store.get(f"{ChallengeType.HTTP_01} {token}")


def find_tls_alpn(store: AnswerStore, server_name: str) -> Challenge | None:
    """Return the challenge that was put for *server_name*, with all that its certificate is made of.

    Raises:
        AnswerStoreError: the store cannot be read, or holds something else.
    """
    value = store.get(f"{ChallengeType.TLS_ALPN_01} {server_name}")
    if value is None:
        return None
    try:
        read = json.loads(value)
        texts = {name: read[name] for name in ("type", "value", "token", "thumbprint")}
        if not all(isinstance(text, str) for text in texts.values()):
            raise TypeError
    except (ValueError, TypeError, KeyError):
        raise AnswerStoreError(f"{server_name}: the store holds something else than a challenge") from None
    kind = IdentifierType.IP if texts["type"] == IdentifierType.IP else IdentifierType.DNS
    return Challenge(
        type=ChallengeType.TLS_ALPN_01,
        url="",
        status="pending",
        identifier=Identifier(kind, texts["value"]),
        token=texts["token"],
        thumbprint=texts["thumbprint"],
    )


@dataclass(frozen=True)
class DirectoryStore:
    """A directory that all processes share, on this machine or on a network file system.

    Each entry is a file, replaced atomically. Who may write into the directory decides what CAs are told.

    Attributes:
        directory: is made if it is not there.
    """

    directory: Path
    _swept: list[float] = field(default_factory=list, init=False, repr=False, compare=False)

    def put(self, key: str, value: str, seconds: float) -> None:
        """Write the file, readable for all: the servers may run as another user."""
        content = json.dumps({"key": key, "value": value, "expires": time.time() + seconds})
        try:
            self.directory.mkdir(parents=True, exist_ok=True)
            self._forget_expired()
            files.write(self._path(key), content.encode(), mode=0o644)
        except OSError as exc:
            raise AnswerStoreError(f"{self.directory}: cannot be written: {exc.strerror or exc}") from exc

    def get(self, key: str) -> str | None:
        """Read the file, if its time has not come; a directory that is not there is empty."""
        value, expires = self._read(self._path(key), key)
        return value if time.time() < expires else None

    def remove(self, key: str, value: str) -> None:
        """Delete the file if it holds *value*."""
        path = self._path(key)
        if self._read(path, key)[0] != value:
            return
        try:
            path.unlink(missing_ok=True)
        except OSError as exc:
            raise AnswerStoreError(f"{path}: cannot be removed: {exc.strerror or exc}") from exc

    def _path(self, key: str) -> Path:
        # A key is as long as a token or a name may be, and a file's name is not.
        return self.directory / f"{hashlib.sha256(key.encode()).hexdigest()}.answer"

    def _read(self, path: Path, key: str | None = None) -> tuple[str | None, float]:
        """Return value and time of expiry; `None` and 0.0 if there is no file, or not one of ours."""
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
            with os.fdopen(descriptor, "rb") as file:
                content = file.read(_MAX_ENTRY)
        except FileNotFoundError:
            return None, 0.0
        except OSError as exc:
            raise AnswerStoreError(f"{path}: cannot be read: {exc.strerror or exc}") from exc
        try:
            match json.loads(content):
                case {"key": str(kept), "value": str(value), "expires": int() | float() as expires}:
                    return (value, expires) if key in {None, kept} else (None, 0.0)
        except ValueError:
            pass
        return None, 0.0

    def _forget_expired(self) -> None:
        if self._swept and time.monotonic() - self._swept[-1] < _SWEEP_EVERY:
            return
        self._swept[:] = [time.monotonic()]
        for path in self.directory.glob("*.answer"):
            with suppress(AnswerStoreError, OSError):
                value, expires = self._read(path)
                if value is not None and expires <= time.time():
                    path.unlink(missing_ok=True)
