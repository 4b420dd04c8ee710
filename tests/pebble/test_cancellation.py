"""Cancelled at any step, an issuance ends at once, leaves nothing behind, and can be gone on with."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import urlsplit

import pytest

import acmez.client
from acmez import Cancelled, CancelScope, Certificate, Challenge, Client, DeadlineExceeded, FileKey, Route, events
from acmez.acme.transport import Response, Transport
from acmez.csr import certificate_names
from tests.pebble.crash_child import REQUESTS
from tests.pebble.install import Binaries
from tests.pebble.server import Pebble, PebbleOptions
from tests.solvers import PebbleRecords, TxtSolver, Web, WebSolver, assert_no_threads

PROMPT = 2.0  # seconds: far more than a cancelled call needs, far less than what was cancelled

numbers = count(1)


@pytest.fixture(scope="module")
def ca(pebble_binaries: Binaries, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pebble]:
    options = PebbleOptions(authz_reuse=0, nonce_reject=0)
    with Pebble(tmp_path_factory.mktemp("pebble"), options, pebble_binaries) as server:
        yield server


@pytest.fixture(scope="module")
def web(ca: Pebble) -> Iterator[Web]:
    with Web(ca.http_port) as server:
        yield server


@dataclass
class Steps:
    """Cancels a scope from another thread at one step, and notes how long it takes to end.

    Attributes:
        at: such as "finalize after", "present" or "order-created"; a step that is done many times counts once.
    """

    at: str
    scope: CancelScope = field(default_factory=CancelScope)
    cancelled: float | None = None

    def pass_by(self, step: str) -> None:
        if step == self.at and self.cancelled is None:
            self.cancelled = time.monotonic()
            thread = threading.Thread(target=self.scope.cancel)
            thread.start()
            thread.join()


def stepping(steps: Steps) -> type[Transport]:
    """Return a transport that passes by before a request is sent, and once its answer is here."""

    class SteppingTransport(Transport):
        def request(self, method: str, url: str, **kwargs: Any) -> Response:
            name = REQUESTS.get(urlsplit(url).path.split("/")[1], "another")
            steps.pass_by(f"{name} before")
            response = super().request(method, url, **kwargs)
            steps.pass_by(f"{name} after")
            return response

    return SteppingTransport


@dataclass
class SteppingWaiter:
    """Waits for a moment."""

    name: ClassVar[str] = "stepping"

    steps: Steps

    def wait(self, challenge: Challenge, scope: CancelScope) -> None:
        self.steps.pass_by("wait")
        scope.sleep(0.01)


@dataclass
class World:
    """A CA, where its challenges are answered, and a journal."""

    ca: Pebble
    web: Web
    home: Path
    zone: PebbleRecords
    names: list[str]

    @contextmanager
    def client(self, steps: Steps, monkeypatch: pytest.MonkeyPatch) -> Iterator[Client]:
        def step(name: str) -> Callable[[Challenge, CancelScope], None]:
            return lambda challenge, scope: steps.pass_by(name)

        txt = TxtSolver(zone=self.zone, on_present=step("present"), on_clean_up=step("clean up"))
        http = WebSolver(web=self.web, on_present=step("present"), on_clean_up=step("clean up"))
        with monkeypatch.context() as patch:
            patch.setattr(acmez.client, "Transport", stepping(steps))
            client = Client(
                self.ca.directory_url,
                solvers=[
                    Route(txt, domains=("*.cancel.test",), waiter=SteppingWaiter(steps)),
                    Route(http, waiter=SteppingWaiter(steps)),
                ],
                account_key=FileKey(self.home / "account.pem"),
                preferred_challenges=["dns-01"],
                trust=self.ca.trust,
                journal=self.home / "journal",
                on_event=lambda event: steps.pass_by(event.name),
            )
        with client:
            yield client
        assert not self.zone.records
        assert not self.web.answers
        assert_no_threads()


@pytest.fixture
def world(ca: Pebble, web: Web, tmp_path: Path) -> World:
    number = next(numbers)
    names = [f"n{number}.cancel.test", f"*.n{number}.cancel.test", f"cancel-{number}.test"]
    return World(ca, web, tmp_path, PebbleRecords(ca.dns), names)


def connections(url: str) -> int:
    """Return how many sockets this process has that lead to the server of *url*."""
    own = set()
    for path in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):  # the directory itself, as it was listed
            own.add(str(path.readlink()))
    rows = [line.split() for line in Path("/proc/self/net/tcp").read_text().splitlines()[1:]]
    port = f"{urlsplit(url).port:04X}"
    return sum(row[2].endswith(f":{port}") and f"socket:[{row[9]}]" in own for row in rows)


def assert_connections(url: str, number: int) -> None:
    """Fail if there are more connections than that; a moment to end is theirs."""
    deadline = time.monotonic() + PROMPT
    while connections(url) > number and time.monotonic() < deadline:
        threading.Event().wait(0.01)
    assert connections(url) == number


def names_of(certificate: Certificate) -> set[str]:
    return {value for _, value in certificate_names(certificate.leaf)}


REQUESTED = ("newOrder", "authorization", "challenge", "order", "finalize", "certificate")
HAPPENING = (
    events.OrderCreated,
    events.AuthorizationFetched,
    events.ChallengePresented,
    events.ChallengeWaited,
    events.ChallengeAnswered,
    events.AuthorizationValid,
    events.OrderReady,
    events.ChallengeCleanedUp,
    events.OrderFinalized,
)
STEPS = [
    *(f"{name} {when}" for name in REQUESTED for when in ("before", "after")),
    *(event.name for event in HAPPENING),
    *("present", "wait", "clean up"),
]

#: Here everything may have come by the time of the cancellation.
TOO_LATE = {"certificate after", "clean up", events.ChallengeCleanedUp.name}


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.replace(" ", "-"))
def test_cancelled_it_ends_at_once_and_the_next_one_goes_on(world: World, step: str, monkeypatch: pytest.MonkeyPatch):
    steps = Steps(step)
    with world.client(steps, monkeypatch) as client:
        client.register(terms_of_service_agreed=True)
        try:
            client.obtain(world.names, scope=steps.scope)
        except Cancelled:
            pass
        else:
            assert step in TOO_LATE
        assert steps.cancelled is not None
        assert time.monotonic() - steps.cancelled < PROMPT
        assert not world.zone.records
        assert not world.web.answers
    assert_connections(world.ca.directory_url, 0)
    steps = Steps("never")
    with world.client(steps, monkeypatch) as client:
        # A certificate that came in time is with this process, which wants another one now.
        assert names_of(client.obtain(world.names)) == set(world.names)
        account = client.acme.account(client.account())
        orders = [client.acme.order(account, url).status for url in client.acme.orders(account)]
        assert set(orders) == {"valid"}
        assert len(orders) == 1 or step in TOO_LATE
        assert client.sweep() == []


@pytest.mark.parametrize("timeout", [0.005, 0.02, 0.05, 0.1])
def test_a_deadline_ends_it_wherever_it_is(world: World, timeout: float, monkeypatch: pytest.MonkeyPatch):
    with world.client(Steps("never"), monkeypatch) as client:
        client.register(terms_of_service_agreed=True)
        began = time.monotonic()
        with suppress(DeadlineExceeded):
            client.obtain(world.names, timeout=timeout)
        assert time.monotonic() - began < timeout + PROMPT
        assert not world.zone.records
        assert not world.web.answers


# Servers that do not answer


@contextmanager
def silent() -> Iterator[str]:
    """Accept connections, and say nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server, ExitStack() as stack:
        accepted = threading.Event()

        def accept() -> None:
            try:
                while True:
                    stack.enter_context(closing(server.accept()[0]))
                    accepted.set()
            except OSError:
                return

        thread = threading.Thread(target=accept)
        thread.start()
        try:
            yield f"https://127.0.0.1:{server.getsockname()[1]}/dir"
        finally:
            server.shutdown(socket.SHUT_RDWR)
            thread.join()


@contextmanager
def half_open() -> Iterator[str]:
    """Listen, and let no connection come about: the kernel drops what the queue has no room for."""
    with socket.socket() as server, ExitStack() as stack:
        server.bind(("127.0.0.1", 0))
        server.listen(0)
        for _ in range(4):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(server.getsockname())
        yield f"https://127.0.0.1:{server.getsockname()[1]}/dir"


@pytest.mark.parametrize("listen", [silent, half_open])
@pytest.mark.parametrize("how", ["cancel", "deadline"])
def test_a_server_that_does_not_answer_keeps_nobody(listen: Callable[[], Any], how: str):
    with listen() as url, Client(url) as client:
        others = connections(url)
        scope = CancelScope(0.2 if how == "deadline" else None)
        if how == "cancel":
            canceller = threading.Timer(0.2, scope.cancel)
            canceller.start()
        began = time.monotonic()
        with pytest.raises(DeadlineExceeded if how == "deadline" else Cancelled):
            client.obtain(["example.org"], scope=scope)
        assert 0.15 < time.monotonic() - began < 0.2 + PROMPT
        assert_connections(url, others)
    assert_no_threads()
