"""A TOML file -> a ready client, or every problem of the file at once.

The file is read, bound and checked, its plugins are loaded and its components built; then all that went wrong is
told together, each with its TOML path. Nothing is sent.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, cast
from urllib.parse import urlsplit

from . import options
from .acme.account import check_contacts
from .acme.authorities import directory_url, recognise
from .acme.errors import InputError
from .acme.jws import ExternalAccount
from .acme.pace import OrderLimit, Paces
from .csr import identifiers, load_request, request_identifiers
from .errors import ConfigError
from .kinds import KEY_PROVIDER, RETRY_POLICY, SOLVER, WAITER, Kind
from .options import Secret
from .routing import Route

if TYPE_CHECKING:
    from .client import Client
    from .plugins import PluginManager
    from .protocols import Solver


def _each(check: Callable[[Sequence[Any]], object]) -> Callable[[Sequence[Any]], None]:
    """Return a check of a list that tells of every item which *check* refuses."""

    def check_each(values: Sequence[Any]) -> None:
        problems: list[str] = []
        for value in values:
            try:
                check([value])
            except InputError as exc:
                problems.append(str(exc))
        if problems:
            raise InputError("\n".join(problems))

    return check_each


def _check_directory(name_or_url: str) -> None:
    url = directory_url(name_or_url)
    if url.startswith("http://") and not _is_local(url):
        raise InputError(f"{url!r} is not protected by TLS, as RFC 8555 §6.1 requires (write 'https://')")


def _check_domains(domains: Sequence[str]) -> None:
    Route(cast("Solver", None), domains=tuple(domains))  # which checks them, whatever the solver is


def _check_trust(path: Path) -> None:
    from .acme.trust import ssl_context

    ssl_context(path)


def _check_request(path: Path) -> None:
    try:
        request_identifiers(load_request(path.read_bytes()))
    except OSError as exc:
        raise InputError(f"'{path}': {exc.strerror or exc}") from exc


def _check_moment(moment: datetime | None) -> None:
    if moment is not None and moment.tzinfo is None:
        raise InputError(f"{moment.isoformat()} has no time zone (did you mean '{moment.isoformat()}Z'?)")


def _check_positive(number: int) -> None:
    if number < 1:
        raise InputError(f"expected at least 1, got {number}")


def _check_rate(rate: float | None) -> None:
    Paces(rate)


def _check_journal(path: Path) -> None:
    if not path.parent.is_dir():
        raise InputError(f"'{path}': {path.parent} is not a directory")


@dataclass(frozen=True)
class Use:
    """A component by its name, with its options.

    Attributes:
        use: the component's name.
        options: the component's own, as `acmez options NAME` lists them.
    """

    kind: ClassVar[Kind[Any]]

    use: str
    options: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class UseWaiter(Use):
    """What waits until an answer can be seen."""

    kind = WAITER


@dataclass(frozen=True)
class UseKeyProvider(Use):
    """What provides a private key."""

    kind = KEY_PROVIDER


@dataclass(frozen=True)
class UseRetryPolicy(Use):
    """When to repeat a request that failed."""

    kind = RETRY_POLICY


@dataclass(frozen=True)
class UseSolver(Use):
    """One solver instance.

    Attributes:
        domains: the names it is for: "example.com", or "*.example.com" for all below; by default every name.
        wait: what waits until the answer can be seen; by default the solver itself, if it can.
    """

    kind = SOLVER

    domains: tuple[str, ...] = field(default=(), metadata={"check": _check_domains})
    wait: UseWaiter | None = None


@dataclass(frozen=True)
class ExternalAccountTable:
    """What the CA gave its customer to bind the account to (RFC 8555 §7.3.4).

    Attributes:
        kid: the CA's name for the MAC key.
        hmac_key: base64url text.
        algorithm: public CAs take "HS256".
    """

    kid: str
    hmac_key: Secret = field(repr=False)
    algorithm: Literal["HS256", "HS384", "HS512"] = "HS256"

    def __post_init__(self) -> None:
        _ = self.binding

    @property
    def binding(self) -> ExternalAccount:
        """The values as the protocol has them."""
        return ExternalAccount(self.kid, self.hmac_key, self.algorithm)


@dataclass(frozen=True)
class AccountTable:
    """The account with the CA.

    Attributes:
        contact: URLs such as "mailto:admin@example.com".
        terms_of_service_agreed: whether you agree to the CA's terms.
        eab: binds the account to a customer of the CA.
    """

    contact: tuple[str, ...] = field(default=(), metadata={"check": _each(check_contacts)})
    terms_of_service_agreed: bool = False
    eab: ExternalAccountTable | None = None


@dataclass(frozen=True)
class CertificateTable:
    """One certificate to obtain.

    Attributes:
        names: DNS names, wildcards and IP addresses.
        csr: a file with a certificate request of your own, instead of names and key.
        key: what provides the key; by default a new EC P-256 key.
        profile: one of the CA's profiles; by default the CA's choice.
        profile_required: whether to fail if the CA does not offer the profile.
        preferred_chain: (part of) the common name of the issuer at the top of the wanted chain.
        directory: where to write the files.
        not_before: the wished begin of validity; many CAs refuse it.
        not_after: the wished end of validity; many CAs refuse it.
    """

    one_of: ClassVar[tuple[str, ...]] = ("names", "csr")

    names: tuple[str, ...] = field(default=(), metadata={"check": _each(identifiers)})
    csr: Path | None = field(default=None, metadata={"check": _check_request})
    key: UseKeyProvider | None = None
    profile: str | None = None
    profile_required: bool = True
    preferred_chain: str | None = None
    directory: Path | None = None
    not_before: datetime | None = field(default=None, metadata={"check": _check_moment})
    not_after: datetime | None = field(default=None, metadata={"check": _check_moment})

    def __post_init__(self) -> None:
        if bool(self.names) == (self.csr is not None):
            given = "both" if self.names else "neither"
            raise InputError(f"expected either {' or '.join(self.one_of)}, got {given}")
        if self.csr is not None and self.key is not None:
            raise InputError("key: the certificate request has its key already")


@dataclass(frozen=True)
class Config:
    """A configuration file, bound and checked; its components are not built yet.

    Attributes:
        directory: the CA's directory URL, or a short name such as "letsencrypt-staging".
        allow_http: also talk to a CA on this machine without TLS.
        pin_host: send to the host of `directory` alone, whatever URLs of other hosts the CA names.
        trust: what vouches for the CA's own server: a PEM file, or a directory of them.
        plugins: active ones: an installed plugin's name, "my_app.acme_hooks", or "./acme_hooks.py".
        block: plugins that are never used.
        account: the account with the CA.
        account_key: what provides the account's key.
        solver: the solver instances by the names you gave them.
        retry: when to repeat a request that failed.
        certificate: the certificates to obtain.
        parallelism: how many requests and solver calls at once.
        requests_per_second: at most so many; by default what the CA is known to bear, if anything is known.
        order_limit: how many orders in a period; by default what the CA is known to allow, if anything is known.
        preferred_challenges: challenge types to try first, best first.
        journal: a file on a local disk in which every step is written down, so that after a crash `acmez obtain`
            or `acmez resume` goes on with the same order and key, and `acmez sweep` cleans up; by default none.
    """

    directory: str = field(metadata={"check": _check_directory})
    allow_http: bool = False
    pin_host: bool = False
    trust: Path | None = field(default=None, metadata={"check": _check_trust})
    plugins: tuple[str, ...] = ()
    block: tuple[str, ...] = ()
    account: AccountTable = field(default_factory=AccountTable)
    account_key: UseKeyProvider | None = None
    solver: Mapping[str, UseSolver] = field(default_factory=dict)
    retry: UseRetryPolicy | None = None
    certificate: tuple[CertificateTable, ...] = ()
    parallelism: int = field(default=10, metadata={"check": _check_positive})
    requests_per_second: float | None = field(default=None, metadata={"check": _check_rate})
    order_limit: OrderLimit | None = None
    preferred_challenges: tuple[str, ...] = ()
    journal: Path | None = field(default=None, metadata={"check": _check_journal})


def load_config(path: str | Path) -> Config:
    """Return a configuration file, bound and checked.

    Raises:
        ConfigError: the file cannot be read, or something in it is wrong; says so of everything.
    """
    file = Path(path)
    config, problems = bind(read(file), file.absolute().parent)
    if config is None or problems:
        raise ConfigError(problems)
    return config


def from_config(path: str | Path, *, plugins: PluginManager | None = None) -> Client:
    """Return a client as a configuration file describes it; its `certificates` are those of the file.

    Args:
        plugins: what is registered with it outranks what the file names; the file's plugins are added.

    Raises:
        ConfigError: the file cannot be read, or something in it, or in the options of a component, is
            wrong; says so of everything. Nothing was sent.
    """
    from .assembly import assemble

    file = Path(path)
    return assemble(read(file), file.absolute().parent, plugins)


def read(file: Path) -> dict[str, object]:
    """Return the tables of a TOML file.

    Raises:
        ConfigError: it cannot be read; the message starts with file, line and column.
    """
    try:
        return tomllib.loads(file.read_bytes().decode("utf-8-sig"))
    except OSError as exc:
        raise ConfigError([f"{file}: cannot be read: {exc.strerror or exc}"]) from exc
    except UnicodeDecodeError as exc:
        line = exc.object[: exc.start].count(b"\n") + 1
        raise ConfigError([f"{file}:{line}: not UTF-8 text"]) from exc
    except tomllib.TOMLDecodeError as exc:
        text = str(exc)
        place = re.search(r" \(at (?:line (\d+), column (\d+)|end of document)\)$", text)
        where = f":{place[1]}:{place[2]}" if place and place[1] else ""
        told = text[: place.start()] if place and place[1] else text
        raise ConfigError([f"{file}{where}: not TOML: {told[:1].lower()}{told[1:]}"]) from exc


def bind(document: Mapping[str, object], directory: Path) -> tuple[Config | None, list[str]]:
    """Return the file as far as it is right, and everything that is wrong."""
    bound = options.bind(Config, document, directory=directory)
    return bound.instance, [*bound.problems, *_across(bound.values)]


def _across(values: Mapping[str, Any]) -> Iterator[str]:
    """Yield what is wrong between tables that are right by themselves."""
    directory: str = values.get("directory", "")
    if directory.startswith("http://") and not values.get("allow_http"):
        yield f"directory: {directory!r} is not protected by TLS (set allow_http = true if that is what you want)"
    known = recognise(directory)
    if known is not None and known.contact_required and not values.get("account", AccountTable()).contact:
        yield f'account.contact: required by {known.title} (["mailto:you@example.com"])'
    seen: dict[Path, int] = {}
    certificates: Sequence[CertificateTable] = values.get("certificate", ())
    for index, certificate in enumerate(certificates):
        target = certificate.directory
        if target is not None and seen.setdefault(target, index) != index:
            yield f"certificate[{index}].directory: '{target}' is where certificate[{seen[target]}] goes"


def _is_local(url: str) -> bool:
    try:
        host = urlsplit(url).hostname or ""
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


__all__ = ["Config", "from_config", "load_config"]
