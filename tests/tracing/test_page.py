"""The page in a real browser: what it shows, how it is filtered, and that nothing in it can break out."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from acmez import Route, events
from acmez.tracing import Trace
from tests.browser import Browser, chromium
from tests.solvers import TxtSolver, laboratory
from tests.tracing.story import NAME, failed_name, fleet, one_name

NAMES = [f"host-{number}.example.org" for number in range(100)]
HOSTILE = (
    """</script><script>document.title = "broken"</script><img src=x onerror="document.title='broken'"> <!-- "'&\\"""
)


class Patient:
    """Waits for a moment."""

    name = "patient"

    def wait(self, challenge: object, scope: object) -> None:
        pass


@pytest.fixture(scope="module")
def hundred(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of a real order for a hundred names."""
    file = tmp_path_factory.mktemp("trace") / "hundred.html"
    trace = Trace()
    with laboratory() as lab:
        route = Route(TxtSolver(zone=lab.zone), waiter=Patient())  # type: ignore[arg-type]
        lab.client(route, on_event=trace).obtain(NAMES)
    trace.write(file)
    return file


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with chromium(tmp_path_factory.mktemp("profile")) as browser:
        yield browser


@pytest.fixture
def browser(started: Browser) -> Iterator[Browser]:
    """A browser in which nothing goes wrong."""
    started.errors.clear()
    yield started
    assert started.errors == []


def page(tmp_path: Path, *seen: events.Event) -> Path:
    trace = Trace()
    for event in seen:
        trace(event)
    trace.write(tmp_path / "page.html")
    return tmp_path / "page.html"


def shown(browser: Browser) -> str:
    (text,) = browser.text("#shown")
    return text


def names(browser: Browser) -> list[str]:
    return browser.text(".row.level2 .text")


def test_a_row_for_every_name_and_only_those_drawn_that_can_be_seen(browser: Browser, hundred: Path):
    browser.open(hundred)
    assert browser.text("h1") == ["host-0.example.org and 99 more"]
    assert shown(browser) == "100 of 100 names · 103 rows"
    assert browser.run("document.querySelector('#canvas').clientHeight") == 103 * 26
    assert set(browser.text(".row.level1 .text")) == {"account and nonces", "host-0.example.org +99"}
    assert names(browser)[0] == "order"
    assert 20 < len(names(browser)) < 60
    seen: set[str] = set()
    for top in range(0, 103 * 26, 400):
        browser.run(f"document.querySelector('#rows').scrollTop = {top}")
        browser.settle()
        seen |= set(names(browser))
    assert seen == {"order", *NAMES}


def test_the_numbers_are_those_of_the_order(browser: Browser, hundred: Path):
    browser.open(hundred)
    told = dict(zip(browser.text("#summary dt"), browser.text("#summary dd"), strict=True))
    assert (told["certificate"], told["names"]) == ("1", "100")
    assert int(told["requests"]) > 200
    assert 1 <= int(told["connections"]) <= 10
    assert len(browser.text("#slowest button")) == 5
    legend = {
        kind.rstrip("0123456789"): int(kind.lstrip("abcdefghijklmnopqrstuvwxyz-"))
        for kind in browser.text("#kinds button")
    }
    assert legend == {**legend, "present": 100, "wait": 100, "validate": 100, "issue": 1, "clean-up": 100}
    assert legend["request"] == int(told["requests"])


def test_the_filter_finds_names(browser: Browser, hundred: Path):
    browser.open(hundred)
    browser.type("#filter", "HOST-7")
    assert shown(browser) == "11 of 100 names · 12 rows"
    assert sorted(names(browser)) == sorted(name for name in NAMES if name.startswith("host-7"))
    browser.type("#filter", "nobody")
    assert shown(browser) == "0 of 100 names · 0 rows"
    assert browser.run("document.querySelector('#empty').checkVisibility()")
    browser.type("#filter", "")
    assert shown(browser) == "100 of 100 names · 103 rows"
    browser.click("#slowest button")
    assert shown(browser).startswith("1 of 100 names")


def test_kinds_can_be_left_out(browser: Browser, hundred: Path):
    browser.open(hundred)
    assert browser.text(".bar.present")
    browser.click("#kinds [data-kind=present]")
    assert not browser.text(".bar.present")
    assert browser.text(".bar.wait, .bar.request")
    for kind in ("request", "wait", "validate", "issue", "clean-up", "state"):
        browser.click(f"#kinds [data-kind={kind}]")
    assert shown(browser) == "0 of 100 names · 0 rows"


def test_a_name_opens_into_its_steps_and_each_tells_its_details(browser: Browser, tmp_path: Path):
    browser.open(page(tmp_path, *one_name()))
    assert names(browser) == ["order", NAME]
    browser.click(".row.level2:nth-last-child(1) .name")
    assert browser.text(".row.level3 .text") == [
        "authorization", "authorization pending", "present http-01", "wait for http-01", "challenge",
        "validate http-01", "proved", "cleaned up",
    ]  # fmt: skip
    browser.mouse("mouseMoved", *browser.place(".row.level3 .bar.wait"))
    browser.settle()
    assert browser.text("#tip strong") == ["wait for http-01"]
    browser.click(".row.level3 .bar.wait")
    told = dict(zip(browser.text("#details dt"), browser.text("#details dd"), strict=True))
    assert told == {
        "kind": "wait", "name": NAME, "certificate": NAME, "start": "3 s", "took": "2 s",
        "order": "https://ca.test/order/1", "challenge": "http-01", "solver": "web",
    }  # fmt: skip
    assert not browser.run("document.querySelector('#tip').checkVisibility()")
    browser.click("#details button")
    assert not browser.run("document.querySelector('#details').checkVisibility()")


def test_only_what_failed(browser: Browser, tmp_path: Path):
    browser.open(page(tmp_path, *one_name(), *failed_name("saw something else", name="b.example.org")))
    assert shown(browser) == "2 of 2 names · 2 rows"
    browser.click("#failed")
    assert names(browser) == ["order", "b.example.org"]
    assert browser.text(".row.failed .sign") == ["✕", "✕", "✕"]
    browser.click(".bar.validate.bad")
    assert "unauthorized: saw something else" in browser.text("#details dd.bad")


def test_the_time_can_be_zoomed(browser: Browser, tmp_path: Path):
    browser.open(page(tmp_path, *one_name()))
    assert browser.text(".tick")[:3] == ["0", "1 s", "2 s"]
    x, y = browser.place("#axis")
    browser.mouse("mousePressed", x - 50, y)
    browser.mouse("mouseMoved", x, y)
    browser.mouse("mouseReleased", x + 50, y)
    browser.settle()
    assert all(4 < float(tick.removesuffix(" s")) < 6.5 for tick in browser.text(".tick") if tick)
    browser.click("#fit")
    assert browser.text(".tick")[:3] == ["0", "1 s", "2 s"]


def test_what_a_ca_says_stays_text(browser: Browser, tmp_path: Path):
    file = page(tmp_path, *failed_name(HOSTILE, name=f"a.example.org{HOSTILE}"))
    assert file.read_text().count("</script>") == 2
    browser.open(file)
    browser.click("#expand")
    browser.click(".bar.validate.bad")
    assert f"unauthorized: {HOSTILE}" in browser.text("#details dd.bad")
    assert browser.text(".row.level1 .text") == [f"a.example.org{HOSTILE}"]
    assert browser.run("document.title") == f"a.example.org{HOSTILE} · timeline"
    assert browser.run("document.querySelectorAll('img, script').length") == 2


def test_a_fleet_of_a_thousand_orders(browser: Browser, tmp_path: Path):
    browser.open(page(tmp_path, *fleet(1000)))
    assert browser.text("h1") == ["1000 certificates"]
    assert shown(browser) == "1000 of 1000 names · 1000 rows"
    assert len(browser.text(".row")) < 60
    browser.type("#filter", "shop-777.")
    assert names(browser) == ["order", "shop-777.example.net"]
    browser.type("#filter", "")
    browser.click("#expand")
    assert shown(browser) == "1000 of 1000 names · 3000 rows"
    assert len(browser.text(".row")) < 60
    browser.run("document.querySelector('#rows').focus()")
    browser.run("document.querySelector('#rows').scrollTop = 1e9")
    browser.settle()
    assert "shop-999.example.net" in names(browser)
    browser.click("#collapse")
    assert shown(browser) == "1000 of 1000 names · 1000 rows"


def test_nothing_yet_is_a_page_too(browser: Browser, tmp_path: Path):
    browser.open(page(tmp_path))
    assert shown(browser) == "0 of 0 names · 0 rows"
    assert browser.run("document.querySelector('#empty').checkVisibility()")


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [1400, 420])
def test_it_can_be_seen(browser: Browser, hundred: Path, width: int, *, dark: bool):
    browser.open(hundred, width=width, dark=dark)
    assert browser.run("document.documentElement.scrollWidth") <= width
    picture = browser.screenshot()
    seen = browser.colours(picture)
    assert sum(seen.values()) == width * 900
    paper, bars = ("#131518", {"#ab86ea", "#5b9bf0"}) if dark else ("#fbfbfa", {"#8d5fd3", "#3b7dd8"})
    assert seen[paper] > 0.3 * width * 900
    assert all(seen[colour] > 100 for colour in bars)
    assert len(seen) > 100
