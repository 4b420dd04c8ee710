"""Where an account's next key is kept until the CA has taken it, so that no crash leaves the account without one."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from .acme.jws import PrivateKey, SigningKey
from .errors import KeyFileError
from .keys import load_private_key, private_pem
from .remote_keys import RemoteEcKey, RemoteRsaKey

if TYPE_CHECKING:
    from .journal import Journal


@dataclass
class InMemory:
    """Keeps next keys for this process alone: of an account whose key is nowhere else either."""

    _keys: dict[str, PrivateKey] = field(default_factory=dict, repr=False)

    def next(self, ca: str) -> PrivateKey | None:
        """Return the next key."""
        return self._keys.get(ca)

    def keep_next(self, ca: str, key: PrivateKey) -> None:
        """Keep the next key."""
        self._keys[ca] = key

    def take_next(self, ca: str) -> None:
        """Forget it: the caller has it."""
        self._keys.pop(ca, None)

    def drop_next(self, ca: str) -> None:
        """Forget it."""
        self._keys.pop(ca, None)


@dataclass(frozen=True)
class InJournal:
    """Keeps the next key in the journal, and afterwards, too: the settings still name the key before.

    A key that cannot leave where it lives is kept by name.

    Args:
        account: its URL; "" if no key is to be kept.
        present: the key until now.
    """

    journal: Journal
    account: str
    present: SigningKey

    def next(self, ca: str) -> PrivateKey | None:
        """Return the next key, `None` also if it lives elsewhere."""
        kept = self.journal.next_key(ca, self.present.thumbprint)
        return None if kept is None or kept.pem is None else load_private_key(kept.pem, str(self.journal.path))

    def keep_next(self, ca: str, key: PrivateKey) -> None:
        """Note the next key."""
        from .journal import NextKey

        signing = SigningKey(key)
        kept = NextKey(signing.thumbprint, _name(signing), exported(key))
        self.journal.keep_next_key(ca, self.account, self.present.thumbprint, kept)

    def take_next(self, ca: str) -> None:
        """Do nothing: it is needed until the settings name it; see `Journal.holds_key`."""

    def drop_next(self, ca: str) -> None:
        """Forget the next key."""
        self.journal.drop_next_key(ca, self.present.thumbprint)


def exported(key: PrivateKey) -> bytes | None:
    """Return a key as PEM, or `None` if it cannot leave where it lives."""
    try:
        return private_pem(key)
    except KeyFileError:
        return None


def _name(key: SigningKey) -> str:
    private = key.private_key
    return str(private) if isinstance(private, RemoteEcKey | RemoteRsaKey) else f"the key {key.thumbprint}"
