"""What all orders of one client share."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from cryptography import x509

from . import current, events
from .acme.certificate import Chain
from .acme.challenge import Challenge
from .acme.client import Client as AcmeClient
from .acme.errors import AcmeError
from .acme.identifier import Identifier
from .acme.pace import OrderLimit, Pace
from .acme.polling import Polling
from .acme.problem import ProblemError, printable
from .acme.retry import settle
from .acme.scope import CancelScope
from .acme.session import Exchange
from .choosing import Experience
from .errors import TryAgainLater
from .events import Event
from .guards import Guards
from .logs import log as log  # noqa: PLC0414 - offered here, too
from .logs import tell, tells_requests
from .routing import Route

if TYPE_CHECKING:
    from .journal import Journal
    from .plugins import PluginManager

T = TypeVar("T")


# What it looks like (RFC 8555 §8.1): 128 bits and a hash of 256, in base64url.
_KEY_AUTHORIZATION = re.compile(r"(?<![\w.-])[\w-]{22,}\.[\w-]{43}(?![\w-])", re.ASCII)


def told(error: BaseException) -> str:
    """Put what ended an issuance into words for events; it may come from anywhere, a plugin's hook, say."""
    text = str(error) or type(error).__name__
    return text if isinstance(error, AcmeError) else printable(_KEY_AUTHORIZATION.sub("<key authorization>", text))


