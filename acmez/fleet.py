"""Many certificates with one client: bounded memory, results as they finish, no failure stops the rest."""

from __future__ import annotations

import queue
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol, TypeVar

from .acme.errors import AcmeError
from .acme.scope import CancelScope
from .certificate import Certificate
from .spec import CertificateSpec

if TYPE_CHECKING:
    from .client import Client

T = TypeVar("T")


@dataclass(frozen=True)
class Issued:
    """What became of one specification.

    Attributes:
        spec: the specification.
        certificate: `None` if it failed.
        error: why; `None` if it did not fail.
    """

    spec: CertificateSpec
    certificate: Certificate | None = None
    error: AcmeError | None = None

    def result(self) -> Certificate:
        """Return the certificate, or raise what went wrong."""
        if self.certificate is None:
            raise self.error or AssertionError("neither a certificate nor an error")
        return self.certificate


class Executor(Protocol):
    """Runs calls elsewhere: `concurrent.futures`' executors, Dask's `Client.get_executor()`, ..."""

    def submit(self, fn: Callable[..., Issued], /, *args: object) -> Future[Issued]: ...


def obtain_many(
    client: Client,
    specs: Iterable[CertificateSpec],
    *,
    executor: Executor | None,
    at_once: int,
    scope: CancelScope | None,
) -> Iterator[Issued]:
    """Obtain a certificate for each of *specs*; see `Client.obtain_many`."""
    if executor is not None:
        for issued in _windowed(executor, _obtain_elsewhere, client, specs, at_once, None):
            yield client.adopt(issued)
        return
    with CancelScope(parent=scope) as inner, ThreadPoolExecutor(at_once, "acmez-fleet") as threads:
        try:
            yield from _windowed(threads, _Here(inner), client, specs, at_once, inner)
        finally:
            inner.cancel()  # the caller may have stopped reading


def _windowed(
    executor: Executor,
    call: Callable[[Client, CertificateSpec], Issued],
    client: Client,
    specs: Iterable[CertificateSpec],
    at_once: int,
    scope: CancelScope | None,
) -> Iterator[Issued]:
    """Keep *at_once* calls running, and no more than that in memory."""
    done: queue.SimpleQueue[Future[Issued]] = queue.SimpleQueue()
    waiting = iter(specs)
    running = 0
    while True:
        while running < at_once and (spec := next(waiting, None)) is not None:
            executor.submit(call, client, spec).add_done_callback(done.put)
            running += 1
        if not running:
            return
        future = done.get()
        running -= 1
        yield future.result()
        if scope is not None:
            scope.check()


@dataclass(frozen=True)
class _Here:
    scope: CancelScope

    def __call__(self, client: Client, spec: CertificateSpec) -> Issued:
        try:
            return Issued(spec, client.obtain(spec, scope=self.scope))
        except AcmeError as exc:
            return Issued(spec, error=exc)


def _obtain_elsewhere(client: Client, spec: CertificateSpec) -> Issued:
    """Obtain in another process; *client* was pickled, so it is this call's own there."""
    try:
        return Issued(spec, client.obtain(spec))
    except AcmeError as exc:
        return Issued(spec, error=exc)


def with_written(issued: Issued, written: Callable[[], None]) -> Issued:
    """Return *issued* with what to call when its certificate is in a file."""
    if issued.certificate is None:
        return issued
    return replace(issued, certificate=replace(issued.certificate, written=written))
