"""Many certificates with one client: bounded memory, results as they finish, no failure stops the rest."""

from __future__ import annotations

import queue
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from contextlib import suppress
from contextvars import copy_context
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

from .acme.errors import Cancelled, InputError
from .acme.scope import CancelScope
from .certificate import Certificate
from .spec import CertificateSpec

if TYPE_CHECKING:
    from .client import Client


@dataclass(frozen=True)
class Issued:
    """What became of one specification.

    Attributes:
        spec: the specification.
        certificate: `None` if it failed.
        error: why; `None` if it did not fail. Besides what `Client.obtain` raises, what the executor did, such
            as `BrokenProcessPool`.
    """

    spec: CertificateSpec
    certificate: Certificate | None = None
    error: Exception | None = None

    def result(self) -> Certificate:
        """Return the certificate, or raise what went wrong."""
        if self.certificate is None:
            raise self.error or AssertionError("neither a certificate nor an error")
        return self.certificate


class Executor(Protocol):
    """Runs calls elsewhere: `concurrent.futures`' executors, Dask's `Client.get_executor()`, ..."""

    def submit(self, fn: Callable[..., Certificate], /, *args: object) -> Future[Certificate]: ...


def obtain_many(
    client: Client,
    specs: Iterable[CertificateSpec],
    *,
    executor: Executor | None,
    at_once: int,
    scope: CancelScope | None,
) -> Iterator[Issued]:
    """Obtain a certificate for each of *specs*; see `Client.obtain_many`."""
    if at_once < 1:
        raise InputError(f"at_once: {at_once!r} is not at least 1")
    return _obtain_many(client, iter(specs), executor, at_once, scope)


def _obtain_many(
    client: Client,
    specs: Iterator[CertificateSpec],
    executor: Executor | None,
    at_once: int,
    scope: CancelScope | None,
) -> Iterator[Issued]:
    with CancelScope(parent=scope) as inner:
        if executor is not None:
            yield from _Fleet(client, executor, inner, ours=False).run(specs, at_once)
            return
        with ThreadPoolExecutor(at_once, "acmez-fleet") as threads:
            yield from _Fleet(client, threads, inner, ours=True).run(specs, at_once)


class _Fleet:
    """Issuances that run at the same time.

    Args:
        scope: what it is cancelled by, and what cancels those that run in this process.
        ours: whether all of them end with the scope.
    """

    def __init__(self, client: Client, executor: Executor, scope: CancelScope, *, ours: bool) -> None:
        self._client = client
        self._executor = executor
        self._obtain = _Obtain(client, scope)
        self._scope = scope
        self._ours = ours
        self._running: dict[Future[Certificate], CertificateSpec] = {}
        self._unread = 0
        self._done: queue.SimpleQueue[Issued | None] = queue.SimpleQueue()

    def run(self, specs: Iterator[CertificateSpec], at_once: int) -> Iterator[Issued]:
        """Keep *at_once* running, and no more than that in memory."""
        try:
            with self._scope.on_cancel(lambda: self._done.put(None)):
                while True:
                    while self._unread < at_once and (spec := next(specs, None)) is not None:
                        self._start(spec)
                    if not self._unread:
                        return
                    yield self._await_next()
        except Cancelled:
            self._stop()
            yield from self._ended()
            raise
        finally:
            self._stop()  # the caller may have stopped reading

    def _start(self, spec: CertificateSpec) -> None:
        try:
            if self._ours:  # in the caller's context: who watches may look for something there
                future = self._executor.submit(copy_context().run, self._obtain, spec)
            else:
                future = self._executor.submit(self._obtain, spec)
        except Exception as exc:  # noqa: BLE001 - an executor that is broken, say: told for each
            future = Future()
            future.set_exception(exc)
        self._running[future] = spec
        self._unread += 1
        future.add_done_callback(self._take_over)

    def _take_over(self, future: Future[Certificate]) -> None:
        # At once, and without the future: while there is one, a cluster that loses a worker does its work again.
        self._done.put(_outcome(self._running.pop(future), future))

    def _await_next(self) -> Issued:
        while True:
            with suppress(queue.Empty):
                issued = self._done.get(timeout=self._scope.remaining())
                if issued is not None:
                    return self._read(issued)
            self._scope.check()

    def _ended(self) -> Iterator[Issued]:
        """Yield what has ended, or is about to: it may have brought a certificate."""
        while self._unread:
            try:
                issued = self._done.get(block=self._ours)
            except queue.Empty:
                return
            if issued is not None:
                yield self._read(issued)

    def _read(self, issued: Issued) -> Issued:
        self._unread -= 1
        if issued.certificate is None:
            return issued
        return replace(issued, certificate=self._client.adopt(issued.certificate))

    def _stop(self) -> None:
        self._scope.cancel()
        for future in list(self._running):
            future.cancel()


def _outcome(spec: CertificateSpec, future: Future[Certificate]) -> Issued:
    try:
        return Issued(spec, future.result())
    except CancelledError:
        return Issued(spec, error=Cancelled("cancelled before it began"))
    except Exception as exc:  # noqa: BLE001 - told for each
        return Issued(spec, error=exc)


@dataclass(frozen=True)
class _Obtain:
    """Obtains in this process; pickled, it becomes what obtains in another one."""

    client: Client
    scope: CancelScope

    def __call__(self, spec: CertificateSpec) -> Certificate:
        return self.client.obtain(spec, scope=self.scope)

    def __reduce__(self) -> tuple[type[_ObtainElsewhere], tuple[Client]]:
        return _ObtainElsewhere, (self.client,)


@dataclass(frozen=True)
class _ObtainElsewhere:
    """Obtains in another process, where the client is a copy, and this call's own."""

    client: Client

    def __call__(self, spec: CertificateSpec) -> Certificate:
        with self.client:
            return self.client.obtain(spec)
