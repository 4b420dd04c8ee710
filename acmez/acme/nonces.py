"""Anti-replay nonces (RFC 8555 §6.5)."""

from __future__ import annotations

import time
from collections import deque

from .transport import Response
from .wire import is_base64url

_LONGEST = 1024


class NoncePool:
    """Nonces of one directory, newest first; safe for many threads.

    Args:
        size: keep at most so many; the oldest are forgotten first.
        max_age: seconds after which a nonce is not worth trying.
    """

    def __init__(self, size: int = 128, max_age: float = 300.0) -> None:
        self._max_age = max_age
        self._nonces: deque[tuple[float, str]] = deque(maxlen=size)

    def __len__(self) -> int:
        return len(self._nonces)

    def keep(self, response: Response) -> None:
        """Keep the nonce of an answer, if there is one to use."""
        nonce = nonce_of(response)
        if nonce is not None:
            self.put(nonce)

    def put(self, nonce: str) -> None:
        """Keep a nonce."""
        self._nonces.append((time.monotonic(), nonce))

    def take(self) -> str | None:
        """Return the newest nonce and forget it; `None` if there is none young enough."""
        try:
            kept_at, nonce = self._nonces.pop()
        except IndexError:
            return None
        if time.monotonic() - kept_at <= self._max_age:
            return nonce
        self._nonces.clear()
        return None

    def clear(self) -> None:
        """Forget all nonces."""
        self._nonces.clear()


def nonce_of(response: Response) -> str | None:
    """Return the Replay-Nonce of an answer; one outside base64url is ignored (RFC 8555 §6.5.1)."""
    nonce = response.header("replay-nonce")
    return nonce if nonce is not None and is_base64url(nonce) and len(nonce) <= _LONGEST else None
