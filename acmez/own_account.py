"""A client's own account and the key that it answers to, through crashes in the middle of a change of the key."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from .acme.account import Account, KeyChangeError
from .acme.client import Client as AcmeClient
from .acme.errors import AcmeError, InputError, UnsupportedError
from .acme.gate import Gate
from .acme.jws import ExternalAccount, PrivateKey, SigningKey
from .acme.problem import AccountDoesNotExist, ProblemError, RateLimited
from .acme.scope import CancelScope
from .engine import log
from .keys import FileKey, GeneratedKey, generate, key_of
from .next_keys import InJournal, InMemory, exported
from .protocols import KeyProvider, Replaceable

if TYPE_CHECKING:
    from .journal import Journal

#: An account's key, or what provides it.
AccountKey: TypeAlias = KeyProvider | PrivateKey


@dataclass(frozen=True)
class _Change:
    """An account's key is to become another one, which is kept."""

    key: SigningKey
    kept: Replaceable


class OwnAccount:
    """Registers and finds the account, and changes its key (RFC 8555 §7.3); safe for many threads.

    Args:
        given: the account's key, or what provides it; `None`: a new one, for a throw-away account.
        url: the account's URL, if it is known.
        journal: keeps the next key where *given* cannot.
        found: is told of the account whenever it was created, found or changed.
    """

    def __init__(
        self,
        acme: AcmeClient,
        given: AccountKey | None,
        url: str | None,
        journal: Journal | None,
        found: Callable[[Account], None],
    ) -> None:
        self.given = given
        self._acme = acme
        self._url = url
        self._journal = journal
        self._tell = found
        self._memory = InMemory()
        self._lock = threading.Lock()
        self._changing = Gate(1)
        self._key: SigningKey | None = None
        self._account: Account | None = None

    @property
    def url(self) -> str | None:
        """The account's URL, if it is known."""
        return self._url if self._account is None else self._account.url

    @property
    def key(self) -> SigningKey:
        """The account's key; until the account was found, the one that the settings name."""
        with self._lock:
            if self._key is None:
                self._key = SigningKey(_private_key(self.given))
            return self._key

    def register(
        self,
        contact: Sequence[str],
        *,
        terms_of_service_agreed: bool,
        external_account: ExternalAccount | None,
        scope: CancelScope | None,
    ) -> Account:
        """Create the account, or find the one that the key has already."""
        self._finish_changes(scope)
        account = self._acme.new_account(
            self.key,
            contact=contact,
            terms_of_service_agreed=terms_of_service_agreed,
            external_account=external_account,
            scope=scope,
        )
        return self._adopt(account)

    def find(self, scope: CancelScope | None) -> Account:
        """Return the account, after finishing a change of its key that a crash interrupted."""
        if self._account is not None:
            return self._account
        with self._changing.hold(scope or CancelScope()):
            return self._known_or_found(scope)

    def update(self, contact: Sequence[str] | None, *, agreed: bool, scope: CancelScope | None) -> Account:
        """Replace the contacts, or agree to changed terms of service."""
        account = self.find(scope)
        return self._adopt(
            self._acme.update_account(account, contact=contact, terms_of_service_agreed=agreed, scope=scope)
        )

    def deactivate(self, scope: CancelScope | None) -> Account:
        """End the account for ever."""
        ended = self._acme.deactivate_account(self.find(scope), scope=scope)
        self._account = None  # what comes of it from now on, the CA says
        return ended

    def change_key(self, new: AccountKey | str | os.PathLike[str] | None, scope: CancelScope | None) -> Account:
        """Give the account another key, which is kept before the CA is told."""
        with self._changing.hold(scope or CancelScope()):
            account = self._known_or_found(scope)
            given = FileKey(new) if isinstance(new, str | os.PathLike) else new
            key = SigningKey(_private_key(given))
            if key.same_as(account.key):
                raise InputError(f"{account.url}: the new key is the account's already")
            change = _Change(key, self._keeper(account, given, key))
            change.kept.keep_next(self._ca, key.private_key)
            self._account = None  # whose key it is now, `find` finds out
            changed = self._change(account, change, scope)
            if isinstance(change.kept, InMemory | InJournal):
                self.given = key.private_key if given is None else given
            return self._adopt(changed)

    def _known_or_found(self, scope: CancelScope | None) -> Account:
        return self._account or self._adopt(self._find_by(self.key, scope))

    # How a change goes on after a crash: with the key before, if the account answers to that, else with the next one.
    # In this order, for a request that is still on its way can make the next one valid, and never the one before.

    def _find_by(self, key: SigningKey, scope: CancelScope | None, *, former: bool = False) -> Account:
        change = self._begun(key)
        if change is None and self._url is not None and not former:
            return Account(self._url, key)
        try:
            account = self._acme.find_account(key, scope=scope)
        except AccountDoesNotExist as exc:
            if change is None:
                now = None if former else self._replaced(key)
                if now is not None:
                    return self._find_by(now, scope, former=True)
                exc.add_note(self._advice(key))
                raise
            account = self._find_by(change.key, scope, former=True)
            self._take(change, account)
            return account
        if change is not None:
            return self._go_on(account, change, scope)
        if self._journal is not None and not former:
            self._journal.holds_key(self._ca, account.url, key.thumbprint)
        return account

    def _go_on(self, account: Account, change: _Change, scope: CancelScope | None) -> Account:
        try:
            return self._change(account, change, scope)
        except (InputError, ProblemError, UnsupportedError, KeyChangeError) as exc:
            if isinstance(exc, KeyChangeError) and exc.holds is None:
                raise
            log.warning("%s: keeps its key, which was to be changed: %s", account.url, exc)
            return account

    def _change(self, account: Account, change: _Change, scope: CancelScope | None) -> Account:
        try:
            changed = self._acme.change_key(account, change.key, scope=scope)
        except RateLimited:
            raise
        except (InputError, ProblemError, UnsupportedError):
            change.kept.drop_next(self._ca)  # refused for good: nothing is on its way any more
            raise
        self._take(change, changed)
        return changed

    def _take(self, change: _Change, account: Account) -> None:
        try:
            change.kept.take_next(self._ca)
        except AcmeError as exc:
            log.warning("%s: has its new key, but: %s", account.url, exc)

    def _finish_changes(self, scope: CancelScope | None) -> None:
        """Find the account if its key was to be changed: its old key would register a second one."""
        if self._account is not None:
            return
        begun = self._begun(self.key) is not None
        if begun or self._named(self.key):
            try:
                self.find(scope)
            except AccountDoesNotExist:
                if not begun:
                    raise

    def _replaced(self, key: SigningKey) -> SigningKey | None:
        """Return the key by which another process replaced *key* since it was read."""
        if not isinstance(self.given, Replaceable):
            return None
        now = SigningKey(_private_key(self.given))
        return None if now.same_as(key) else now

    def _begun(self, key: SigningKey) -> _Change | None:
        for keeper in self._keepers(key):
            following = keeper.next(self._ca)
            if following is not None:
                change = _Change(SigningKey(following), keeper)
                if not change.key.same_as(key):
                    return change
        return None

    def _keepers(self, key: SigningKey) -> Iterator[Replaceable]:
        if isinstance(self.given, Replaceable):
            yield self.given
        yield self._memory
        if self._journal is not None and self.given is not None:
            yield InJournal(self._journal, "", key)

    def _keeper(self, account: Account, new: AccountKey | None, key: SigningKey) -> Replaceable:
        """Return what keeps a key from before it is sent."""
        if isinstance(self.given, Replaceable) and exported(key.private_key) is not None:
            self._warn_of_others(account)
            return self.given
        if self._journal is not None and self.given is not None:
            if self._journal.next_key(self._ca, key.thumbprint) is not None:
                raise InputError(f"{account.url}: the new key was the account's before")
            return InJournal(self._journal, account.url, account.key)
        if self.given is not None and (new is None or isinstance(new, GeneratedKey)):
            raise InputError(
                f"{account.url}: a new key would be kept nowhere (give a FileKey, or the client a journal)"
            )
        return self._memory

    def _warn_of_others(self, account: Account) -> None:
        """Tell of accounts at other CAs, which may have the key that is about to be replaced."""
        others = [] if self._journal is None else self._journal.accounts_elsewhere(self._ca)
        if others:
            log.warning(
                "%s: its key is replaced where it is kept, and an account elsewhere that shares it is left without: %s",
                account.url,
                ", ".join(others),
            )

    def _advice(self, key: SigningKey) -> str:
        named = self._named(key)
        if named:
            return f"the account's key was being changed to {named}: set that as the account key"
        return "the account key is not registered with this CA: call register() first"

    def _named(self, key: SigningKey) -> str | None:
        following = None if self._journal is None else self._journal.next_key(self._ca, key.thumbprint)
        return None if following is None else following.name

    @property
    def _ca(self) -> str:
        return self._acme.session.directory_url

    def _adopt(self, account: Account) -> Account:
        with self._lock:
            self._account, self._key = account, account.key
        self._tell(account)
        return account


def _private_key(given: AccountKey | None) -> PrivateKey:
    if given is None:
        return generate("ec-p256")
    return given if isinstance(given, PrivateKey) else key_of(given, "account")
