"""Changes an account's key in a process of its own, which kills itself at one step, as `kill -9` does."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import acmez.client
from acmez import Client, FileKey
from acmez.acme.transport import Response, Transport
from acmez.acme.trust import Trust
from acmez.journal import Journal
from tests.pebble.crash_child import Death

#: The paths of Pebble and of the embedded CA.
KEY_CHANGE = {"/rollover-account-key", "/key-change"}


@dataclass(frozen=True)
class Place:
    """Where an account changes its key: what the processes have in common.

    Attributes:
        in_file: whether the account's key is a file for the client; otherwise it is an object, and there is a journal.
    """

    directory_url: str
    trust: Trust
    home: Path
    in_file: bool

    @property
    def key(self) -> FileKey:
        return FileKey(self.home / "account.pem")

    @property
    def new_key(self) -> FileKey:
        return FileKey(self.home / "new.pem")

    def client(self) -> Client:
        """Return a client as each process makes it."""
        if self.in_file:
            return Client(self.directory_url, account_key=self.key, trust=self.trust)
        journal = self.home / "acmez.journal"
        return Client(self.directory_url, account_key=self.key.get("account"), journal=journal, trust=self.trust)


def change_and_die(place: Place, step: str) -> None:
    """Begin to change the key; a step is "keep before", "keyChange during", "take after" and so on."""
    death = Death(step)
    _pass_by(death, FileKey, "keep_next", "keep")
    _pass_by(death, Journal, "keep_next_key", "keep")
    _pass_by(death, FileKey, "take_next", "take")
    vars(acmez.client)["Transport"] = _dying_transport(death, soon=step == "keyChange during")
    with place.client() as client:
        client.change_account_key(place.new_key.get("account"))


def _pass_by(death: Death, kind: type[object], name: str, step: str) -> None:
    method: Callable[..., object] = getattr(kind, name)

    def passing(*args: object) -> object:
        death.at(f"{step} before")
        result = method(*args)
        death.at(f"{step} after")
        return result

    setattr(kind, name, passing)


def _dying_transport(death: Death, *, soon: bool) -> type[Transport]:
    class DyingTransport(Transport):
        def request(self, method: str, url: str, **kwargs: Any) -> Response:
            if urlsplit(url).path not in KEY_CHANGE:
                return super().request(method, url, **kwargs)
            death.at("keyChange before")
            if soon:
                threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGKILL)).start()
            response = super().request(method, url, **kwargs)
            death.at("keyChange after")
            return response

    return DyingTransport
