"""Keys that live in a PKCS #11 token and never leave it."""

from __future__ import annotations

from collections.abc import Iterator

from acmez.hookspecs import hookimpl
from acmez.protocols import KeyProvider
from acmez_key_pkcs11.errors import Pkcs11Error
from acmez_key_pkcs11.provider import Pkcs11Key

__all__ = ["Pkcs11Error", "Pkcs11Key"]


@hookimpl
def acmez_key_providers() -> Iterator[type[KeyProvider]]:
    """Offer the key provider."""
    yield Pkcs11Key
