"""A proxy that ends TLS, so that it can fail at every level: TCP, TLS, and single HTTP requests.

The Host field goes through untouched, and CAs build their URLs from it: so all requests come here.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

import trustme

from chaos.stage import LOOPBACK, Plan, Stage


class Proxy:
    """Runs stages in a thread of its own.

    Attributes:
        trust: PEM file with the root of the proxy's certificate.
    """

    def __init__(self, directory: Path) -> None:
        authority = trustme.CA()
        self.trust = directory / "proxy.pem"
        authority.cert_pem.write_to_path(os.fspath(self.trust))
        self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert(LOOPBACK).configure_cert(self._tls)
        self._loop = asyncio.new_event_loop()
        self._loop.set_exception_handler(lambda loop, context: None)  # broken connections are the point
        self._thread = threading.Thread(target=self._loop.run_forever, name="chaos-proxy", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    @contextlib.contextmanager
    def stage(self, plan: Plan, directory_url: str, trust: Path, account: str | None = None) -> Iterator[Stage]:
        """Open a door to the CA at *directory_url*, whose own certificate *trust* vouches for.

        Args:
            account: path of the account, if the client has one already.
        """
        parts = urlsplit(directory_url)
        ca = ssl.create_default_context(cafile=trust)

        async def begin() -> Stage:
            return Stage(plan, (str(parts.hostname), parts.port or 443), (self._tls, ca), parts.path, account)

        stage = asyncio.run_coroutine_threadsafe(begin(), self._loop).result(10)
        try:
            yield stage
        finally:
            asyncio.run_coroutine_threadsafe(stage.end(), self._loop).result(10)
