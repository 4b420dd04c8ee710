"""Which key an account holds after a key change that did not simply succeed (RFC 8555 §7.3.5)."""

from __future__ import annotations

from collections.abc import Callable

from .account import Account, KeyChangeError
from .errors import AcmeError, Cancelled, LostAnswer
from .jws import SigningKey
from .problem import AccountDoesNotExist, ProblemError


def after_key_change(
    account: Account,
    new_key: SigningKey,
    error: LostAnswer | ProblemError,
    find: Callable[[SigningKey], Account],
) -> Account:
    """Return the account if it holds the new key all the same.

    Args:
        account: with its old key.
        error: what came of the key change.
        find: returns the account of a key, as the server knows it.

    Raises:
        ProblemError: *error*, if it is a plain refusal and the account holds its old key.
        KeyChangeError: the account does not hold the new key, or that could not be found out.
    """
    for key in (new_key, account.key):
        try:
            found = find(key)
        except AccountDoesNotExist:
            continue
        except Cancelled:
            raise
        except AcmeError as exc:
            message = f"{account.url}: the key may or may not have changed; keep both keys: {error}"
            raise KeyChangeError(message, holds=None) from exc
        if found.url != account.url:
            continue
        if key is new_key:
            return found
        if isinstance(error, ProblemError) and error.status < 500:
            raise error
        raise KeyChangeError(f"{account.url}: the account keeps its old key: {error}", holds=key) from error
    raise KeyChangeError(f"{account.url}: the account answers to neither key: {error}", holds=None) from error
