"""One logged-in session for each token of this process.

PKCS #11 knows one login for the whole process, not one for each session (PKCS #11 3.0 §5.6.8): whoever logs out logs
everybody out. So all keys of a token share a session, and this is the one place that knows which there are.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import pkcs11

from acmez.options import Secret

from .address import Address
from .errors import Pkcs11Error, reason

T = TypeVar("T")

_LOST = (
    pkcs11.SessionClosed,
    pkcs11.SessionHandleInvalid,
    pkcs11.KeyHandleInvalid,
    pkcs11.ObjectHandleInvalid,
    pkcs11.UserNotLoggedIn,
    pkcs11.DeviceRemoved,
    pkcs11.TokenNotPresent,
)
# One caller at a time, whichever token it is about: listing the tokens from several threads at once has been
# seen to crash the process inside SoftHSM.
_lock = threading.RLock()
_tokens: dict[tuple[str, bytes, str], TokenSession] = {}


class TokenSession:
    """The session with one token; one operation at a time."""

    def __init__(self, slot: pkcs11.Slot, label: str) -> None:
        self._slot = slot
        self._label = label
        self._session: pkcs11.Session | None = None
        self._wrong_pins: set[bytes] = set()

    def run(self, operation: Callable[[pkcs11.Session], T], pin: Secret | None) -> T:
        """Return what *operation* returns, `None` if it does not find its key.

        A session that was lost is opened again, once. One whose login somebody else ended is not told from one
        in which there is no such key, so that counts as lost, too.

        Raises:
            Pkcs11Error: there is no session to be had, or the operation failed.
        """
        with _lock:
            try:
                if self._session is not None:
                    try:
                        done = operation(self._session)
                    except _LOST:
                        done = None
                    if done is not None:
                        return done
                    self._session = None
                self._session = self._open(pin)
                return operation(self._session)
            except pkcs11.PKCS11Error as error:
                self._session = None if isinstance(error, _LOST) else self._session
                raise Pkcs11Error(f"token {self._label!r}: {reason(error)}") from error

    def change(self, operation: Callable[[pkcs11.Session], None], pin: Secret | None) -> None:
        """Do the same with a session that may write; raises the same."""

        def with_another(_: pkcs11.Session) -> bool:
            writing = self._slot.get_token().open(rw=True)  # logged in already, as everybody is
            try:
                operation(writing)
            finally:
                writing.close()
            return True

        self.run(with_another, pin)

    def _open(self, pin: Secret | None) -> pkcs11.Session:
        token = self._slot.get_token()
        if pin is None:
            return token.open()
        known = hashlib.sha256(pin.encode("utf-8", "surrogateescape")).digest()
        if known in self._wrong_pins:
            raise Pkcs11Error(f"token {self._label!r}: the PIN was wrong; it is not tried again, lest the token locks")
        refuse_last_try(self._label, token.flags)
        try:
            return token.open(user_pin=str(pin))
        except pkcs11.PinIncorrect:
            self._wrong_pins.add(known)
            raise Pkcs11Error(f"token {self._label!r}: the PIN is wrong") from None
        except pkcs11.UserAlreadyLoggedIn:  # by somebody else in this process
            return token.open()


def refuse_last_try(label: str, flags: pkcs11.TokenFlag) -> None:
    """Leave the last try before the token locks to a human."""
    if flags & pkcs11.TokenFlag.USER_PIN_LOCKED:
        raise Pkcs11Error(f"token {label!r}: the PIN is locked: the security officer has to set a new one")
    if flags & pkcs11.TokenFlag.USER_PIN_FINAL_TRY:
        raise Pkcs11Error(
            f"token {label!r}: one more wrong PIN locks it, so none is tried: log in by hand (pkcs11-tool --login)"
        )


def find_token(module: Path, address: Address) -> TokenSession:
    """Return the session of the token that *address* means.

    Raises:
        Pkcs11Error: the module cannot be loaded, or there is no such token, or more than one.
    """
    with _lock:
        try:
            tokens = [*pkcs11.lib(str(module)).get_tokens()]
        except (RuntimeError, OSError) as error:  # PKCS11Error is a RuntimeError
            raise Pkcs11Error(f"module '{module}': {reason(error)}") from error
        matching = [token for token in tokens if _matches(token, address)]
        if len(matching) != 1:
            wanted = " ".join(f"{name} {value!r}" for name, value in address.token.items())
            there = ", ".join(repr(token.label) for token in matching or tokens) or "none"
            raise Pkcs11Error(f"token: {'several have' if matching else 'none has'} {wanted} (there: {there})")
        (token,) = matching
        key = str(module), token.serial, token.label
        return _tokens.setdefault(key, TokenSession(token.slot, token.label))


def _matches(token: pkcs11.Token, address: Address) -> bool:
    known = {
        "label": token.label,
        "serial": token.serial.decode("latin-1").strip(),
        "manufacturer": token.manufacturer_id,
        "model": token.model,
    }
    return all(known[name].strip() == value for name, value in address.token.items())
