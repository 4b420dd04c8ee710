"""Answers in Redis, or in Valkey, which speaks the same protocol."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from acmez.answer_store import AnswerStoreError
from acmez.options import Secret

# In one step, lest somebody else's newer value goes.
_REMOVE = "return redis.call('GET', KEYS[1]) == ARGV[1] and redis.call('DEL', KEYS[1]) or 0"


@dataclass(frozen=True)
class RedisStore:
    """An `acmez.answer_store.AnswerStore`, safe for many threads, and after a fork.

    Attributes:
        url: "redis://[user:password@]host:port/database", "rediss://..." with TLS, or "unix://path".
        prefix: begins every key.
        timeout: seconds, for connecting and for each answer.

    Raises:
        ValueError: *url* is none of these.
    """

    url: Secret = field(repr=False)
    prefix: str = "acmez:"
    timeout: float = 2.0

    def __post_init__(self) -> None:
        try:
            self._client  # noqa: B018 - reads the URL, and connects to nothing
        except ValueError:
            # What redis says of it may show the password.
            raise ValueError("url: is not redis://, rediss:// or unix://, or what follows cannot be read") from None

    def put(self, key: str, value: str, seconds: float) -> None:
        """Keep *value* for so many seconds."""
        with self._told():
            self._client.set(self.prefix + key, value, px=max(1, round(seconds * 1000)))

    def get(self, key: str) -> str | None:
        """Return the value, `None` if there is none any more."""
        with self._told():
            value = self._client.get(self.prefix + key)
        return value if isinstance(value, str) else None

    def remove(self, key: str, value: str) -> None:
        """Forget *key* if it still has this value."""
        with self._told():
            self._client.eval(_REMOVE, 1, self.prefix + key, value)

    def close(self) -> None:
        """Close the connections, which a later call opens anew."""
        self._client.close()

    @property
    def place(self) -> str:
        """Where the server is, without user and password."""
        known = self._client.connection_pool.connection_kwargs
        return str(known.get("path") or f"{known.get('host', 'localhost')}:{known.get('port', 6379)}")

    def __getstate__(self) -> dict[str, object]:
        """Leave the connections out: another process opens its own."""
        return {name: value for name, value in self.__dict__.items() if name != "_client"}

    @cached_property
    def _client(self) -> redis.Redis:
        return redis.Redis.from_url(
            str(self.url),
            socket_timeout=self.timeout,
            socket_connect_timeout=self.timeout,
            decode_responses=True,
            # Once more: a connection that was idle may be closed by now.
            retry=Retry(NoBackoff(), 1),
        )

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except (redis.RedisError, OSError, UnicodeError) as error:
            raise AnswerStoreError(f"redis at {self.place}: {_reason(error)}") from error


def _reason(error: Exception) -> str:
    if isinstance(error, redis.AuthenticationError):
        return "refuses user or password"
    if isinstance(error, redis.TimeoutError):
        return "does not answer in time"
    if isinstance(error, redis.ConnectionError | OSError):
        return f"cannot be reached: {error}"
    return str(error)
