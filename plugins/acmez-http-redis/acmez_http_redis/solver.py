"""The solver: it presents into Redis, and every node that reads there answers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import ClassVar

from acmez import answer_store
from acmez.options import Secret
from acmez.protocols import CancelScope, Challenge

from .store import RedisStore


@dataclass(frozen=True)
class HttpRedisSolver:
    """Answers http-01 and tls-alpn-01 from whatever node the CA happens to ask.

    Attributes:
        url: "redis://[user:password@]host:port/database", "rediss://..." with TLS, or "unix://path".
        prefix: begins every key.
        timeout: seconds, for connecting and for each answer.
        lifetime: seconds after which an answer vanishes that nobody cleaned up.

    Raises:
        ValueError: an option is out of range, or *url* is none of these.
    """

    name: ClassVar[str] = "http-redis"
    challenge_type: ClassVar[str] = "http-01"
    other_types: ClassVar[tuple[str, ...]] = ("tls-alpn-01",)

    url: Secret = field(repr=False)
    prefix: str = "acmez:"
    timeout: float = 2.0
    lifetime: float = answer_store.LIFETIME

    def __post_init__(self) -> None:
        for option in ("timeout", "lifetime"):
            if not getattr(self, option) > 0:
                raise ValueError(f"{option}: {getattr(self, option)!r} is not above 0")
        self.store  # noqa: B018 - reads the URL

    @cached_property
    def store(self) -> RedisStore:
        """Where the answers are; for `acmez_tls_alpn.StoredAnswers`."""
        return RedisStore(Secret(self.url), self.prefix, self.timeout)

    @property
    def find(self) -> Callable[[str], str | None]:
        """What returns the key authorization for a token; for the middlewares of `acmez_http_app`."""
        store = self.store
        return lambda token: answer_store.find_http(store, token)

    def present(self, challenge: Challenge, scope: CancelScope) -> None:
        """Let every node answer from now on.

        Raises:
            AnswerStoreError: Redis cannot be reached, or refuses.
            MalformedAnswer: the CA's token or identifier cannot be used.
        """
        scope.check()
        answer_store.publish(self.store, challenge, self.lifetime)

    def clean_up(self, challenge: Challenge, handle: object, scope: CancelScope) -> None:
        """Let none of them answer any more; raises `AnswerStoreError` like `present`."""
        answer_store.withdraw(self.store, challenge)
