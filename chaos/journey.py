"""Which of the protocol's requests one is, learned from the CA's own answers (RFC 8555 §7.1)."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

from chaos.wire import Answer, Request

#: The requests of one certificate, in their order.
STEPS = (
    "directory",
    "newNonce",
    "newAccount",
    "newOrder",
    "authorization",
    "challenge",
    "order",
    "finalize",
    "certificate",
)


class Journey:
    """One client's way through the protocol.

    Attributes:
        directory: path of the directory.
        account: path of the account, once it is known.
        orders: paths of the orders that newOrder made.
    """

    def __init__(self, directory: str, account: str | None = None) -> None:
        self.account = account
        self.orders: list[str] = []
        self.directory = directory
        self._steps = {directory: "directory"}

    def step(self, request: Request) -> str:
        """Return what the request is, in the RFC's words."""
        step = self._steps.get(request.target, "other")
        return step if step != "authorization" or request.reads else "deactivateAuthorization"

    def learn(self, step: str, answer: Answer) -> str | None:
        """Take in the CA's answer, and return the step that it leads to, if it leads anywhere."""
        document = answer.document() if answer.status < 300 else {}
        location = answer.field("location")
        self._learn_urls(step, document)
        match step:
            case "directory":
                return "newNonce"
            case "newNonce":
                return "newAccount" if self.account is None else "newOrder"
            case "newAccount" if location is not None:
                self.account = urlsplit(location).path
                self._steps[self.account] = "account"
                return "newOrder"
            case "newOrder" if location is not None and answer.status == 201:
                path = urlsplit(location).path
                if path not in self.orders:
                    self.orders.append(path)
                self._steps[path] = "order"
                return "authorization"
            case "challenge" if document:
                return "order"
        return self._leads_to(document)

    def _learn_urls(self, step: str, document: Mapping[str, object]) -> None:
        if step == "directory":
            for name in ("newNonce", "newAccount", "newOrder"):
                self._add(document.get(name), name)
        authorizations, challenges = document.get("authorizations"), document.get("challenges")
        for url in authorizations if isinstance(authorizations, list) else ():
            self._add(url, "authorization")
        for challenge in challenges if isinstance(challenges, list) else ():
            self._add(challenge["url"], "challenge")
        for name in ("finalize", "certificate"):
            self._add(document.get(name), name)

    def _add(self, url: object, step: str) -> None:
        if isinstance(url, str):
            self._steps[urlsplit(url).path] = step

    def _leads_to(self, document: Mapping[str, object]) -> str | None:
        """Return where an order or an authorization leads, given its status."""
        order, status = "authorizations" in document, document.get("status")
        if order and status == "ready":
            return "finalize"
        if order and status == "valid":
            return "certificate"
        if "challenges" in document:
            return {"pending": "challenge", "valid": "finalize"}.get(str(status))
        return None
