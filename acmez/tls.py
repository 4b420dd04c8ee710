"""TLS contexts from PEM in memory, which Python's ssl takes from files only."""

from __future__ import annotations

import os
import ssl
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager


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
