"""Anti-replay nonces (RFC 8555 §6.5)."""

from __future__ import annotations

import threading
import time

from .transport import Response
from .wire import is_base64url


class NoncePool:
    """Nonces of one directory, newest first; safe for many threads.

    Args:
        size: keep at most so many.
        max_age: seconds after which a nonce is not worth trying.
    """

    def __init__(self, size: int = 128, max_age: float = 300.0) -> None:
        self._size = size
        self._max_age = max_age
        self._lock = threading.Lock()
        self._nonces: list[tuple[float, str]] = []

    def keep(self, response: Response) -> str | None:
        """Keep the nonce of an answer, errors included; return it, `None` if there is none to use."""
        nonce = nonce_of(response)
        if nonce is not None:
            with self._lock:
                self._nonces.append((time.monotonic(), nonce))
                del self._nonces[: -self._size]
        return nonce

    def take(self) -> str | None:
        """Return the newest nonce and forget it; `None` if there is none young enough."""
        oldest = time.monotonic() - self._max_age
        with self._lock:
            if self._nonces and self._nonces[-1][0] >= oldest:
                return self._nonces.pop()[1]
            self._nonces.clear()
            return None

    def clear(self) -> None:
        """Forget all nonces."""
        with self._lock:
            self._nonces.clear()


def nonce_of(response: Response) -> str | None:
    """Return the Replay-Nonce of an answer; one outside base64url is ignored (RFC 8555 §6.5.1)."""
    nonce = response.header("replay-nonce")
    return nonce if nonce is not None and is_base64url(nonce) and len(nonce) <= 1024 else None
