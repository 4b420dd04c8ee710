"""What vouches for ACME servers."""

from __future__ import annotations

import os
import ssl
from pathlib import Path

from .errors import InputError

Trust = str | os.PathLike[str] | bytes | ssl.SSLContext | None


def ssl_context(trust: Trust) -> ssl.SSLContext:
    """Return the TLS settings for talking to an ACME server.

    Args:
        trust: a PEM file, a directory as `openssl rehash` makes it, PEM bytes, or an `SSLContext`, taken
            as it is; `None`: the system's trust store, or certifi's where the system has none.

    Raises:
        InputError: *trust* is not readable, or holds no certificate.
    """
    if isinstance(trust, ssl.SSLContext):
        return trust
    try:
        if trust is None:
            context = _system_trust()
        elif isinstance(trust, bytes):
            # Empty `cadata` would silently mean the system's trust store.
            context = ssl.create_default_context(cadata=trust.decode("ascii") or "empty")
        elif os.fspath(trust) and Path(trust).is_dir():
            context = ssl.create_default_context(capath=os.fspath(trust))
        else:
            context = ssl.create_default_context(cafile=os.fspath(trust) or os.devnull)
    except (OSError, ValueError) as exc:
        shown = "PEM bytes" if isinstance(trust, bytes) else repr(os.fspath(trust or ""))
        raise InputError(f"trust: {shown}: cannot be used as trust store: {exc}") from exc
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def _system_trust() -> ssl.SSLContext:
    context = ssl.create_default_context()
    # A directory is read when a certificate is looked for, so it does not count yet.
    directory = ssl.get_default_verify_paths().capath
    if not context.cert_store_stats()["x509_ca"] and not (directory and any(Path(directory).iterdir())):
        import certifi

        context.load_verify_locations(certifi.where())
    return context
