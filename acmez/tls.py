"""TLS contexts for servers: from PEM in memory, and from files that are renewed while the server runs."""

from __future__ import annotations

import logging
import os
import ssl
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Self, TypeAlias

from .acme.scope import CancelScope
from .errors import KeyFileError

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer, StrOrBytesPath

log = logging.getLogger(__name__)

#: Is called with connection, server name and context, like `ssl.SSLContext.sni_callback`.
ServerNameCallback: TypeAlias = Callable[[ssl.SSLObject, str, ssl.SSLContext], int | None]

_BETWEEN_RENAMES = 0.05  # seconds after which files that did not match are looked at again
_SURELY_BROKEN = 3  # looks in a row that failed, so that it is not just a renewal
_FIRST_PATIENCE = 1.0  # seconds for which files that do not match may be about to be replaced


class ReloadingContext(ssl.SSLContext):
    """A context for servers that follows renewed files without a restart; no connection notices.

    The files are fullchain.pem and privkey.pem, as `Certificate.write` and certbot write them. A handshake looks
    whether they changed, at most every *check_every* seconds. What is there between two renames does not match,
    and until it does, or if it cannot be read, the certificate before is kept.

        ssl, asyncio    context.wrap_socket(...), asyncio.start_server(..., ssl=context), aiohttp's ssl_context
        uvicorn         uvicorn.run(app, ssl_context_factory=lambda config, default: context)
        gunicorn        in gunicorn.conf.py: certfile, keyfile, and def ssl_context(config, default): return context
        hypercorn       in a subclass of hypercorn.Config: def create_ssl_context(self): return context

    All other settings are made as with any context. For several certificates on one port, set `sni_callback` on
    one and let it choose another one's `current`.

    Args:
        directory: where both files are.
        check_every: seconds.

    Raises:
        KeyFileError: at the beginning, a file is missing or cannot be read, or they do not belong together.
    """

    def __new__(cls, directory: str | os.PathLike[str], *, check_every: float = 1.0) -> Self:
        return super().__new__(cls, ssl.PROTOCOL_TLS_SERVER)

    def __init__(self, directory: str | os.PathLike[str], *, check_every: float = 1.0) -> None:
        self.directory = Path(directory)
        self._check_every = check_every
        self._lock = threading.Lock()
        self._settings: list[Callable[[ssl.SSLContext], object]] = []
        self._callback: ServerNameCallback | None = None
        self._failures = 0
        self.minimum_version = ssl.TLSVersion.TLSv1_2
        self._loaded, self._inner = self._first()
        self._next_look = time.monotonic() + check_every
        ssl.SSLContext.sni_callback.__set__(self, self._choose)  # type: ignore[union-attr]

    @property
    def current(self) -> ssl.SSLContext:
        """The plain context with the certificate of this moment."""
        if time.monotonic() >= self._next_look and self._lock.acquire(blocking=False):
            try:
                self._look()
            finally:
                self._lock.release()
        return self._inner

    @property
    def sni_callback(self) -> ServerNameCallback | None:
        """What is called after the certificate of the moment was chosen, and may choose another one."""
        return self._callback

    @sni_callback.setter
    def sni_callback(self, callback: ServerNameCallback | None) -> None:
        self._callback = callback

    # These are not a connection's own, which takes them from the context that it was changed to.

    def set_alpn_protocols(self, alpn_protocols: Iterable[str]) -> None:
        """Do what `ssl.SSLContext` does."""
        protocols = [*alpn_protocols]
        super().set_alpn_protocols(protocols)
        self._set(lambda context: context.set_alpn_protocols(protocols))

    def load_verify_locations(
        self,
        cafile: StrOrBytesPath | None = None,
        capath: StrOrBytesPath | None = None,
        cadata: str | ReadableBuffer | None = None,
    ) -> None:
        """Do what `ssl.SSLContext` does."""
        super().load_verify_locations(cafile, capath, cadata)
        self._set(lambda context: context.load_verify_locations(cafile, capath, cadata))

    def _set(self, setting: Callable[[ssl.SSLContext], object]) -> None:
        with self._lock:
            self._settings.append(setting)
            setting(self._inner)

    def _choose(self, connection: ssl.SSLObject, name: str, context: ssl.SSLContext) -> int | None:
        connection.context = self.current
        return None if self._callback is None else self._callback(connection, name, context)

    def _first(self) -> tuple[object, ssl.SSLContext]:
        latest = time.monotonic() + _FIRST_PATIENCE
        while True:
            try:
                return self._signature(), self._load()
            except OSError as error:  # an SSLError is one
                if not isinstance(error, ssl.SSLError) or time.monotonic() > latest:
                    raise KeyFileError(f"{self.directory}: {_reason(error)}") from error
            CancelScope().sleep(_BETWEEN_RENAMES)

    def _look(self) -> None:
        self._next_look = time.monotonic() + self._check_every
        signature: object = None
        try:
            signature = self._signature()  # before the files are read: what changes after this is seen next time
            if signature != self._loaded:
                self._loaded, self._inner = signature, self._load()
                log.info("%s: a new certificate is served", self.directory)
            self._failures = 0
        except OSError as error:
            self._failures += 1
            if self._failures == _SURELY_BROKEN:
                log.warning("%s: the certificate before is kept: %s", self.directory, _reason(error))
            if self._failures < _SURELY_BROKEN:
                self._next_look = time.monotonic() + min(_BETWEEN_RENAMES, self._check_every)

    def _signature(self) -> object:
        found = [(self.directory / name).stat() for name in ("fullchain.pem", "privkey.pem")]
        return [(file.st_dev, file.st_ino, file.st_size, file.st_mtime_ns) for file in found]

    def _load(self) -> ssl.SSLContext:
        chain, key = ((self.directory / name).read_bytes() for name in ("fullchain.pem", "privkey.pem"))
        context = server_context(chain, key)
        for setting in self._settings:
            setting(context)
        return context


def _reason(error: OSError) -> str:
    if isinstance(error, ssl.SSLError):
        return f"fullchain.pem and privkey.pem cannot be used together: {error.reason or error}"
    return f"{Path(error.filename or '').name}: {error.strerror}"


def server_context(chain_pem: bytes, key_pem: bytes) -> ssl.SSLContext:
    """Return a context for servers with this certificate: TLS 1.2 and newer, clients are not asked for theirs.

    Args:
        chain_pem: the certificate first, then its issuers.
        key_pem: unencrypted.

    Raises:
        ssl.SSLError: they cannot be read, or do not belong together.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    load_pem(context, chain_pem, key_pem)
    return context


def load_pem(context: ssl.SSLContext, chain_pem: bytes, key_pem: bytes) -> None:
    """Load a certificate and its key like `SSLContext.load_cert_chain`, but from memory; raises the same."""
    with _path_of(b"\n".join((key_pem, chain_pem))) as path:
        context.load_cert_chain(path, password=_no_password)


def _no_password() -> bytes:
    """Answer in place of the terminal, where OpenSSL would ask for the password of an encrypted key."""
    raise ssl.SSLError("the key is encrypted")


@contextmanager
def _path_of(data: bytes) -> Iterator[str]:
    """Yield a path at which *data* can be read; on Linux it never touches a disk."""
    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create("acmez")
        try:
            with os.fdopen(descriptor, "wb", closefd=False) as file:
                file.write(data)
            yield f"/proc/self/fd/{descriptor}"
        finally:
            os.close(descriptor)
    else:
        with tempfile.NamedTemporaryFile() as file:  # mode 0600
            file.write(data)
            file.flush()
            yield file.name
