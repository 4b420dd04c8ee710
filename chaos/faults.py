"""The faults that the proxy makes: what happens, how often, and whether a certificate can be had all the same."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from chaos import effects
from chaos.effects import Drip, Edited, Instead, busy_until, page, problem
from chaos.journey import STEPS
from chaos.stage import OnConnect, OnRequest, Stage

T = TypeVar("T")

#: How often a passing fault happens in one run, at least and at most.
FEW = (1, 3)
#: The same where each time costs the client a time-out.
TWICE = (1, 2)
_POSTS = STEPS[2:]
_WITH_BODY = tuple(step for step in STEPS if step != "newNonce")


@dataclass(frozen=True, slots=True)
class Refused:
    """Nobody listens, for so many seconds (at least and at most) or for ever."""

    seconds: tuple[float, float] | None


@dataclass(frozen=True, slots=True)
class Fault:
    """One kind of fault, which happens at one step.

    Attributes:
        name: in a few words.
        on_connect, on_request, refused: what happens; one of them.
        times: how often, at least and at most; `None`: to each such request, for ever.
        steps: where it makes sense.
        spreads: whether all that follows is hit, too.
        stalls: whether it costs the client a time-out.
        error: what the client's error must say (a regular expression) if no certificate can be had; "": one can.
    """

    name: str
    on_request: OnRequest | None = None
    on_connect: OnConnect | None = None
    refused: Refused | None = None
    times: tuple[int, int] | None = FEW
    steps: tuple[str, ...] = STEPS
    spreads: bool = False
    stalls: bool = False
    error: str = ""

    def reaches_ca(self, step: str) -> bool:
        """Whether the CA can still be asked to forget what is pending, once the client has given up."""
        goes_on = self.error != ""
        cut_off = self.spreads or self.on_request is None or step == "authorization"
        return not (goes_on and cut_off)


@dataclass
class FaultAt:
    """The plan of a run in which one fault happens at one step."""

    fault: Fault
    step: str
    random: random.Random

    def __post_init__(self) -> None:
        times = self.fault.times
        self._left = float("inf") if times is None else self.random.randint(*times)
        self._armed = False
        self.struck: int | None = 0

    def opened(self, stage: Stage, step: str) -> None:
        fault = self.fault
        if step != self.step or self._armed or fault.on_request is not None:
            return
        self._armed = True
        if fault.refused is None:
            stage.hang_up()
        else:
            self.struck = 1
            seconds = fault.refused.seconds
            stage.refuse(None if seconds is None else self.random.uniform(*seconds))

    def on_connect(self) -> OnConnect | None:
        if not self._armed or self._left <= 0:
            return None
        return self._strike(self.fault.on_connect)

    def on_request(self, step: str) -> OnRequest | None:
        if self.fault.spreads and step == self.step:
            self._armed = True
        if self._left <= 0 or not (step == self.step or (self.fault.spreads and self._armed)):
            return None
        return self._strike(self.fault.on_request)

    def _strike(self, happens: T) -> T:
        self._left -= 1
        self.struck = (self.struck or 0) + 1
        return happens


@dataclass
class Storm:
    """The plan of a run in which each request has a share in the faults, whatever it is."""

    faults: Sequence[Fault]
    share: float
    random: random.Random
    struck: int | None = None

    def opened(self, stage: Stage, step: str) -> None:
        """Nothing is planned for a certain step."""

    def on_connect(self) -> OnConnect | None:
        fault = self._next()
        return None if fault is None else fault.on_connect

    def on_request(self, step: str) -> OnRequest | None:
        fault = self._next()
        return fault.on_request if fault is not None and step in fault.steps else None

    def _next(self) -> Fault | None:
        return self.random.choice(self.faults) if self.random.random() < self.share else None


def _connections() -> Iterator[Fault]:
    yield Fault("connection refused", refused=Refused((0.05, 1.0)), times=None)
    yield Fault("reset while connecting", on_connect=effects.reset_on_connect)
    yield Fault("TLS handshake failure", on_connect=effects.tls_alert)
    yield Fault("closed while shaking hands", on_connect=effects.tls_closed)
    yield Fault("stall while shaking hands", on_connect=effects.tls_stalled, times=TWICE, stalls=True)
    yield Fault("reset before delivery", effects.reset_before)
    yield Fault("closed before delivery", effects.closed_before)
    yield Fault("reset after delivery", effects.reset_after)
    yield Fault("answer lost", effects.lost)
    yield Fault("answer truncated in its head", effects.truncated_head)
    yield Fault("answer truncated in its body", effects.truncated_body)
    yield Fault("stall before delivery", effects.stalled_before, times=TWICE, stalls=True)
    yield Fault("stall after delivery", effects.stalled_after, times=TWICE, stalls=True)
    yield Fault("slow drip", Drip(pieces=20, pause=0.02), times=None)
    yield Fault("slow drip beyond the time-out", Drip(pieces=200, pause=0.05), times=(1, 1), stalls=True)


def _load_balancers() -> Iterator[Fault]:
    yield Fault("500 with HTML", Instead(page(500)))
    yield Fault("500 serverInternal", Instead(problem(500, "serverInternal")))
    yield Fault("502 with HTML", Instead(page(502)))
    yield Fault("502 with HTML, yet the CA acted", Instead(page(502), acted=True))
    yield Fault("503 with HTML", Instead(page(503)))
    yield Fault("503, Retry-After: 1", Instead(page(503, retry_after="1")), times=TWICE)
    yield Fault("503, Retry-After as date", Instead(busy_until(1)), times=TWICE)
    yield Fault("504 with HTML, yet the CA acted", Instead(page(504), acted=True))
    yield Fault("429 with HTML", Instead(page(429)))
    yield Fault("429 rateLimited, Retry-After: 1", Instead(problem(429, "rateLimited", retry_after="1")), times=TWICE)
    yield Fault("200 with HTML", Instead(page(200)))
    yield Fault("200 with HTML, yet the CA acted", Instead(page(200), acted=True))


def _odd_answers() -> Iterator[Fault]:
    yield Fault("odd content type", Edited(effects.odd_content_type), times=None)
    yield Fault("gzip", Edited(effects.gzipped), times=None, steps=_WITH_BODY)
    yield Fault("chunked", Edited(effects.chunked), times=None, steps=_WITH_BODY)
    yield Fault("body of 1 MB", Edited(effects.padded(1_000_000)), times=None, steps=_WITH_BODY)
    yield Fault("body of 8 MB", Edited(effects.padded(8_000_000)), times=TWICE, steps=_WITH_BODY)
    yield Fault("60 more fields", Edited(effects.many_fields), times=None)
    yield Fault("field of 100 kB", Edited(effects.huge_field))
    yield Fault("no Replay-Nonce", Edited(effects.no_nonce), times=None, steps=_POSTS)
    yield Fault("no Replay-Nonce, at times", Edited(effects.no_nonce), steps=("newNonce",))
    yield Fault("no optional fields", Edited(effects.bare), times=None)
    yield Fault("empty body", Edited(effects.emptied), steps=_WITH_BODY)
    yield Fault("half of the body", Edited(effects.garbled), steps=_WITH_BODY)
    yield Fault("authorization reused invalid", Edited(effects.invalid), times=(1, 1), steps=("authorization",))


def _hopeless() -> Iterator[Fault]:
    silent = r"no answer within|timed out"
    gone = r"reset|closed|disconnected|EOF|[Bb]roken pipe|aborted|cannot connect"
    yield Fault("connection refused for ever", refused=Refused(None), times=None, error="refused")
    yield Fault("TLS handshake failure for ever", on_connect=effects.tls_alert, times=None, error="(?i)handshake")
    yield Fault("500 for ever", Instead(page(500)), times=None, error="HTTP 500")
    yield Fault("stall for ever", effects.stalled_before, times=None, error=silent)
    yield Fault("everything stalls from here on", effects.stalled_before, times=None, spreads=True, error=silent)
    yield Fault("everything is reset from here on", effects.reset_before, times=None, spreads=True, error=gone)
    yield Fault(
        "200 with HTML for ever",
        Instead(page(200)),
        times=None,
        error="JSON|PEM certificate chain|Replay-Nonce|Location|after finalize",
    )
    yield Fault(
        "429 rateLimited without Retry-After",
        Instead(problem(429, "rateLimited")),
        times=None,
        steps=_WITH_BODY,
        error="rateLimited",
    )


PASSING = (*_connections(), *_load_balancers(), *_odd_answers())
HOPELESS = tuple(_hopeless())
#: What a storm is made of: everything that passes quickly.
STORM = tuple(fault for fault in PASSING if fault.times == FEW)
