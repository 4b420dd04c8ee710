"""`EmbeddedCA`: the whole server as one object."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from acmez_testkit.api import Api, Seen
from acmez_testkit.background import Background
from acmez_testkit.behaviour import Behaviour
from acmez_testkit.faults import Faults
from acmez_testkit.issuing import Issuer, api_identity
from acmez_testkit.lookup import Lookup
from acmez_testkit.model import Account, Authorization, Certificate, Order
from acmez_testkit.registry import Registry
from acmez_testkit.server import HttpsServer
from acmez_testkit.validation import Validator


class EmbeddedCA:
    """An ACME server in this process, on a loopback port, for tests. It is NOT a CA.

    It speaks RFC 8555 strictly over real HTTPS and really validates challenges. Its state is in
    memory and can be read after it is stopped; a stopped CA cannot be started again.
    """

    def __init__(self, behaviour: Behaviour | None = None) -> None:
        self.behaviour = behaviour = behaviour or Behaviour()
        self.faults = Faults()
        self.txt_records: dict[str, list[str]] = {}
        """TXT values by name, for DNS challenges without a resolver; the test sets them."""
        self._registry = Registry(behaviour)
        self._background = Background()
        self._issuer = Issuer(alternate_roots=behaviour.alternate_roots, chain_length=behaviour.chain_length)
        self._api = Api(self._registry, self._validator(), self._issuer, self._background, self.faults)
        self.trust_pem, self._context = api_identity()
        self._server: HttpsServer | None = None
        self._stopped = False

    def _validator(self) -> Validator:
        behaviour = self.behaviour
        lookup = Lookup(
            resolver=behaviour.resolver,
            hosts=behaviour.hosts,
            txt_records=self.txt_records,
            timeout=behaviour.validation_timeout,
            loopback_only=behaviour.loopback_only,
        )
        return Validator(
            lookup,
            http_port=behaviour.http_port,
            tls_port=behaviour.tls_port,
            attempts=behaviour.validation_attempts,
            timeout=behaviour.validation_timeout,
        )

    def start(self) -> Self:
        """Serve from now on; nothing changes if it does already. Raise RuntimeError if it was stopped."""
        if self._stopped:
            raise RuntimeError("a stopped EmbeddedCA cannot be started again")
        if self._server is None:
            behaviour = self.behaviour
            self._server = HttpsServer(
                self._api,
                self._context,
                port=behaviour.port,
                body_limit=behaviour.body_limit,
                idle=behaviour.keep_alive_seconds,
            )
            self._registry.origin = behaviour.public_url or f"https://localhost:{self._server.port}"
            self._server.start()
        return self

    def stop(self) -> None:
        """Close every connection and wait for every thread; nothing changes if that is done already."""
        self._stopped = True
        self._background.cancel()
        if self._server is not None:
            self._server.stop()
        self._background.join()

    def __enter__(self) -> Self:
        """Start."""
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop."""
        self.stop()

    @property
    def port(self) -> int:
        """The port it serves on; raises RuntimeError before the start."""
        if self._server is None:
            raise RuntimeError("EmbeddedCA is not started")
        return self._server.port

    @property
    def directory_url(self) -> str:
        """Where clients begin; raises RuntimeError before the start."""
        if self._server is None:
            raise RuntimeError("EmbeddedCA is not started")
        return self._registry.url("/directory")

    def write_trust(self, path: str | Path) -> Path:
        """Write `trust_pem`, the root that the API's own HTTPS certificate needs, to a file."""
        path = Path(path)
        path.write_bytes(self.trust_pem)
        return path

    def root_pem(self, i: int = 0) -> bytes:
        """Return the root of chain `i`: 0 is the default one, the others are the alternates."""
        return self._issuer.roots[i]

    @property
    def requests(self) -> list[Seen]:
        """A copy of the record of all requests, in the order of the answers."""
        return list(self._api.seen)

    @property
    def internal_errors(self) -> tuple[Exception, ...]:
        """Faults of the server itself: a test had better see none."""
        return (*self._api.internal_errors, *self._background.errors)

    @property
    def accounts(self) -> tuple[Account, ...]:
        """Copies of the accounts."""
        with self._registry.lock:
            return tuple(map(replace, self._registry.accounts.values()))

    @property
    def orders(self) -> tuple[Order, ...]:
        """Copies of the orders, brought up to date."""
        with self._registry.lock:
            for order in self._registry.orders.values():
                order.age()
            return tuple(map(replace, self._registry.orders.values()))

    @property
    def authorizations(self) -> tuple[Authorization, ...]:
        """Copies of the authorizations, brought up to date."""
        with self._registry.lock:
            for authorization in self._registry.authorizations.values():
                authorization.age()
            return tuple(map(replace, self._registry.authorizations.values()))

    @property
    def certificates(self) -> tuple[Certificate, ...]:
        """Copies of the certificates."""
        with self._registry.lock:
            return tuple(map(replace, self._registry.certificates.values()))

    def set_renewal_window(
        self,
        certificate_pem_or_cert_id: bytes | str,
        start: datetime,
        end: datetime,
        explanation_url: str | None = None,
    ) -> None:
        """Let renewalInfo suggest this window; raise KeyError for a certificate that is not the CA's."""
        self._api.certificates.set_window(certificate_pem_or_cert_id, start, end, explanation_url)

    def change_terms(self, url: str) -> None:
        """Have new terms of service, which every account has to agree to before its next order."""
        self._registry.terms = url
