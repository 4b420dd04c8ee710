"""Which key an account holds after a key change, whatever the server said (RFC 8555 §7.3.5)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from .account import Account, KeyChangeError
from .errors import AcmeError, Cancelled, LostAnswer
from .jws import SigningKey
from .problem import AccountDoesNotExist, ProblemError


def after_key_change(
    account: Account,
    new_key: SigningKey,
    error: LostAnswer | ProblemError | None,
    find: Callable[[SigningKey], Account],
) -> Account:
    """Return the account with its new key, if it holds that.

    Args:
        account: with its old key.
        error: what came of the key change; `None`: success, which Pebble also says when it did nothing.
        find: returns the account of a key, as the server knows it.

    Raises:
        ProblemError: *error*, if it is a plain refusal and the account holds its old key.
        KeyChangeError: the account does not hold the new key, or that could not be found out.
    """
    said = error or "the server said that it changed the key"
    for key in (new_key, account.key):
        try:
            found = find(key)
        except AccountDoesNotExist:
            continue
        except Cancelled:
            raise
        except AcmeError as exc:
            if error is None and key is new_key:
                return replace(account, key=new_key)
            raise KeyChangeError(_message(account, "may hold either key; keep both", said), holds=None) from exc
        if found.url != account.url:
            continue
        if key is new_key:
            return found
        if isinstance(error, ProblemError) and error.status < 500:
            raise error
        raise KeyChangeError(_message(account, "keeps its old key", said), holds=key) from error
    raise KeyChangeError(_message(account, "answers to neither key", said), holds=None) from error


def _message(account: Account, state: str, said: object) -> str:
    return f"{account.url}: the account {state}: {said}"
