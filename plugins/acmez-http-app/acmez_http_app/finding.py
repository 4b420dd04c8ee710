"""From the path of a request to what is answered, the same for every kind of application."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from acmez.acme.challenges.http_01 import PATH_PREFIX
from acmez.answer_store import AnswerStoreError

log = logging.getLogger(__name__)

#: Returns the key authorization for a token, which may be any text; `None` if there is none.
Find: TypeAlias = Callable[[str], str | None]


@dataclass(frozen=True, slots=True)
class Reply:
    """A whole HTTP response.

    Attributes:
        reason: goes with the status.
        body: is left out in the response to HEAD, its length is not.
    """

    status: int
    reason: str
    content_type: str
    body: bytes


def reply(path: str, find: Find) -> Reply | None:
    """Return the answer to GET or HEAD of *path*, `None` if it is the application's to give."""
    try:
        found = find(path.removeprefix(PATH_PREFIX))
    except AnswerStoreError as error:
        log.error("no answer for http-01: %s", error)
        return Reply(503, "Service Unavailable", "text/plain", b"the store of ACME answers does not work\n")
    return None if found is None else Reply(200, "OK", "application/octet-stream", found.encode())
