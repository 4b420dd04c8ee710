"""What goes wrong with tokens, in words."""

from __future__ import annotations

import pkcs11

from acmez.errors import AcmezError


class Pkcs11Error(AcmezError):
    """A token or a key cannot be used; the message starts with the module, the token or the key."""


_WORDS: dict[type[Exception], str] = {
    pkcs11.PinLocked: "the PIN is locked: the security officer has to set a new one",
    pkcs11.PinExpired: "the PIN has expired",
    pkcs11.PinInvalid: "the PIN has characters that the token does not take",
    pkcs11.PinLenRange: "the PIN is too short or too long",
    pkcs11.UserPinNotInitialized: "the user's PIN was never set",
    pkcs11.UserNotLoggedIn: "a login is needed: give the 'pin'",
    pkcs11.TokenNotPresent: "the token is not there any more",
    pkcs11.DeviceRemoved: "the token was removed",
    pkcs11.TokenWriteProtected: "the token is write-protected",
    pkcs11.MechanismInvalid: "the token has no mechanism for this kind of key",
    pkcs11.SessionHandleInvalid: "the session was lost",
    pkcs11.SessionClosed: "the session was closed",
    pkcs11.GeneralError: "the token's library fails without saying why (was the token taken away?)",
}


def reason(error: Exception) -> str:
    """Return what happened, never with a PIN in it."""
    return _WORDS.get(type(error)) or f"{type(error).__name__}{f': {error}' if str(error) else ''}"
