"""The components that come with acmez, offered the way every plugin offers its own.

Each is a plugin of its own, named like its component and loaded when somebody names it, so that none of them
costs anything before and any of them can be blocked and replaced.
"""

from __future__ import annotations

from collections.abc import Iterator

from .hookspecs import hookimpl
from .protocols import KeyProvider, RetryPolicy, Waiter


class _File:
    @hookimpl
    def acmez_key_providers(self) -> Iterator[type[KeyProvider]]:
        from .keys import FileKey

        yield FileKey


class _Generated:
    @hookimpl
    def acmez_key_providers(self) -> Iterator[type[KeyProvider]]:
        from .keys import GeneratedKey

        yield GeneratedKey


class _Default:
    @hookimpl
    def acmez_retry_policies(self) -> Iterator[type[RetryPolicy]]:
        from .acme.retry import DefaultRetry

        yield DefaultRetry


class _DnsPropagation:
    @hookimpl
    def acmez_waiters(self) -> Iterator[type[Waiter]]:
        from .waiters.dns import DnsPropagation

        yield DnsPropagation


class _HttpSelfCheck:
    @hookimpl
    def acmez_waiters(self) -> Iterator[type[Waiter]]:
        from .waiters.http import HttpSelfCheck

        yield HttpSelfCheck


file = _File()
generated = _Generated()
default = _Default()
dns_propagation = _DnsPropagation()
http_self_check = _HttpSelfCheck()
