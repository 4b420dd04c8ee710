"""Obtains a certificate in a process of its own, which kills itself at one step, as `kill -9` does."""

from __future__ import annotations

import os
import signal
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from acmez_http_webroot import WebrootSolver

import acmez.client
from acmez import Client, FileKey, Route
from acmez.acme.transport import Response, Transport
from acmez.journal import Journal
from tests.pebble.crash_zone import ProviderSolver

#: What Pebble's paths begin with.
REQUESTS = {
    "dir": "directory",
    "nonce-plz": "newNonce",
    "sign-me-up": "newAccount",
    "order-plz": "newOrder",
    "authZ": "authorization",
    "chalZ": "challenge",
    "my-order": "order",
    "finalize-order": "finalize",
    "certZ": "certificate",
}

STEPS = ("begin", "ordered", "presenting", "presented", "cleaned_up", "delivered", "finish")


@dataclass(frozen=True)
class Place:
    """Where to obtain: what the processes have in common."""

    directory_url: str
    trust: Path
    home: Path
    provider: tuple[str, int]
    apex: str
    names: tuple[str, ...] = field(default=())

    @property
    def journal(self) -> Path:
        return self.home / "acmez.journal"

    def client(self, journal: Journal | Path | None = None, **settings: Any) -> Client:
        """Return a client that solves `dns-01` for the apex, and `http-01` for the rest."""
        return Client(
            self.directory_url,
            solvers=[
                Route(ProviderSolver(self.provider), domains=(self.apex, f"*.{self.apex}")),
                WebrootSolver(path=self.home / "webroot"),
            ],
            account_key=FileKey(self.home / "account.pem"),
            preferred_challenges=["dns-01"],
            trust=self.trust,
            journal=self.journal if journal is None else journal,
            **settings,
        )


class Death:
    """Kills this process at the *number*-th time of a step.

    Args:
        step: such as "ordered before", or "finalize after".
    """

    def __init__(self, step: str, number: int = 1) -> None:
        self._fatal = step, number
        self._counts: Counter[str] = Counter()
        self._lock = threading.Lock()

    def at(self, step: str) -> None:
        with self._lock:
            self._counts[step] += 1
            if (step, self._counts[step]) == self._fatal:
                os.kill(os.getpid(), signal.SIGKILL)


def dying_journal(path: Path, death: Death) -> Journal:
    """Return a journal that passes by *death* before and after each step."""

    def passing(name: str) -> Callable[..., object]:
        step: Callable[..., object] = getattr(Journal, name)

        def method(*args: object, **kwargs: object) -> object:
            death.at(f"{name} before")
            result = step(*args, **kwargs)
            death.at(f"{name} after")
            return result

        return method

    dying: type[Journal] = type("DyingJournal", (Journal,), {name: passing(name) for name in STEPS})
    return dying(path)


def dying_transport(death: Death) -> type[Transport]:
    """Return a transport that passes by *death* before a request is sent, and once its answer is here."""

    class DyingTransport(Transport):
        def request(self, method: str, url: str, **kwargs: Any) -> Response:
            name = REQUESTS.get(urlsplit(url).path.split("/")[1], "another")
            death.at(f"{name} before")
            response = super().request(method, url, **kwargs)
            death.at(f"{name} after")
            return response

    return DyingTransport


def obtain_and_die(place: Place, step: str, number: int) -> None:
    """Begin to obtain a certificate."""
    death = Death(step, number)
    vars(acmez.client)["Transport"] = dying_transport(death)
    place.client(dying_journal(place.journal, death)).obtain(place.names)


def obtain_and_write(place: Place, directory: Path) -> None:
    """Obtain a certificate, and write it."""
    with place.client() as client:
        client.obtain(place.names).write(directory)
