"""Keys that live in AWS KMS and never leave it."""

from __future__ import annotations

from collections.abc import Iterator

from acmez.hookspecs import hookimpl
from acmez.protocols import KeyProvider
from acmez_key_aws_kms.errors import AwsKmsError
from acmez_key_aws_kms.provider import AwsKmsKey

__all__ = ["AwsKmsError", "AwsKmsKey"]


@hookimpl
def acmez_key_providers() -> Iterator[type[KeyProvider]]:
    """Offer the key provider."""
    yield AwsKmsKey
