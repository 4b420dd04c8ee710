"""Looks at an http-01 answer as a CA will, before the CA is told to look (RFC 8555 §8.3)."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar
from urllib.parse import urljoin, urlsplit

from acmez.acme.challenges.http_01 import HttpAnswer, answer
from acmez.acme.scope import CancelScope
from acmez.errors import AcmezError
from acmez.protocols import Challenge

from .fetching import Address, FetchError, NoConnectionError, Page, Target, get, resolve

_LONGEST_LOOK = 10.0  # Boulder gives a validation no more
_LONGEST_PAUSE = 10.0
_MOST_ADDRESSES = 16
_MOST_REDIRECTS = 10  # as Boulder
_REDIRECTS = {301, 302, 307, 308}  # Baseline Requirements §3.2.2.4.19: these and no others
_AUTHORITY = re.compile(r"[0-9A-Za-z._:\[\]-]+\Z")
_PATH = re.compile(r"[!-~]+\Z")
_STANDARD_PORTS = {"http": 80, "https": 443}


class SelfCheckError(AcmezError):
    """The CA would not see the answer; the message says what is seen instead, and where."""


@dataclass
class HttpSelfCheck:
    """Fetches the answer from every address of the name until it is right everywhere.

    Leave it out where this machine cannot reach its own public addresses, as behind many routers.

    Attributes:
        port: where the server listens that a CA reaches at port 80.
        https_port: where the server listens that a CA reaches at port 443, for redirects.
        timeout: seconds after which to give up.
        interval: seconds of the first pause; pauses grow.
        follow_redirects: as CAs do, to ports 80 and 443.
        both_families: all IPv4 and IPv6 addresses must answer right; one family may be out of reach as a
            whole. Otherwise one right answer is enough.

    Raises:
        ValueError: a number is out of range.
    """

    name: ClassVar[str] = "http-self-check"

    port: int = 80
    https_port: int = 443
    timeout: float = 60.0
    interval: float = 0.5
    follow_redirects: bool = True
    both_families: bool = True

    def __post_init__(self) -> None:
        for option, port in (("port", self.port), ("https_port", self.https_port)):
            if not 1 <= port <= 65535:
                raise ValueError(f"{option}: {port} is not a port (1-65535)")
        for option, seconds in (("timeout", self.timeout), ("interval", self.interval)):
            if not 0 < seconds <= 86400:
                raise ValueError(f"{option}: {seconds:g} is not between 0 and 86400 seconds")

    def wait(self, challenge: Challenge, scope: CancelScope) -> None:
        """Return when the answer is seen.

        Raises:
            SelfCheckError: it was not within `timeout`.
            MalformedAnswer: the CA sent a challenge that cannot be answered.
            Cancelled: *scope* ended.
        """
        expected = answer(challenge)
        gives_up = time.monotonic() + self.timeout
        pause = self.interval
        while (seen := self._look(expected, gives_up, scope)) is not None:
            if time.monotonic() + pause >= gives_up:
                raise SelfCheckError(f"{expected.host}: the answer is not there after {self.timeout:g} s: {seen}")
            scope.sleep(pause)
            pause = min(pause * 1.5, _LONGEST_PAUSE)

    def _look(self, expected: HttpAnswer, gives_up: float, scope: CancelScope) -> str | None:
        """Fetch from the addresses of the name; return what is wrong, `None` if nothing is."""
        target = self._target(expected.url)
        try:
            addresses = resolve(target, min(gives_up, time.monotonic() + _LONGEST_LOOK), scope)
        except NoConnectionError as error:
            return str(error)
        outcomes: dict[Address, FetchError | None] = {}
        for address in addresses[:_MOST_ADDRESSES]:
            share = (gives_up - time.monotonic()) / (len(addresses) - len(outcomes))
            outcomes[address] = self._check(target, address, expected, min(share, _LONGEST_LOOK), scope)
            if outcomes[address] is None and not self.both_families:
                return None
        return _verdict(outcomes)

    def _check(
        self, target: Target, address: Address, expected: HttpAnswer, seconds: float, scope: CancelScope
    ) -> FetchError | None:
        """Look at one address and at where it redirects to; return what is wrong, `None` if nothing is."""
        remaining = scope.remaining()
        deadline = time.monotonic() + (seconds if remaining is None else min(seconds, remaining))
        try:
            page = get(target, address, deadline, scope)
            self._follow(page, expected, deadline, scope)
        except FetchError as error:
            return error
        return None

    def _follow(self, page: Page, expected: HttpAnswer, deadline: float, scope: CancelScope) -> None:
        url, where, redirects = expected.url, "", 0
        while page.status in _REDIRECTS and self.follow_redirects:
            redirects += 1
            if redirects > _MOST_REDIRECTS:
                raise FetchError(f"more than {_MOST_REDIRECTS} redirects, the last to {where}")
            url = _join(url, page.location)
            where = _shown(url, expected, 200)
            try:
                page = _get_anywhere(self._target(url), deadline, scope)
            except FetchError as error:
                raise FetchError(f"redirects to {where}: {error}") from error
        problem = _difference(page, expected)
        if problem is not None:
            raise FetchError(f"redirects to {where}: {problem}" if where else problem)

    def _target(self, url: str) -> Target:
        """Return what to ask for and where; a CA goes to ports 80 and 443 and to no others."""
        try:
            parts = urlsplit(url)
            port = parts.port or _STANDARD_PORTS[parts.scheme]
        except (ValueError, KeyError):
            raise FetchError("not an http or https URL") from None
        ports = {80: self.port, 443: self.https_port}
        if port not in {*ports, *ports.values()}:
            raise FetchError(f"port {port} is none that CAs go to")
        authority = parts.netloc.rpartition("@")[2]
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        if not parts.hostname or not _AUTHORITY.match(authority) or not _PATH.match(path):
            raise FetchError("not a URL that can be asked for")
        return Target(parts.scheme == "https", parts.hostname, ports.get(port, port), authority, path)


def _join(base: str, location: str | None) -> str:
    if not location:
        raise FetchError("redirects to nowhere: there is no Location")
    try:
        return urljoin(base, location)
    except ValueError:
        raise FetchError("redirects to what is not a URL") from None


def _get_anywhere(target: Target, deadline: float, scope: CancelScope) -> Page:
    """Fetch from the first address that can be reached, as CAs do after a redirect."""
    unreachable: list[str] = []
    for address in resolve(target, deadline, scope):
        try:
            return get(target, address, deadline, scope)
        except NoConnectionError as error:
            unreachable.append(f"{address}: {error}")
    raise NoConnectionError(", ".join(unreachable))


def _difference(page: Page, expected: HttpAnswer) -> str | None:
    """Say how *page* differs from what a CA wants to see; trailing white space does not count (§8.3)."""
    if page.status != 200:
        return f"status {page.status}"
    text = page.body.decode("utf-8", "replace")
    if text.rstrip() == expected.body:
        return None
    return f"another answer: {_shown(text, expected, 100)}" if text else "an empty answer"


def _verdict(outcomes: Mapping[Address, FetchError | None]) -> str | None:
    """Say what a CA would stumble over: it tries one family, and the other only if it cannot connect."""
    answered = any(
        all(error is None for address, error in outcomes.items() if address.family == family)
        for family in {address.family for address in outcomes}
    )
    wrong = [error for error in outcomes.values() if error and not isinstance(error, NoConnectionError)]
    if answered and not wrong:
        return None
    return "; ".join(f"{address}: {error}" for address, error in outcomes.items() if error)


def _shown(text: str, expected: HttpAnswer, length: int) -> str:
    """Return the beginning of what a server sent, without our secrets: it may well repeat its request."""
    token = expected.path.rpartition("/")[2]
    return ascii(text.replace(expected.body, "<key authorization>").replace(token, "<token>")[:length])
