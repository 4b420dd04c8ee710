"""The client for asyncio: a thin facade over the same engine, which runs in threads."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from contextvars import copy_context
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, Self, TypeVar

from cryptography import x509

from .acme.account import Account
from .acme.certificate import RevocationReason
from .acme.jws import ExternalAccount, PrivateKey
from .acme.renewal import RenewalInfo
from .acme.scope import CancelScope
from .certificate import Certificate
from .client import Client as SyncClient
from .events import Event
from .protocols import KeyProvider
from .renewing import Due
from .spec import CertificateSpec

if TYPE_CHECKING:
    from .fleet import Executor, Issued
    from .plugins import PluginManager

P = ParamSpec("P")
T = TypeVar("T")

_MAX_CALLS = 1000  # at once; a thread each, started when it is needed


def _takes_what(_: Callable[P, object]) -> Callable[[Callable[..., None]], Callable[Concatenate[Any, P], None]]:
    """Give a constructor the parameters of another one."""
    return lambda function: function


class Client:
    """`acmez.Client` with coroutines: cancelling the task cancels the issuance and waits for its clean-up.

    It takes the same arguments.

    Attributes:
        sync: the client that does the work.
    """

    @_takes_what(SyncClient)
    def __init__(self, *args: Any, **settings: Any) -> None:
        self._work_with(SyncClient(*args, **settings))

    def _work_with(self, sync: SyncClient) -> None:
        self.sync = sync
        self.certificates = sync.certificates
        self._threads = ThreadPoolExecutor(_MAX_CALLS, "acmez-aio")

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Wait for the calls that are running, and close the connections and the journal."""
        await asyncio.to_thread(self._close)

    def _close(self) -> None:
        self._threads.shutdown()
        self.sync.close()

    async def register(
        self,
        contact: Sequence[str] | None = None,
        *,
        terms_of_service_agreed: bool | None = None,
        external_account: ExternalAccount | None = None,
    ) -> Account:
        """Create the account, or find the one that the key has already; see `acmez.Client.register`."""
        return await self._run(
            lambda scope: self.sync.register(
                contact,
                terms_of_service_agreed=terms_of_service_agreed,
                external_account=external_account,
                scope=scope,
            )
        )

    async def account(self) -> Account:
        """Return the account of the key; see `acmez.Client.account`."""
        return await self._run(lambda scope: self.sync.account(scope=scope))

    async def update_account(
        self, contact: Sequence[str] | None = None, *, terms_of_service_agreed: bool = False
    ) -> Account:
        """Replace the contacts, or agree to changed terms of service; see `acmez.Client.update_account`."""
        return await self._run(
            lambda scope: self.sync.update_account(
                contact, terms_of_service_agreed=terms_of_service_agreed, scope=scope
            )
        )

    async def change_account_key(self, new: KeyProvider | PrivateKey | str | os.PathLike[str] | None = None) -> Account:
        """Give the account another key; see `acmez.Client.change_account_key`."""
        return await self._run(lambda scope: self.sync.change_account_key(new, scope=scope))

    async def deactivate_account(self) -> Account:
        """End the account for ever; see `acmez.Client.deactivate_account`."""
        return await self._run(lambda scope: self.sync.deactivate_account(scope=scope))

    async def obtain(
        self,
        what: Sequence[str] | bytes | str | x509.CertificateSigningRequest | CertificateSpec,
        *,
        key: KeyProvider | PrivateKey | None = None,
        profile: str | None = None,
        preferred_chain: str | None = None,
        replaces: x509.Certificate | str | None = None,
        allow_subset: bool = False,
        timeout: float | None = None,  # noqa: ASYNC109 - the same word as in the synchronous client
    ) -> Certificate:
        """Obtain one certificate; see `acmez.Client.obtain`."""
        return await self._run(
            lambda scope: self.sync.obtain(
                what,
                key=key,
                profile=profile,
                preferred_chain=preferred_chain,
                replaces=replaces,
                allow_subset=allow_subset,
                timeout=timeout,
                scope=scope,
            )
        )

    def obtain_many(
        self,
        specs: Iterable[CertificateSpec | Sequence[str]],
        *,
        executor: Executor | None = None,
        at_once: int = 8,
    ) -> AsyncGenerator[Issued, None]:
        """Obtain many certificates, and yield each as it is done; see `acmez.Client.obtain_many`.

        It ends, cleaned up, with `aclose`, or when the task that reads it is cancelled.
        """
        return self._each(lambda scope: self.sync.obtain_many(specs, executor=executor, at_once=at_once, scope=scope))

    def resume(self, *, at_once: int = 8) -> AsyncGenerator[Issued, None]:
        """Go on with every order of `unfinished`, as `obtain_many` does; see `acmez.Client.resume`."""
        return self._each(lambda scope: self.sync.resume(at_once=at_once, scope=scope))

    async def unfinished(self) -> list[CertificateSpec]:
        """Return what an earlier process left in the journal; see `acmez.Client.unfinished`."""
        return await self._run(lambda scope: self.sync.unfinished(scope=scope))

    async def adopt(self, certificate: Certificate) -> Certificate:
        """Take over a certificate that another process obtained; see `acmez.Client.adopt`."""
        return await self._run(lambda _: self.sync.adopt(certificate))

    async def revoke(
        self, certificate: x509.Certificate, *, key: PrivateKey | None = None, reason: RevocationReason | None = None
    ) -> None:
        """Revoke a certificate; see `acmez.Client.revoke`."""
        await self._run(lambda scope: self.sync.revoke(certificate, key=key, reason=reason, scope=scope))

    async def renewal_info(self, certificate: x509.Certificate) -> RenewalInfo:
        """Ask when the CA wants a certificate to be renewed; see `acmez.Client.renewal_info`."""
        return await self._run(lambda scope: self.sync.renewal_info(certificate, scope=scope))

    async def due(self, certificate: x509.Certificate, *, now: datetime | None = None) -> Due:
        """Say whether to renew a certificate; see `acmez.Client.due`."""
        return await self._run(lambda scope: self.sync.due(certificate, now=now, scope=scope))

    async def sweep(self) -> list[str]:
        """Clean up what an earlier process presented; see `acmez.Client.sweep`."""
        return await self._run(lambda scope: self.sync.sweep(scope=scope))

    def watch(self, observer: Callable[[Event], None]) -> None:
        """Call *observer* with every event, in one of the client's threads; see `acmez.Client.watch`."""
        self.sync.watch(observer)

    async def _each(self, start: Callable[[CancelScope], Iterator[T]]) -> AsyncGenerator[T, None]:
        scope = CancelScope()
        results: Iterator[T] = iter(())
        try:
            results = await self._run(lambda _: start(scope), scope)
            while found := await self._run(lambda _: list(islice(results, 1)), scope):
                yield found[0]
        finally:
            # What runs is cancelled, and has cleaned up when the generator's own threads have ended.
            scope.cancel()
            await self._run(lambda _: _close(results))

    async def _run(self, call: Callable[[CancelScope], T], scope: CancelScope | None = None) -> T:
        scope = scope or CancelScope()
        running = self._threads.submit(copy_context().run, call, scope)
        done = asyncio.wrap_future(running)
        try:
            return await asyncio.shield(done)
        except asyncio.CancelledError:
            scope.cancel()
            if not running.cancel():
                # What was presented is being cleaned up: the task ends when that is done.
                with suppress(Exception):
                    await done
            raise


def _close(results: Iterator[object]) -> None:
    if isinstance(results, Generator):
        with suppress(ValueError):  # it runs still, for a task that was cancelled twice: it closes itself
            results.close()


def from_config(path: str | Path, *, plugins: PluginManager | None = None) -> Client:
    """Return a client as a configuration file describes it; see `acmez.from_config`."""
    from .config import from_config as sync_from_config

    client = Client.__new__(Client)
    client._work_with(sync_from_config(path, plugins=plugins))
    return client
