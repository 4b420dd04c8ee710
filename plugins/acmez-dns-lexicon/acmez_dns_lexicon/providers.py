"""Lexicon's providers, held on a short lead: they may hang, and say secrets when they fail."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol
from urllib.parse import quote

from acmez.acme.errors import Cancelled
from acmez.acme.scope import CancelScope
from acmez.acme.wire import printable
from acmez.dns import DnsError, ZoneRecord
from acmez.dns.foreign import bounded
from acmez.dns.texts import unquoted

# They write into zone files what they get, where a semicolon, as in the records of dns-persist-01, begins a comment.
_QUOTED = {"localzone"}


class LexiconError(DnsError):
    """A provider failed, or did not answer; the message starts with the zone."""


class Provider(Protocol):
    """What Lexicon's providers have in common (lexicon.interfaces)."""

    def authenticate(self) -> None: ...
    def cleanup(self) -> None: ...
    def create_record(self, rtype: str, name: str, content: str) -> bool: ...
    def list_records(self, rtype: str, name: str, content: str | None = None) -> Sequence[Mapping[str, Any]]: ...
    def delete_record(self, identifier: str | None, rtype: str, name: str, content: str) -> bool: ...


def provider_names() -> list[str]:
    """Return the names of all providers that Lexicon has, whether or not their own requirements are installed."""
    import pkgutil

    from lexicon._private import providers

    return sorted(module.name for module in pkgutil.iter_modules(providers.__path__) if module.name != "auto")


class Lexicon:
    """Makes providers for zones, and calls them.

    Lexicon's own client is not used: it cuts names by the public suffix list, which it fetches from the internet,
    where the zone is known.

    Args:
        credentials: the provider's options.
        timeout: seconds for all that is done to one zone.
    """

    def __init__(self, provider: str, credentials: Mapping[str, str], *, ttl: int, timeout: float) -> None:
        self._provider = provider
        self._credentials = dict(credentials)
        self._ttl = ttl
        self._timeout = timeout

    def add(self, zone: str, records: Sequence[ZoneRecord], scope: CancelScope) -> None:
        """Add what is not there yet.

        Raises:
            LexiconError: the provider fails, or does not come to an end.
            Cancelled: *scope* ended.
        """

        def work(provider: Provider) -> None:
            for record in records:
                scope.check()
                content = record.quoted if self._provider in _QUOTED else record.value
                if not _known(provider, record) and not provider.create_record("TXT", f"{record.name}.", content):
                    raise LexiconError(f"{record.name!r} was not added, for no reason given")

        self._bounded(zone, work, scope)

    def remove(self, zone: str, records: Sequence[ZoneRecord], scope: CancelScope) -> None:
        """Remove values that are there, and nothing else; raises like `add`."""

        def work(provider: Provider) -> None:
            for record in records:
                scope.check()
                # Some providers fail if there is nothing, and without content would delete all that is at the name.
                if _known(provider, record):
                    provider.delete_record(None, "TXT", f"{record.name}.", record.value)

        self._bounded(zone, work, scope)

    def _bounded(self, zone: str, work: Callable[[Provider], None], scope: CancelScope) -> None:
        """Do *work*, but no longer than it may take: most providers wait for their servers for ever."""

        def log_in_and_work() -> None:
            provider = self._made(zone)
            provider.authenticate()
            try:
                work(provider)
            finally:
                provider.cleanup()

        try:
            bounded(log_in_and_work, scope, timeout=self._timeout)
        except Cancelled:
            raise
        except Exception as error:
            raise self._told(zone, error) from error

    def _made(self, zone: str) -> Provider:
        from lexicon._private.discovery import load_provider_module
        from lexicon.config import ConfigResolver

        options = {"provider_name": self._provider, "domain": zone, "ttl": self._ttl, "action": "list", "type": "TXT"}
        config = ConfigResolver()  # type: ignore[no-untyped-call]
        config.with_dict({**options, self._provider: self._credentials})
        provider: Provider = load_provider_module(self._provider).Provider(config)
        return provider

    def _told(self, zone: str, error: Exception) -> LexiconError:
        """Say what went wrong, without the credentials, which some providers put into their URLs."""
        own = isinstance(error, LexiconError | TimeoutError)
        text = str(error) if own else f"{type(error).__name__}: {error}"
        for secret in self._credentials.values():
            if len(secret) > 3:
                text = text.replace(secret, "***").replace(quote(secret, safe=""), "***")
        hint = ""
        if isinstance(error, ImportError | NameError):  # its optional requirements
            hint = f" (pip install 'dns-lexicon[{self._provider}]')"
        return LexiconError(f"zone {zone!r}: {self._provider!r}: {printable(text, 500)}{hint}")


def _known(provider: Provider, record: ZoneRecord) -> bool:
    found = provider.list_records("TXT", f"{record.name}.")
    return any(
        str(each.get("name")).rstrip(".").lower() == record.name
        and record.value in {str(each.get("content")), unquoted(str(each.get("content")))}
        for each in found
    )
