"""What is known of every name while its certificate is obtained, in words and in lines for a terminal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from rich.text import Text

from acmez import events
from acmez.acme.wire import printable
from acmez.csr import identifiers, load_request, request_identifiers
from acmez.spec import CertificateSpec

_ROWS = 8
_SPINNER = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"


class State(Enum):
    """How far a name is: what to call that, how far it is on the way from 0 to 1, and its colour."""

    DONE = "done", 1.0, "green"
    PROVED = "proved", 0.95, "green"
    FAILED = "failed", 0.1, "red"
    LOOKED_AT = "CA looks", 0.5, "cyan"
    VISIBLE = "visible", 0.4, "yellow"
    PRESENTED = "presented", 0.3, "yellow"
    ORDERED = "ordered", 0.1, "dim"
    WAITING = "waiting", 0.0, "dim"
    WITHOUT = "without certificate", 1.0, "red"

    def __init__(self, label: str, share: float, style: str) -> None:
        self.label = label
        self.share = share
        self.style = style


_AT_REST = {State.DONE, State.PROVED, State.WAITING, State.WITHOUT}


@dataclass(frozen=True, slots=True)
class News:
    """What an event says of one name.

    Attributes:
        name: as the CA has it, "*." included.
        text: what happened, in words.
    """

    name: str
    state: State
    text: str


def news(event: events.Event) -> News | None:
    """Return what an event says of a name; `None`: nothing that is worth a line."""
    match event:
        case events.AuthorizationFetched(identifier=name, status="valid"):
            return News(name, State.PROVED, "proved before")
        case events.AuthorizationFetched(identifier=name, challenge_types=types):
            return News(name, State.ORDERED, f"the CA offers {printable(', '.join(types))}")
        case events.ChallengePresented(identifier=name, challenge_type=kind, solver=solver):
            return News(name, State.PRESENTED, f"{kind} presented by {solver}")
        case events.ChallengeWaited(identifier=name, challenge_type=kind):
            return News(name, State.VISIBLE, f"{kind} can be seen")
        case events.ChallengeAnswered(identifier=name, challenge_type=kind):
            return News(name, State.LOOKED_AT, f"the CA looks at {kind}")
        case events.AuthorizationValid(identifier=name):
            return News(name, State.PROVED, "proved")
        case events.AuthorizationFailed(identifier=name, step=step, reason=reason):
            return News(name, State.FAILED, f"failed to {step}: {printable(reason)}")
        case _:
            return None


def names_of(spec: CertificateSpec) -> tuple[str, ...]:
    """Return the names of a certificate as events have them.

    Raises:
        InputError: they are no names, or the certificate request cannot be read.
    """
    found = request_identifiers(load_request(spec.csr)) if spec.csr is not None else identifiers(spec.names)
    return tuple(identifier.value for identifier in found)


def readable(name: str) -> str:
    """Return a name as people write it, in Unicode where it is international."""
    import idna

    star, bare = ("*.", name[2:]) if name.startswith("*.") else ("", name)
    try:
        return star + idna.decode(bare)
    except (idna.IDNAError, UnicodeError):
        return printable(name)


@dataclass(slots=True)
class _Name:
    state: State
    text: str
    since: float


class Board:
    """The names of all certificates of one run; whoever shares it locks it."""

    def __init__(self) -> None:
        self._names: dict[str, _Name] = {}
        self._certificates = 0
        self._ended = 0
        self._issuing: set[str] = set()
        self._began: float | None = None

    def expect(self, names: Sequence[str], now: float) -> None:
        """Count on one more certificate, for these names."""
        self._certificates += 1
        for name in names:
            self._names.setdefault(name, _Name(State.WAITING, "waits for its turn", now))

    def end(self, names: Sequence[str], now: float, *, obtained: bool) -> None:
        """Note what became of the certificate for these names."""
        self._ended += 1
        for name in names:
            self._names[name] = _Name(State.DONE if obtained else State.WITHOUT, "", now)

    def see(self, event: events.Event) -> None:
        """Take an event."""
        told = news(event)
        if told is not None:
            self._names[told.name] = _Name(told.state, told.text, event.at)
        match event:
            case events.OrderCreated(names=names):
                self._began = self._began or event.at
                self._names.update((name, _Name(State.ORDERED, "ordered", event.at)) for name in names)
            case events.OrderReady(order=order):
                self._issuing.add(order)
            case events.CertificateIssued(order=order) | events.OrderFailed(order=order):
                self._issuing.discard(order)
            case _:
                pass

    def lines(self, width: int, height: int, now: float, title: str = "") -> list[Text]:
        """Return what to show, none of it wider than *width*, and not more than *height* lines.

        Args:
            title: said in place of how far it all is.
        """
        counts = Counter(known.state for known in self._names.values())
        title = title or ("" if self._names else "looking for the account")
        first = Text(f"{_spin(now)} {title}") if title else self._headline(counts, width, now)
        lines = [first, self._states(counts)]
        shown = self._rows(max(0, min(_ROWS, height - len(lines) - 2)))
        if 0 < len(shown) < len(self._names):
            lines.append(Text("  the slowest:", style="dim"))
        widest = max((Text(readable(name)).cell_len for name, _ in shown), default=0)
        for name, known in shown:
            lines.append(_row(readable(name), known, now, min(widest, max(12, width // 2))))
        for line in lines:
            line.truncate(width, overflow="ellipsis")
        return lines

    def _headline(self, counts: Counter[State], width: int, now: float) -> Text:
        """Say how many names are proved, how quickly, and how long the rest takes at that rate."""
        total = len(self._names)
        proved = counts[State.DONE] + counts[State.PROVED]
        names = f"{proved} of {total} {'name' if total == 1 else 'names'} proved"
        if self._certificates > 1:
            names = f"{self._ended} of {self._certificates} certificates, {names}"
        before = Text(f"{_spin(now)} {names}  ")
        share = sum(state.share * count for state, count in counts.items()) / max(total, 1)
        after = Text(f"  {self._speed(share, now)}")
        room = min(40, width - before.cell_len - after.cell_len)
        if room < 5:
            return before + after
        full = round(share * room)
        bar = Text.assemble(("━" * full, "green"), ("─" * (room - full), "dim"))
        return before + bar + after

    def _speed(self, share: float, now: float) -> str:
        """Return names per second, half-done ones counted in part, and the time that is left."""
        elapsed = 0.0 if self._began is None else now - self._began
        if elapsed <= 0 or share <= 0:
            return ""
        rate = share * len(self._names) / elapsed
        return f"{rate:.1f} names/s  {duration(elapsed * (1 - share) / share)} left"

    def _states(self, counts: Counter[State]) -> Text:
        told = [(f"{counts[state]} {state.label}", state.style) for state in State if counts[state]]
        if self._issuing:
            certificates = "certificate" if len(self._issuing) == 1 else "certificates"
            told.append((f"{len(self._issuing)} {certificates} being issued", "cyan"))
        return Text("  ") + Text("  ").join(Text(text, style=style) for text, style in told)

    def _rows(self, room: int) -> list[tuple[str, _Name]]:
        """Return all names if there is room, or else those that failed and those that have not moved for longest."""
        if len(self._names) <= room:
            return list(self._names.items())
        moving = [item for item in self._names.items() if item[1].state not in _AT_REST]
        moving.sort(key=lambda item: (item[1].state is not State.FAILED, item[1].since))
        return moving[:room]


def _row(name: str, known: _Name, now: float, width: int) -> Text:
    shown = Text(name)
    shown.truncate(width, overflow="ellipsis", pad=True)
    mark = {"green": "✓", "red": "✗"}.get(known.state.style) or _spin(now)
    waited = "" if known.state in _AT_REST else duration(now - known.since)
    row = Text.assemble((f"  {mark} ", known.state.style), (f"{waited:>6}  ", "dim"), shown)
    return row.append(f"  {known.text or known.state.label}", style=known.state.style)


def duration(seconds: float) -> str:
    """Return a time as people read it: "3.2 s", "1:05 min", "2:01 h"."""
    if seconds < 10:
        return f"{max(seconds, 0):.1f} s"
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes}:{rest:02} min"
    return f"{minutes // 60}:{minutes % 60:02} h"


def _spin(now: float) -> str:
    return _SPINNER[int(now * 10) % len(_SPINNER)]