@dataclass(frozen=True)
class Engine:
    """Settings and shared state for the orders of one client.

    Attributes:
        acme: the plumbing.
        routes: the solvers, in the user's order.
        journal: where every step is written down; `None`: nowhere.
        preferred_challenges: challenge types that the user wants first.
        parallelism: how many requests and solver calls at once, per order.
        polling: when to look again.
        cleanup_timeout: seconds that cleaning up may take, whatever happened before.
        max_orders: how many orders one certificate may take, counting those that failed.
        order_limit: how many orders all certificates may take; `None`: any number.
        observers: who hears every event, besides *on_event* and the plugins.
    """

    acme: AcmeClient
    routes: tuple[Route, ...]
    plugins: PluginManager | None = None
    journal: Journal | None = None
    on_event: Callable[[Event], None] | None = None
    preferred_challenges: tuple[str, ...] = ()
    parallelism: int = 10
    polling: Polling = field(default_factory=Polling)
    cleanup_timeout: float = 30.0
    max_orders: int = 5
    order_limit: OrderLimit | None = None
    guards: Guards = field(default_factory=Guards)
    experience: Experience = field(default_factory=Experience)
    observers: list[Callable[[Event], None]] = field(default_factory=list)
    _emitting: threading.RLock = field(default_factory=threading.RLock, repr=False)
    _orders: Pace = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_orders", Pace.of(self.order_limit))

    @property
    def watched(self) -> bool:
        """Whether anybody wants events."""
        if self.on_event is not None or self.observers:
            return True
        return self.plugins is not None and self.plugins.hooks_active("acmez_event")

    @property
    def chooses_chains(self) -> bool:
        """Whether a plugin wants to see every chain."""
        return self.plugins is not None and self.plugins.hooks_active("acmez_choose_chain")

    def emit(self, event: Event) -> None:
        """Tell who watches, one event at a time; an observer that fails is logged and changes nothing."""
        _note(event)
        tell(event)
        if not self.watched:
            return
        with self._emitting:
            if self.plugins is not None:
                self.plugins.emit(event)
            for observe in filter(None, (self.on_event, *self.observers)):
                try:
                    observe(event)
                except Exception:  # noqa: BLE001 - logged, and must not change anything
                    log.exception("an observer failed on %s", event.name)

    def emit_request(self, exchange: Exchange) -> None:
        """Tell who watches of a request, and whose it was; without anybody this costs next to nothing."""
        if not (self.watched or tells_requests()):
            return
        work = current.work() or current.Work()
        identifier = work.identifiers.get(exchange.url, "")
        self.emit(events.RequestFinished(exchange=exchange, order=work.order, identifier=identifier))

    @contextmanager
    def issuing(self, names: tuple[str, ...]) -> Iterator[None]:
        """Let all events within the `with` statement say that they are of one issuance, and tell its begin and end."""
        with current.working():
            began = time.monotonic()
            self.emit(events.IssuanceStarted(names=names))
            try:
                yield
            except BaseException as exc:
                self._finish(names, began, exc)
                raise
            self._finish(names, began, None)

    def _finish(self, names: tuple[str, ...], began: float, error: BaseException | None) -> None:
        self.emit(
            events.IssuanceFinished(
                order=current.order(),
                names=names,
                seconds=time.monotonic() - began,
                error=None if error is None else told(error),
                error_type="" if error is None else type(error).__name__,
            )
        )

    def delivery(
        self, leaf: x509.Certificate, names: tuple[str, ...], order: str, forget: Callable[[], None] | None
    ) -> Callable[[Path], None]:
        """Return what to call with the directory once a certificate's files are written; *forget* comes last."""

        def written(directory: Path) -> None:
            serial, until = f"{leaf.serial_number:x}", leaf.not_valid_after_utc
            event = events.CertificateWritten(order=order, names=names, directory=directory, serial=serial, until=until)
            self.emit(event)
            if forget is not None:
                forget()

        return written

    def await_order(self, scope: CancelScope) -> None:
        """Wait until the limit lets one more order be made.

        Raises:
            TryAgainLater: that is not before the scope's deadline.
        """
        seconds = self._orders.claim()
        remaining = scope.remaining()
        if remaining is not None and seconds > remaining:
            self._orders.hand_back()
            not_before = datetime.now(UTC) + timedelta(seconds=seconds)
            raise TryAgainLater(
                f"{self.acme.session.directory_url}: the limit of {self.order_limit} is reached; "
                f"the next may be made at {not_before:%Y-%m-%d %H:%M:%S} UTC, after the deadline",
                not_before=not_before,
                order_url=None,
            )
        if seconds > 0:
            log.info("waiting %.0f s: the limit of %s is reached", seconds, self.order_limit)
            self._orders.sleep(seconds, scope)

    def pause(self, looks: int, asked: float | None, order_url: str) -> float:
        """Return the seconds until the next look at an order, given its Retry-After.

        Raises:
            TryAgainLater: the CA asks for more than the cap.
        """
        if asked is not None and asked > self.polling.max_retry_after:
            raise _later(asked, order_url)
        return self.polling.pause(looks, asked)

    @contextmanager
    def limited(self, order_url: str) -> Iterator[None]:
        """Let a rate limit that the retry policy does not wait for tell which order to go on with.

        Raises:
            TryAgainLater: instead of the `ProblemError`, if the CA says when to come back.
        """
        try:
            yield
        except ProblemError as exc:
            if exc.status not in (429, 503) or exc.retry_after is None:
                raise
            raise _later(exc.retry_after, order_url, f": {exc.problem}") from exc

    def settle(self, send: Callable[[], T], look: Callable[[], T | None], operation: str, scope: CancelScope) -> T:
        """Send what must not be acted on twice: again only if *look*, which reads it back, finds nothing."""
        return settle(send, look, policy=self.acme.session.retry, operation=operation, scope=scope)

    def choose_challenge(self, identifier: Identifier, challenges: Sequence[Challenge]) -> Challenge | None:
        """Ask the plugins which challenge to try next."""
        if self.plugins is None or not challenges:
            return None
        return self.plugins.choose_challenge(identifier, challenges)

    def choose_chain(self, chains: Sequence[Chain]) -> Chain | None:
        """Ask the plugins which chain to take."""
        return None if self.plugins is None else self.plugins.choose_chain(chains)


def _note(event: Event) -> None:
    """Keep what later requests of the same issuance are about."""
    work = current.work()
    match event:
        case events.OrderCreated() | events.OrderResumed() if work is not None:
            work.order = event.order
        case events.AuthorizationFetched() if work is not None:
            work.identifiers |= dict.fromkeys((event.url, *event.challenge_urls), event.identifier)
        case _:
            pass


def _later(seconds: float, order_url: str, why: str = "") -> TryAgainLater:
    not_before = datetime.now(UTC) + timedelta(seconds=min(seconds, 366 * 86400.0))
    message = f"{order_url}: the CA asks to come back in {seconds:.0f} s{why}"
    return TryAgainLater(message, not_before=not_before, order_url=order_url)
