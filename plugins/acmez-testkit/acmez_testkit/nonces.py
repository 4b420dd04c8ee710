"""Anti-replay nonces (RFC 8555 §6.5)."""

from __future__ import annotations

import random
import secrets
import threading

from acmez_testkit.wire import Refusal

_OUTSTANDING = 100_000


class Nonces:
    """The nonces given out and not yet used; the oldest are forgotten when there are too many."""

    def __init__(self, *, reject: float, seed: int) -> None:
        self._reject = reject
        self._random = random.Random(seed)  # noqa: S311 - reproducible behaviour, not a secret
        self._outstanding: dict[str, None] = {}
        self._lock = threading.Lock()

    def new(self) -> str:
        """Return a fresh nonce."""
        nonce = secrets.token_urlsafe(16)
        with self._lock:
            self._outstanding[nonce] = None
            if len(self._outstanding) > _OUTSTANDING:
                del self._outstanding[next(iter(self._outstanding))]
        return nonce

    def use(self, nonce: object) -> None:
        """Take `nonce` back; raise Refusal `badNonce` if it is missing, unknown or already used."""
        with self._lock:
            if not isinstance(nonce, str):
                raise Refusal("badNonce", "JWS has no anti-replay nonce")
            if nonce not in self._outstanding:
                raise Refusal("badNonce", "unknown or already used anti-replay nonce")
            del self._outstanding[nonce]
            if self._reject and self._random.random() < self._reject:
                raise Refusal("badNonce", "good nonce, rejected by nonce_reject")
