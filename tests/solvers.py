"""Small real solvers, and a laboratory: an embedded CA that looks at what they present."""

from __future__ import annotations

import http.server
import sys
import threading
import time
import traceback
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol, Self

from acmez_testkit import Behaviour, EmbeddedCA

from acmez import Challenge, Client, Route, events
from acmez.acme.challenges import dns_01
from acmez.acme.scope import CancelScope
from acmez.protocols import Handle, Solver
from tests.pebble.dns import ChallengeDNS

Callback = Callable[[Challenge, CancelScope], None]


def nothing(challenge: Challenge, scope: CancelScope) -> None:
    """Do nothing: what a callback does unless a test says otherwise."""


def fail(challenge: Challenge, scope: CancelScope) -> None:
    """Fail as solvers do."""
    raise OSError("the disk is full")


def pause(challenge: Challenge, scope: CancelScope) -> None:
    """Take a moment, so that calls at once meet each other."""
    scope.sleep(0.01)


class Web:
    """Answers `/.well-known/acme-challenge/<token>` on a loopback port while it is open."""

    def __init__(self, port: int = 0) -> None:
        self.answers: dict[str, str] = {}
        self.seen: defaultdict[str, threading.Event] = defaultdict(threading.Event)
        web = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                token = self.path.rpartition("/")[2]
                body = web.answers.get(token)
                self.send_response(404 if body is None else 200)
                self.send_header("Content-Length", str(len(body or "")))
                self.end_headers()
                self.wfile.write((body or "").encode())
                web.seen[token].set()

            def log_message(self, *args: object) -> None:
                pass

        class Server(http.server.ThreadingHTTPServer):
            request_queue_size = 256
            daemon_threads = False

        self._server = Server(("127.0.0.1", port), Handler)
        self.port: int = self._server.server_port
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class Zone(Protocol):
    """Where TXT records are put."""

    def add(self, name: str, value: str) -> None: ...
    def remove(self, name: str, value: str) -> None: ...


class Records:
    """A zone in a dictionary, such as `EmbeddedCA.txt_records`."""

    def __init__(self, records: dict[str, list[str]]) -> None:
        self.records = records
        self._lock = threading.Lock()

    def add(self, name: str, value: str) -> None:
        with self._lock:
            self.records.setdefault(name, []).append(value)

    def remove(self, name: str, value: str) -> None:
        with self._lock:
            values = self.records.get(name, [])
            if value in values:
                values.remove(value)
            if not values:
                self.records.pop(name, None)


class PebbleRecords(Records):
    """A zone in the DNS that Pebble asks."""

    def __init__(self, dns: ChallengeDNS) -> None:
        super().__init__({})
        self._dns = dns
        self._writing = threading.Lock()

    def add(self, name: str, value: str) -> None:
        with self._writing:
            super().add(name, value)
            self._dns.set_txt(name, value)

    def remove(self, name: str, value: str) -> None:
        with self._writing:
            super().remove(name, value)
            self._dns.clear_txt(name)  # of all its values
            for left in self.records.get(name, []):
                self._dns.set_txt(name, left)


@dataclass
class Tiny:
    """What the small solvers have in common: they tell what they were asked, and call back.

    Attributes:
        on_present: called when the answer is visible.
        on_clean_up: called before it is removed.
        calls: ("present" or "clean_up", identifier), in order.
        left: URLs of the challenges that are not cleaned up yet.
        most: how many calls there were at once.
    """

    on_present: Callback = nothing
    on_clean_up: Callback = nothing
    calls: list[tuple[str, str]] = field(default_factory=list)
    left: set[str] = field(default_factory=set)
    most: int = 0

    def __post_init__(self) -> None:
        self._lock = threading.Lock()
        self._busy = 0

    def present(self, challenge: Challenge, scope: CancelScope) -> Handle | None:
        with self._call("present", challenge):
            with self._lock:
                self.left.add(challenge.url)
            self.show(challenge)
            self.on_present(challenge, scope)
            return {"url": challenge.url}

    def clean_up(self, challenge: Challenge, handle: Handle | None, scope: CancelScope) -> None:
        assert handle is None or handle == {"url": challenge.url}
        with self._call("clean_up", challenge):
            self.on_clean_up(challenge, scope)
            self.hide(challenge)
            with self._lock:
                self.left.discard(challenge.url)

    def show(self, challenge: Challenge) -> None:
        raise NotImplementedError

    def hide(self, challenge: Challenge) -> None:
        raise NotImplementedError

    def called(self, what: str) -> list[str]:
        """Return for which identifiers *what* was called."""
        return [name for call, name in self.calls if call == what]

    @contextmanager
    def _call(self, what: str, challenge: Challenge) -> Iterator[None]:
        with self._lock:
            self.calls.append((what, str(challenge.identifier)))
            self._busy += 1
            self.most = max(self.most, self._busy)
        try:
            yield
        finally:
            with self._lock:
                self._busy -= 1


