"""What is measured: the cases, who takes part, and what acmez is meant to reach."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

Figures = Mapping[str, "Figure"]


@dataclass(frozen=True, slots=True)
class Figure:
    """The medians of one entry's runs.

    Attributes:
        wall, cpu, latency: seconds; latency is that of one certificate.
        rss: peak memory of the client in MB.
        requests: counted by the CA, `None` where it does not count.
        connections: counted by the proxy, `None` where there is none.
        runs: how many.
        walls: the wall time of each run.
    """

    wall: float
    cpu: float
    latency: float
    rss: float
    requests: float | None
    connections: float | None
    runs: int
    walls: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Entry:
    """One client in one case.

    Attributes:
        label: what the tables call it.
        client: a program of `benchmarks.clients`.
        arguments: besides those of the case.
        runs: at most so many, for what takes minutes.
    """

    label: str
    client: str
    arguments: tuple[str, ...] = ()
    runs: int = 100


@dataclass(frozen=True, slots=True)
class Target:
    """A bound that acmez is meant to keep: `value` is compared with `bound`.

    Attributes:
        needs: the labels without whose figures it cannot be told.
        at_least: whether more is better.
    """

    text: str
    value: Callable[[Figures], float]
    bound: float
    needs: tuple[str, ...]
    at_least: bool = False

    def verdict(self, figures: Figures) -> tuple[float, bool] | None:
        """Return the value and whether it keeps the bound; `None` if a figure is missing."""
        if not all(label in figures for label in self.needs):
            return None
        value = self.value(figures)
        return value, value >= self.bound if self.at_least else value <= self.bound


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One row: the CA's behaviour, what is ordered, who takes part.

    Attributes:
        key: names it on the command line.
        rtt: round trip in seconds; 0: straight to the CA, no proxy.
        va_sleep: Pebble sleeps a whole number of seconds below this before it validates, at random.
        retry_after: what the CA sends with a processing order, in seconds.
        ca: "pebble" or "testkit"; "none": name servers alone; "late": Pebble, and a secondary name server that lags.
        counts: what the figure `requests` counts.
        timeout: seconds after which a run has failed.
        shown: the figures that tell this case's story, as the chart shows them.
    """

    key: str
    title: str
    names: int = 1
    rtt: float = 0.0
    orders: int = 1
    concurrency: int = 1
    va_sleep: int | None = None
    retry_after: int = 0
    ca: str = "pebble"
    counts: str = "requests"
    timeout: float = 150.0
    entries: tuple[Entry, ...]
    targets: tuple[Target, ...] = ()
    note: str = ""
    shown: str = "wall"

    def arguments(self) -> list[str]:
        """Return the part of a program's command line that the case decides."""
        return [f"--names={self.names}", f"--orders={self.orders}", f"--concurrency={self.concurrency}"]


OURS, GO, LEGO, CERTBOT, RUST = "acmez", "Go acmez", "lego", "certbot acme", "instant-acme"
WIDE = "acmez, parallelism 32"
PATCHED = "Go acmez, PollInterval 10 ms"

ours = Entry(OURS, "acmez")
wide = Entry(WIDE, "acmez", ("--parallelism=32",))
go = Entry(GO, "go-acmez")
lego = Entry(LEGO, "lego")
certbot = Entry(CERTBOT, "certbot-acme")
rust = Entry(RUST, "instant-acme")
patched = Entry(PATCHED, "go-acmez", ("--poll-interval=10ms",))


def few(entry: Entry, runs: int) -> Entry:
    """Return the entry with fewer runs."""
    return Entry(entry.label, entry.client, entry.arguments, runs)


def waiting(entry: Entry, kind: str, runs: int = 100) -> Entry:
    """Return the entry with answers that are visible after 5 s."""
    arguments = (*entry.arguments, "--propagation=5", f"--wait-kind={kind}")
    return Entry(f"{entry.label}, 5 s {kind}", entry.client, arguments, runs)


def wall(of: str, than: str, bound: float) -> Target:
    """Compare wall times."""
    return Target(
        f"wall time of {of} / {than}", lambda found: found[of].wall / found[than].wall, bound, needs=(of, than)
    )


def cpu(than: str, bound: float) -> Target:
    """Compare CPU times."""
    return Target(f"CPU of acmez / {than}", lambda found: found[OURS].cpu / found[than].cpu, bound, needs=(OURS, than))


def rate(than: str, bound: float) -> Target:
    """Compare certificates per second."""
    return Target(
        f"certificates per second of acmez / {than}",
        lambda found: found[than].wall / found[OURS].wall,
        bound,
        needs=(OURS, than),
        at_least=True,
    )


def requests(of: str, bound: int) -> Target:
    """Bound the number of requests."""
    return Target(f"requests of {of}", lambda found: found[of].requests or 0.0, bound, needs=(of,))


def in_time(kind: str, base: str) -> Target:
    """Bound what a wait for propagation adds."""
    label = f"{OURS}, 5 s {kind}"
    return Target(
        f"seconds that 5 s of propagation ({kind}) add",
        lambda found: found[label].wall - found[base].wall,
        5.0,
        needs=(label, base),
    )


def names_in_words(names: int) -> str:
    """Label an entry of ours."""
    return f"{OURS}, {names:,} name{'s' if names > 1 else ''}"


def in_one_zone(names: int, runs: int = 100) -> Entry:
    """Return the entry of the waiter alone, for so many names of one zone."""
    return Entry(names_in_words(names), OURS, (f"--names={names}",), runs)


