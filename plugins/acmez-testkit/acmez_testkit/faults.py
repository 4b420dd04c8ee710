"""Scripted faults: what goes wrong with the next requests of a kind."""

from __future__ import annotations

import difflib
import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from acmez_testkit.wire import Refusal, Response

#: What a request can be for; "unknown": for a path where nothing is.
KINDS = (
    "directory",
    "new-nonce",
    "new-account",
    "account",
    "orders",
    "key-change",
    "new-order",
    "order",
    "finalize",
    "certificate",
    "revoke",
    "renewal-info",
    "new-authz",
    "authz",
    "challenge",
    "unknown",
)


@dataclass(frozen=True, slots=True)
class Answer:
    """Answer this and do not handle the request, as a load balancer does."""

    stage: ClassVar[str] = "instead"
    status: int
    body: bytes | str | Mapping[str, object] = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    content_type: str | None = None

    def response(self) -> Response:
        """Return the answer; a mapping is sent as JSON."""
        body, content_type = self.body, self.content_type
        if isinstance(body, Mapping):
            body, content_type = json.dumps(dict(body)), content_type or "application/json"
        if isinstance(body, str):
            body = body.encode()
        headers = list(self.headers.items())
        if content_type is not None:
            headers.insert(0, ("Content-Type", content_type))
        return Response(self.status, body, headers)


@dataclass(frozen=True, slots=True)
class Problem:
    """Answer this problem document (with a fresh nonce) and do not handle the request."""

    stage: ClassVar[str] = "instead"
    type: str
    """A bare word ("rateLimited") stands for a type of the ACME namespace."""
    detail: str = "a scripted fault"
    status: int = 400
    headers: Mapping[str, str] = field(default_factory=dict)

    def response(self) -> Response:
        """Return the answer."""
        return Refusal(self.type, self.detail, self.status, headers=self.headers.items()).response()


@dataclass(frozen=True, slots=True)
class Drop:
    """Close the connection and do not handle the request."""

    stage: ClassVar[str] = "instead"


@dataclass(frozen=True, slots=True)
class Delay:
    """Handle the request only after some seconds."""

    stage: ClassVar[str] = "before"
    seconds: float


@dataclass(frozen=True, slots=True)
class EditHeaders:
    """Handle the request, then remove and add headers of the answer."""

    stage: ClassVar[str] = "edit"
    remove: tuple[str, ...] = ()
    add: Mapping[str, str] = field(default_factory=dict)

    def edit(self, response: Response) -> None:
        """Change the headers of `response` in place."""
        gone = {name.lower() for name in self.remove}
        kept = [(name, value) for name, value in response.headers if name.lower() not in gone]
        response.headers = [*kept, *self.add.items()]


@dataclass(frozen=True, slots=True)
class LoseAnswer:
    """Handle the request, then close the connection without an answer."""

    stage: ClassVar[str] = "deliver"


@dataclass(frozen=True, slots=True)
class Truncate:
    """Handle the request, send only the first `n` bytes of the body, then close the connection."""

    stage: ClassVar[str] = "deliver"
    n: int


Action = Answer | Problem | Drop | Delay | EditHeaders | LoseAnswer | Truncate


@dataclass(slots=True)
class _Rule:
    kind: str
    action: Action
    times: int | None
    after: int

    def wants(self, kind: str) -> bool:
        """Whether this request is this rule's; a request that comes too early only counts."""
        if self.kind not in {"*", kind} or self.times == 0:
            return False
        if self.after > 0:
            self.after -= 1
            return False
        return True


class Faults:
    """The faults still to come.

    One request meets at most one action of each stage - before, instead, edit, deliver -
    the one added first; so two answers follow each other, while a delay and a lost answer combine.
    """

    def __init__(self) -> None:
        self._rules: list[_Rule] = []
        self._lock = threading.Lock()

    def add(self, kind: str, action: Action, times: int | None = 1, after: int = 0) -> None:
        """Do `action` to the next requests of a kind.

        Args:
            kind: what `Seen.kind` says, one of `KINDS`, or "*" for every request
            action: what goes wrong
            times: how many requests meet it; None: all that follow
            after: how many matching requests pass before

        Raises:
            ValueError: no request is of that kind.
        """
        if kind not in {"*", *KINDS}:
            close = difflib.get_close_matches(kind.lower(), KINDS, 1)
            hint = f" (did you mean {close[0]!r}?)" if close else ""
            raise ValueError(f"kind: {kind!r} is none of {', '.join(KINDS)}, and not '*'{hint}")
        with self._lock:
            self._rules.append(_Rule(kind, action, times, after))

    def clear(self) -> None:
        """Forget every fault."""
        with self._lock:
            self._rules.clear()

    @property
    def pending(self) -> tuple[Action, ...]:
        """The actions that no request has met yet, or not often enough."""
        with self._lock:
            return tuple(rule.action for rule in self._rules)

    def take(self, kind: str) -> dict[str, Action]:
        """Return the actions for one request, by stage, and count them as done."""
        taken: dict[str, Action] = {}
        if not self._rules:
            return taken
        with self._lock:
            for rule in self._rules:
                if rule.wants(kind) and rule.action.stage not in taken:
                    taken[rule.action.stage] = rule.action
                    if rule.times is not None:
                        rule.times -= 1
            self._rules = [rule for rule in self._rules if rule.times != 0]
        return taken