@dataclass
class WebSolver(Tiny):
    """Answers http-01 with a `Web`."""

    name: ClassVar[str] = "web"
    challenge_type: ClassVar[str] = "http-01"

    web: Web = field(kw_only=True)

    def show(self, challenge: Challenge) -> None:
        self.web.answers[challenge.token or ""] = challenge.key_authorization

    def hide(self, challenge: Challenge) -> None:
        self.web.answers.pop(challenge.token or "", None)


@dataclass
class WatchingWebSolver(WebSolver):
    """Knows when the CA came."""

    name: ClassVar[str] = "watching-web"

    def validated(self, challenge: Challenge) -> threading.Event:
        return self.web.seen[challenge.token or ""]


@dataclass
class BlindWebSolver(WebSolver):
    """Shows nothing, so that the CA's validation fails."""

    name: ClassVar[str] = "blind-web"

    def show(self, challenge: Challenge) -> None:
        pass


@dataclass
class TxtSolver(Tiny):
    """Answers dns-01 in a zone."""

    name: ClassVar[str] = "txt"
    challenge_type: ClassVar[str] = "dns-01"

    zone: Zone = field(kw_only=True)

    def show(self, challenge: Challenge) -> None:
        record = dns_01.record(challenge)
        self.zone.add(record.name, record.value)

    def hide(self, challenge: Challenge) -> None:
        record = dns_01.record(challenge)
        self.zone.remove(record.name, record.value)


@dataclass
class BatchingTxtSolver(TxtSolver):
    """Takes many challenges in one call.

    Attributes:
        batches: how many challenges each call had.
    """

    name: ClassVar[str] = "batching-txt"

    batches: list[tuple[str, int]] = field(default_factory=list)

    def present_many(self, challenges: Sequence[Challenge], scope: CancelScope) -> Sequence[Handle | None]:
        self.batches.append(("present", len(challenges)))
        return [self.present(challenge, scope) for challenge in challenges]

    def clean_up_many(
        self, challenges: Sequence[Challenge], handles: Sequence[Handle | None], scope: CancelScope
    ) -> None:
        self.batches.append(("clean_up", len(challenges)))
        for challenge, handle in zip(challenges, handles, strict=True):
            self.clean_up(challenge, handle, scope)


@dataclass
class CallWaiter:
    """Waits as a test says."""

    name: ClassVar[str] = "call"

    wait: Callback


@dataclass
class Watcher:
    """Keeps every event but those of requests."""

    seen: list[events.Event] = field(default_factory=list)

    def __call__(self, event: events.Event) -> None:
        if not isinstance(event, events.RequestFinished):
            self.seen.append(event)

    @property
    def names(self) -> list[str]:
        return [event.name for event in self.seen]

    def presented(self) -> list[str]:
        """Return the challenge types that were presented, in order."""
        return [event.challenge_type for event in self.seen if isinstance(event, events.ChallengePresented)]


class Lab:
    """An embedded CA, a web server at which it looks, and a zone that it reads."""

    def __init__(self, stack: ExitStack, behaviour: dict[str, Any]) -> None:
        self._stack = stack
        self.web = stack.enter_context(Web())
        self.ca = stack.enter_context(EmbeddedCA(Behaviour(**{"http_port": self.web.port, **behaviour})))
        self.zone = Records(self.ca.txt_records)

    def client(self, *solvers: Solver | Route, **options: Any) -> Client:
        """Return a registered client of the CA."""
        client = self.stranger(*solvers, **options)
        client.register()
        return client

    def stranger(self, *solvers: Solver | Route, **options: Any) -> Client:
        """Return a client that is not registered; it is closed in the end."""
        defaults = {"trust": self.ca.trust_pem, "terms_of_service_agreed": True}
        return self._stack.enter_context(Client(self.ca.directory_url, solvers=solvers, **{**defaults, **options}))

    def requests(self) -> Counter[str]:
        """Return how many requests of each kind there were, such as "new-order" or "challenge"."""
        return Counter(seen.kind for seen in self.ca.requests)


@contextmanager
def laboratory(**behaviour: Any) -> Iterator[Lab]:
    """Open a `Lab`; at its end nothing may be left behind, and every scripted fault must have happened."""
    with ExitStack() as stack:
        lab = Lab(stack, behaviour)
        yield lab
    assert not lab.web.answers
    assert not lab.ca.txt_records
    assert not lab.ca.internal_errors
    assert not lab.ca.faults.pending
    assert_no_threads()


def assert_no_threads(besides: str = "acmez-testkit") -> None:
    """Fail if threads of the library still run, *besides* one kind; a moment to end is theirs."""
    deadline = time.monotonic() + 10
    while (running := _threads(besides)) and time.monotonic() < deadline:
        running[0].join(0.01)
    assert not running, "\n".join(map(_doing, running))


def _doing(thread: threading.Thread) -> str:
    frame = sys._current_frames().get(thread.ident or 0)
    return f"{thread.name} still runs:\n{''.join(traceback.format_stack(frame)) if frame else ''}"


def _threads(besides: str) -> list[threading.Thread]:
    ours = [thread for thread in threading.enumerate() if thread.name.startswith("acmez-")]
    return [thread for thread in ours if not thread.name.startswith(("acmez-testkit", besides))]
