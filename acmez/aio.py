"""The client for asyncio: a thin facade over the same engine, which runs in threads."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any, Concatenate, ParamSpec, Self, TypeVar

from cryptography import x509

from .acme.account import Account
from .acme.certificate import RevocationReason
from .acme.jws import ExternalAccount, PrivateKey
from .acme.renewal import RenewalInfo
from .acme.scope import CancelScope
from .certificate import Certificate
from .client import Client as SyncClient
from .protocols import KeyProvider
from .spec import CertificateSpec

P = ParamSpec("P")
T = TypeVar("T")

_MAX_CALLS = 1000  # at once; a thread each, started when it is needed


def _takes_what(_: Callable[P, object]) -> Callable[[Callable[..., None]], Callable[Concatenate[Any, P], None]]:
    """Give a constructor the parameters of another one."""
    return lambda function: function


class Client:
    """`acmez.Client` with coroutines: cancelling the task cancels the issuance and waits for its clean-up.

    It takes the same arguments.
    """

    @_takes_what(SyncClient)
    def __init__(self, *args: Any, **settings: Any) -> None:
        self.sync = SyncClient(*args, **settings)
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

    async def revoke(
        self, certificate: x509.Certificate, *, key: PrivateKey | None = None, reason: RevocationReason | None = None
    ) -> None:
        """Revoke a certificate; see `acmez.Client.revoke`."""
        await self._run(lambda scope: self.sync.revoke(certificate, key=key, reason=reason, scope=scope))

    async def renewal_info(self, certificate: x509.Certificate) -> RenewalInfo:
        """Ask when the CA wants a certificate to be renewed; see `acmez.Client.renewal_info`."""
        return await self._run(lambda scope: self.sync.renewal_info(certificate, scope=scope))

    async def sweep(self) -> list[str]:
        """Clean up what an earlier process presented; see `acmez.Client.sweep`."""
        return await self._run(lambda scope: self.sync.sweep(scope=scope))

    async def _run(self, call: Callable[[CancelScope], T]) -> T:
        scope = CancelScope()
        running = self._threads.submit(call, scope)
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