def per_name(what: str, value: Callable[[Figure], float]) -> Target:
    """Compare what 1,000 names cost with what as many single names cost."""
    one, many = in_one_zone(1).label, in_one_zone(1000).label
    return Target(
        f"{what} for 1,000 names / 1,000 times that for 1 name",
        lambda found: value(found[many]) / (1000 * value(found[one])),
        0.5,
        needs=(one, many),
    )


def copied(names: int, late: int) -> Entry:
    """Return the entry for a secondary name server that is so many seconds late."""
    when = f"{late} s later" if late else "at once"
    return Entry(f"{names_in_words(names)}, copied {when}", OURS, (f"--names={names}", f"--late={late}"))


def lateness(names: int) -> Target:
    """Bound what a late secondary name server adds."""
    soon, late = copied(names, 0).label, copied(names, 5).label
    return Target(
        f"seconds that a secondary adds that is 5 s late, {names_in_words(names).removeprefix('acmez, ')}",
        lambda found: found[late].wall - found[soon].wall,
        6.0,
        needs=(soon, late),
    )


ROUND_TRIPS = 11  # of one order from a fresh process: the protocol's own limit

CASES = (
    Case(
        key="1@0",
        title="1 name, no distance",
        entries=(ours, go, lego, certbot, rust, patched),
        targets=(wall(OURS, GO, 0.10),),
    ),
    Case(
        key="1@50",
        title="1 name, 50 ms",
        rtt=0.05,
        entries=(ours, go, lego, certbot, rust),
        targets=(
            Target(
                "wall time of acmez / the protocol's limit of 11 round trips",
                lambda found: found[OURS].wall / (ROUND_TRIPS * 0.05),
                1.10,
                needs=(OURS,),
            ),
            wall(OURS, LEGO, 1.0),
        ),
    ),
    Case(
        key="100@50",
        title="100 names, 50 ms",
        names=100,
        rtt=0.05,
        entries=(ours, wide, few(go, 3), few(lego, 3), few(certbot, 3), few(rust, 3)),
        targets=(
            wall(OURS, GO, 0.05),
            wall(OURS, LEGO, 0.12),
            requests(OURS, 2 * 100 + 8 + 10),
            wall(WIDE, GO, 0.03),
        ),
    ),
    Case(
        key="slow-ca",
        title="100 names, 20 ms, validation after 0 or 1 s, Retry-After 3",
        names=100,
        rtt=0.02,
        va_sleep=2,
        retry_after=3,
        timeout=900.0,
        entries=(ours, few(go, 3), few(certbot, 3), few(rust, 3), few(lego, 1)),
        targets=(wall(OURS, GO, 0.16),),
        note=(
            "Each name is validated at once or after 1 s, at random. Pebble writes Retry-After as seconds or as a date,"
            " at random; a date has no fractions of a second."
        ),
    ),
    Case(
        key="propagation",
        title="100 names, 20 ms, answers visible after 5 s",
        names=100,
        rtt=0.02,
        entries=(
            ours,
            waiting(ours, "clock"),
            waiting(ours, "sleep"),
            waiting(go, "clock", 3),
            waiting(certbot, "sleep", 3),
        ),
        targets=(in_time("clock", OURS), in_time("sleep", OURS)),
        note=(
            "clock: a waiter that knows since when the answer is there; sleep: one that sleeps 5 s for each name."
            " Go acmez and lego sleep name after name, which would take more than 500 s each."
        ),
    ),
    Case(
        key="200",
        title="200 certificates of 1 name from one process, 8 at once",
        orders=200,
        concurrency=8,
        entries=(ours, go, patched, few(certbot, 3), few(rust, 3)),
        targets=(cpu(GO, 2.0), cpu(CERTBOT, 0.33), rate(GO, 8.0), rate(PATCHED, 0.6)),
        shown="cpu",
    ),
    Case(
        key="memory",
        title="1,000 orders at once in one process",
        orders=1000,
        concurrency=1000,
        ca="testkit",
        entries=(few(ours, 1),),
        targets=(Target("peak memory in MB", lambda found: found[OURS].rss, 250.0, needs=(OURS,)),),
        note=(
            "Against the embedded CA of acmez-testkit in another process: Pebble 2.10.1 locks itself up sooner or"
            " later with so many orders at once. The wall time is that CA's."
        ),
        shown="rss",
    ),
    Case(
        key="dns-waiter",
        title="The waiter dns-propagation: 1, 100 and 1,000 names of one zone",
        names=1000,
        ca="none",
        counts="queries",
        entries=(in_one_zone(1), in_one_zone(100), in_one_zone(1000)),
        targets=(
            per_name("queries", lambda figure: figure.requests or 0.0),
            per_name("wall time", lambda figure: figure.wall),
            per_name("CPU", lambda figure: figure.cpu),
        ),
        note=(
            "The records are there. A BIND 9 on 127.0.0.1 and ::1 has the zone; both addresses are asked for each name."
            " It counts the queries: for the zone's name servers and their addresses once, and for each name three,"
            " whether it is in a zone of its own (SOA) and the record (TXT) at both addresses."
        ),
    ),
    Case(
        key="late-secondary",
        title="1 and 100 names by dns-01, a secondary name server copies the zone at once or 5 s later",
        ca="late",
        entries=tuple(copied(names, late) for names in (1, 100) for late in (0, 5)),
        targets=(lateness(1), lateness(100)),
        note=(
            "acmez-dns-rfc2136 and dns-propagation as they come. BIND 9 is the primary, Knot the secondary, which hears"
            " of the change when it is told to; Pebble asks through unbound."
        ),
    ),
)


@dataclass
class Outcome:
    """What came of one case."""

    case: Case
    figures: dict[str, Figure] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)
