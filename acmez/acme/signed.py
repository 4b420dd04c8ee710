"""The kinds of requests that an account, or its key, signs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import TypeVar

from .account import Account, listed_urls
from .errors import LostAnswer, MalformedAnswer, UnsupportedError
from .jws import SigningKey
from .polling import Pollable
from .problem import ProblemError
from .scope import CancelScope
from .session import Session
from .transport import Response
from .wire import JSONObject, parse_object

_MAX_PAGES = 1000

T = TypeVar("T", bound=Pollable)
Read = TypeVar("Read")


class SignedRequests:
    """Sends what an account signs; what each request means is `Client`'s to know."""

    def __init__(self, session: Session) -> None:
        self.session = session

    def _post(
        self,
        account: Account,
        url: str,
        payload: JSONObject,
        operation: str,
        scope: CancelScope | None,
        *,
        repeatable: bool,
    ) -> Response:
        return self.session.post(
            url, payload, operation, key=account.key, key_id=account.url, repeatable=repeatable, scope=scope
        )

    def _get(
        self,
        account: Account,
        url: str,
        operation: str,
        scope: CancelScope | None,
        read: Callable[[Response], Read],
        *,
        accept: str = "application/json",
    ) -> Read:
        return self.session.post_and_read(
            read,
            url,
            None,
            operation,
            key=account.key,
            key_id=account.url,
            repeatable=True,
            accept=accept,
            scope=scope,
        )

    def _create(
        self,
        account: Account,
        url: str,
        payload: JSONObject,
        operation: str,
        scope: CancelScope | None,
        read: Callable[[Response], Read],
        fetch: Callable[..., Read],
    ) -> Read:
        """POST what makes a resource; if the answer is lost or cannot be read, but for its Location, look there."""
        location = None
        try:
            response = self._post(account, url, payload, operation, scope, repeatable=False)
            location = response.location
            return read(response)
        except (LostAnswer, MalformedAnswer) as exc:
            where = exc.location if isinstance(exc, LostAnswer) else location
            if where is None:
                raise
            try:
                return fetch(account, where, scope=scope)
            except (MalformedAnswer, ProblemError):
                raise exc from None  # the head may have ended within the Location

    def _new_account(self, key: SigningKey, payload: JSONObject, scope: CancelScope | None) -> Account:
        url = self.session.directory(scope).require("newAccount")
        read = partial(self._read_account, key, payload)
        account = self.session.post_and_read(
            read, url, payload, "newAccount", key=key, key_id=None, repeatable=True, scope=scope
        )
        return self._new_account(key, {"onlyReturnExisting": True}, scope) if account is None else account

    def _read_account(self, key: SigningKey, payload: JSONObject, response: Response) -> Account | None:
        if response.location is not None or "onlyReturnExisting" in payload:
            return Account.from_response(response, key)
        if response.body.strip():
            parse_object(response.body, response.url)
        return None  # ZeroSSL, for an account that exists

    def _listed(self, account: Account, page: str | None, member: str, scope: CancelScope | None) -> Iterator[str]:
        if page is None:
            raise UnsupportedError(f"{account.url}: the server keeps no list of {member}")
        seen: set[str] = set()
        while page is not None and page not in seen and len(seen) < _MAX_PAGES:
            seen.add(page)
            urls, page = self._get(account, page, member, scope, lambda response: _page(response, member))
            yield from urls

    def _end(
        self,
        account: Account,
        url: str,
        status: str,
        operation: str,
        read: Callable[[Response], T],
        fetch: Callable[..., T],
        scope: CancelScope | None,
    ) -> T:
        """Put a resource into its last state; after a lost answer, look whether it got there."""
        try:
            return read(self._post(account, url, {"status": status}, operation, scope, repeatable=False))
        except LostAnswer:
            found = fetch(account, url, scope=scope)
            if found.status != status:
                raise
            return found


def _page(response: Response, member: str) -> tuple[Sequence[str], str | None]:
    """Return the URLs of one page of a list, and the next page."""
    return listed_urls(response, member), next(iter(response.links.get("next", ())), None)
