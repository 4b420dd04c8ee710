"""Get TLS certificates from any ACME server (RFC 8555).

    client = acmez.Client("letsencrypt-staging", solvers=[WebrootSolver(path="/var/www/html")],
                          account_key=acmez.FileKey("account.pem"))
    client.register(contact=["mailto:admin@example.com"], terms_of_service_agreed=True)
    client.obtain(["example.com", "www.example.com"]).write("certs/example.com")

`acmez.acme` is the protocol itself, one method per request.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .acme import (
        Account,
        AcmeError,
        Cancelled,
        CancelScope,
        Chain,
        Challenge,
        DeadlineExceeded,
        DefaultRetry,
        ExternalAccount,
        Identifier,
        InputError,
        OrderLimit,
        Polling,
        ProblemError,
        RateLimited,
        RevocationReason,
        Timeouts,
        TransportError,
    )
    from .certificate import Certificate
    from .client import Client
    from .config import from_config, load_config
    from .errors import (
        AcmezError,
        CertificateError,
        ChallengesFailed,
        ConfigError,
        FailedIdentifier,
        IssuanceError,
        JournalError,
        KeyFileError,
        KeyProviderError,
        OrderFailed,
        PluginConflictError,
        PluginError,
        PluginLoadError,
        PluginNotFoundError,
        TryAgainLater,
    )
    from .events import Event
    from .hookspecs import hookimpl
    from .keys import FileKey, GeneratedKey
    from .options import Secret
    from .plugins import PluginManager
    from .protocols import Handle, KeyProvider, RetryPolicy, Solver, Waiter
    from .routing import Route
    from .spec import CertificateSpec

__all__ = [
    "Account",
    "AcmeError",
    "AcmezError",
    "CancelScope",
    "Cancelled",
    "Certificate",
    "CertificateError",
    "CertificateSpec",
    "Chain",
    "Challenge",
    "ChallengesFailed",
    "Client",
    "ConfigError",
    "DeadlineExceeded",
    "DefaultRetry",
    "Event",
    "ExternalAccount",
    "FailedIdentifier",
    "FileKey",
    "GeneratedKey",
    "Handle",
    "Identifier",
    "InputError",
    "IssuanceError",
    "JournalError",
    "KeyFileError",
    "KeyProvider",
    "KeyProviderError",
    "OrderFailed",
    "OrderLimit",
    "PluginConflictError",
    "PluginError",
    "PluginLoadError",
    "PluginManager",
    "PluginNotFoundError",
    "Polling",
    "ProblemError",
    "RateLimited",
    "RetryPolicy",
    "RevocationReason",
    "Route",
    "Secret",
    "Solver",
    "Timeouts",
    "TransportError",
    "TryAgainLater",
    "Waiter",
    "from_config",
    "hookimpl",
    "load_config",
]

#: Where each name lives. It is imported when it is first used: a module of hooks, a plugin or the
#: command line needs one or two of them, and should not wait for the rest.
_HOMES = {
    "acme": [
        "Account",
        "AcmeError",
        "CancelScope",
        "Cancelled",
        "Chain",
        "Challenge",
        "DeadlineExceeded",
        "DefaultRetry",
        "ExternalAccount",
        "Identifier",
        "InputError",
        "OrderLimit",
        "Polling",
        "ProblemError",
        "RateLimited",
        "RevocationReason",
        "Timeouts",
        "TransportError",
    ],
    "certificate": ["Certificate"],
    "client": ["Client"],
    "config": ["from_config", "load_config"],
    "errors": [
        "AcmezError",
        "CertificateError",
        "ChallengesFailed",
        "ConfigError",
        "FailedIdentifier",
        "IssuanceError",
        "JournalError",
        "KeyFileError",
        "KeyProviderError",
        "OrderFailed",
        "PluginConflictError",
        "PluginError",
        "PluginLoadError",
        "PluginNotFoundError",
        "TryAgainLater",
    ],
    "events": ["Event"],
    "hookspecs": ["hookimpl"],
    "keys": ["FileKey", "GeneratedKey"],
    "options": ["Secret"],
    "plugins": ["PluginManager"],
    "protocols": ["Handle", "KeyProvider", "RetryPolicy", "Solver", "Waiter"],
    "routing": ["Route"],
    "spec": ["CertificateSpec"],
}
_HOME = {name: module for module, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module 'acmez' has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(f".{_HOME[name]}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
