"""The contract of solvers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from acmez_http_redis import HttpRedisSolver
from acmez_testkit.contracts import SolverContract

from acmez.acme.challenges import tls_alpn_01
from acmez.answer_store import find_tls_alpn
from acmez.options import Secret
from acmez.protocols import Challenge


class TestHttpRedisSolver(SolverContract[HttpRedisSolver]):
    @pytest.fixture(autouse=True)
    def _server(self, url: Secret, tmp_path: Path) -> Iterator[None]:
        self.url, self.prefix = url, f"{tmp_path.name}:"
        self.made: list[HttpRedisSolver] = []
        self.node = self.make()
        yield
        for solver in self.made:
            solver.store.close()

    def make(self) -> HttpRedisSolver:
        self.made.append(HttpRedisSolver(self.url, prefix=self.prefix))
        return self.made[-1]

    def make_failing(self) -> HttpRedisSolver:
        return HttpRedisSolver(Secret("redis://:pass-WORD_2@127.0.0.1:1/0"))

    def visible(self, challenge: Challenge) -> set[str]:
        with redis.Redis.from_url(self.url, decode_responses=True) as plain:
            seen = {str(plain.get(f"{self.prefix}of somebody else"))}
        if challenge.type == "http-01":
            return seen | {str(self.node.find(str(challenge.token)))}
        found = find_tls_alpn(self.node.store, challenge.identifier.value)
        return seen if found is None else seen | {tls_alpn_01.extension_value(found.key_authorization).hex()}

    def plant(self, challenge: Challenge) -> str:
        with redis.Redis.from_url(self.url) as plain:
            plain.set(f"{self.prefix}of somebody else", "somebody else's")
        return "somebody else's"
