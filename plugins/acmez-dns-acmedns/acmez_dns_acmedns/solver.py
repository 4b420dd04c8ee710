"""The solver: whose account is used, and what is put there."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from acmez.acme.challenge import ChallengeType
from acmez.acme.challenges import TxtRecord, txt_record
from acmez.acme.errors import InputError
from acmez.acme.wire import JSON
from acmez.dns import DnsError, DnsOptions, RecordFinder
from acmez.dns.api import Api, ApiError
from acmez.dns.checks import check_seconds, check_url
from acmez.dns.locks import ZoneLocks
from acmez.protocols import CancelScope, Challenge, Handle

from .accounts import Account, AccountError, AccountFile

_KEPT = 2  # values that an acme-dns server shows of an account


@dataclass
class AcmeDnsSolver:
    """Answers DNS challenges through acme-dns servers, to which _acme-challenge is delegated (CNAME).

    A server shows the last two values of an account, which is enough for a name and its wildcard; they cannot be
    removed, so nothing is cleaned up.

    Attributes:
        server_url: of accounts that name no server, and for new ones: "https://auth.example.org".
        accounts: domain -> its account.
        storage: a JSON file of accounts, as lego's. A domain that has none is registered, and fails with the alias that
            it needs until that is there.
        allow_from: networks that may use new accounts, "192.0.2.0/24"; none: all.
        resolvers: through which the alias of a new account is looked for: "192.0.2.1", "192.0.2.1:5353"; the system's
            by default.
        trust: a PEM file that vouches for the servers' certificates; the system's trust store by default.
        timeout: seconds for each request.

    Raises:
        ValueError: neither accounts nor a file of them are given, or a value is impossible.
    """

    name: ClassVar[str] = "dns-acmedns"
    challenge_type: ClassVar[str] = ChallengeType.DNS_01
    other_types: ClassVar[tuple[str, ...]] = (ChallengeType.DNS_ACCOUNT_01,)

    server_url: str = ""
    accounts: dict[str, Account] = field(default_factory=dict)
    storage: Path | None = None
    allow_from: list[str] = field(default_factory=list)
    resolvers: list[str] = field(default_factory=list)
    trust: Path | None = None
    timeout: float = 30.0

    def __post_init__(self) -> None:
        if not self.accounts and self.storage is None:
            raise ValueError("accounts or storage is required")
        check_seconds("timeout", self.timeout)
        urls = [("server_url", self.server_url)] if self.server_url else []
        urls += [(f"accounts: {name}", each.server_url) for name, each in self.accounts.items() if each.server_url]
        for where, url in urls:
            check_url(where, url, example="https://auth.example.org")
        for domain, account in self.accounts.items():
            if not self.server_url and not account.server_url:
                raise ValueError(f"server_url: required, since the account of {domain!r} names none")
        DnsOptions(resolvers=self.resolvers)
        self._file = None if self.storage is None else AccountFile(self.storage)
        self._lock = threading.Lock()
        self._locks = ZoneLocks("acme-dns accounts")
        self._shown: dict[str, deque[str]] = {}
        self._new: set[str] = set()

    @classmethod
    def providers(cls) -> Iterable[str]:
        """acme-dns."""
        return ["acme-dns"]

    def present(self, challenge: Challenge, scope: CancelScope) -> Handle | None:
        """Let the server show the value.

        Raises:
            AccountError: the domain has no account, or its new one needs an alias.
            ApiError: the server refuses it, or does not answer.
            InputError: the challenge needs a record that the server does not take.
            Cancelled: *scope* ended.
        """
        return self.present_many([challenge], scope)[0]

    def present_many(self, challenges: Sequence[Challenge], scope: CancelScope) -> Sequence[Handle | None]:
        """Let the servers show all values; what new accounts need is told of all of them at once."""
        wanted: list[tuple[TxtRecord, Account]] = []
        missing: dict[str, str] = {}
        for challenge in challenges:
            if challenge.type not in {self.challenge_type, *self.other_types}:
                raise InputError(f"{challenge}: acme-dns takes no records of this type")
            record = txt_record(challenge)
            domain = challenge.identifier.value
            account = self._account(domain) or self._register(domain, scope)
            if account.subdomain in self._new and not self._is_delegated(record.name, account.fulldomain, scope):
                missing[record.name] = account.fulldomain
            wanted.append((record, account))
        if missing:
            lines = "; ".join(f"{name}. CNAME {target}." for name, target in missing.items())
            raise AccountError(f"registered with acme-dns: add to the DNS, and try again: {lines}")
        for record, account in wanted:
            self._show(record, account, scope)
        return [None] * len(challenges)

    def clean_up(self, challenge: Challenge, handle: Handle | None, scope: CancelScope) -> None:
        """Do nothing: a value is gone when two others have come."""

    def clean_up_many(
        self, challenges: Sequence[Challenge], handles: Sequence[Handle | None], scope: CancelScope
    ) -> None:
        """Do nothing, as `clean_up`."""

    def _account(self, domain: str) -> Account | None:
        account = self.accounts.get(domain)
        if account is None and self._file is not None:
            account = self._file.get(domain)
        if account is None and self._file is None:
            raise AccountError(f"{domain}: has no account (add it to 'accounts', or set 'storage' to register it)")
        return account

    def _register(self, domain: str, scope: CancelScope) -> Account:
        if not self.server_url or self._file is None:
            raise AccountError(f"{domain}: has no account, and 'server_url' does not say where to register one")
        # One at a time, among all processes: each reads the file, and writes it whole.
        with self._locks.hold(str(self.storage), scope):
            account = self._file.get(domain)
            if account is None:
                account = self._registered(scope)
                self._file.put(domain, account)
        self._new.add(account.subdomain)
        return account

    def _registered(self, scope: CancelScope) -> Account:
        wish: JSON = {"allowfrom": list[JSON](self.allow_from)} if self.allow_from else {}
        with self._api(self.server_url).connected(scope) as call:
            _, answer = call("POST", "/register", wish)
        told = Account.from_json(answer, self.server_url)
        return Account(told.username, told.password, told.subdomain, told.fulldomain, self.server_url)

    def _is_delegated(self, name: str, target: str, scope: CancelScope) -> bool:
        """Whether the alias of an account that was made a moment ago is there; of all others that is taken for sure."""
        # A finder of its own: what was not there a moment ago may be there now.
        finder = RecordFinder(DnsOptions(resolvers=self.resolvers))
        try:
            return finder.leads_to(name, scope) == target
        except DnsError:
            return False

    def _show(self, record: TxtRecord, account: Account, scope: CancelScope) -> None:
        server = account.server_url or self.server_url
        with self._lock:
            shown = self._shown.setdefault(account.subdomain, deque(maxlen=_KEPT))
            if record.value in shown:  # once more would push the other value out
                return
        credentials = {"x-api-user": account.username, "x-api-key": str(account.password)}
        try:
            with self._api(server, credentials).connected(scope) as call:
                call("POST", "/update", {"subdomain": account.subdomain, "txt": record.value})
        except ApiError as error:
            hint = " (is the account's password right, and may this machine use it?)" if error.status == 401 else ""
            raise ApiError(f"{record.name}: {error}{hint}", status=error.status, answer=error.answer) from error
        with self._lock:
            shown.append(record.value)

    def _api(self, server: str, credentials: dict[str, str] | None = None) -> Api:
        return Api(server, headers=credentials or {}, trust=self.trust, timeout=self.timeout)
