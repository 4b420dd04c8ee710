"""The kinds of requests that an account signs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeVar

from .account import Account, listed_urls
from .errors import LostAnswer, UnsupportedError
from .polling import Pollable
from .scope import CancelScope
from .session import Session
from .transport import Response
from .wire import JSONObject

_MAX_PAGES = 1000

T = TypeVar("T", bound=Pollable)


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
        *,
        accept: str = "application/json",
    ) -> Response:
        return self.session.post_as_get(url, operation, key=account.key, key_id=account.url, accept=accept, scope=scope)

    def _listed(self, account: Account, page: str | None, member: str, scope: CancelScope | None) -> Iterator[str]:
        if page is None:
            raise UnsupportedError(f"{account.url}: the server keeps no list of {member}")
        seen: set[str] = set()
        while page is not None and page not in seen and len(seen) < _MAX_PAGES:
            seen.add(page)
            response = self._get(account, page, member, scope)
            yield from listed_urls(response, member)
            page = next(iter(response.links.get("next", ())), None)

    def _end(
        self,
        account: Account,
        url: str,
        status: str,
        operation: str,
        read: Callable[[Response, str], T],
        fetch: Callable[..., T],
        scope: CancelScope | None,
    ) -> T:
        """Put a resource into its last state; after a lost answer, look whether it got there."""
        try:
            return read(self._post(account, url, {"status": status}, operation, scope, repeatable=False), url)
        except LostAnswer:
            found = fetch(account, url, scope=scope)
            if found.status != status:
                raise
            return found
