"""The documentation builds without a warning, its links lead somewhere, and its reference tells of everything."""

from __future__ import annotations

import fcntl
import inspect
import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

import acmez
from acmez import explanations, hookspecs
from acmez.cli.app import cli
from acmez.config import Config
from acmez.events import Event
from acmez.inspection import HOOKS
from acmez.kinds import KINDS
from acmez.known_plugins import KNOWN_PLUGINS
from acmez.option_docs import options_of
from acmez.plugins import PluginManager

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"


class Page(HTMLParser):
    """What a page links to and what can be linked to in it."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.links: list[str] = []
        self.anchors: set[str] = set()
        self.text = path.read_text(encoding="utf-8")
        self.feed(self.text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.anchors |= {value for name in ("id", "name") if (value := found.get(name))}
        if tag in {"a", "img", "link", "script"}:
            self.links += [value for name in ("href", "src") if (value := found.get(name))]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The whole site, built by whichever process of the run needs it first."""
    place = tmp_path_factory.mktemp("site")
    if run := os.environ.get("PYTEST_XDIST_TESTRUNUID"):
        place = tmp_path_factory.getbasetemp().parent / f"site-{run}"
        place.mkdir(exist_ok=True)
    with (place / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        warnings = place / "warnings.txt"
        if not warnings.exists():
            build(place, warnings)
    assert warnings.read_text() == ""
    return place / "html"


def build(place: Path, warnings: Path) -> None:
    options = ["--fail-on-warning", "--keep-going", "--quiet", "--doctree-dir", str(place / "doctrees")]
    options += ["--define", "toc_object_entries=0"]  # each page's own contents take a fifth of the time
    command = [sys.executable, "-m", "sphinx", *options, str(DOCS), str(place / "html")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    warnings.write_text(done.stderr or (f"exit code {done.returncode}" if done.returncode else ""))


@pytest.fixture(scope="module")
def pages(site: Path) -> dict[Path, Page]:
    return {path: Page(path) for path in sorted(site.rglob("*.html"))}


def test_every_page_in_the_repository_is_a_page_of_the_site(pages: dict[Path, Page], site: Path):
    sources = {path.relative_to(DOCS).with_suffix(".html") for path in DOCS.rglob("*.md")}
    sources |= {Path(f"errors/pages/{name}.html") for name in explanations.names()}
    assert len(sources) > 100
    assert sources <= {path.relative_to(site) for path in pages}


def test_every_page_can_be_reached_from_the_first(pages: dict[Path, Page], site: Path):
    reached: set[Path] = set()
    waiting = [site / "index.html"]
    while waiting:
        path = waiting.pop()
        if path not in reached:
            reached.add(path)
            waiting += [target for target, _ in inner_links(path, pages[path]) if target in pages]
    assert set(pages) - reached - {site / "search.html"} == set()


def test_every_link_leads_somewhere(pages: dict[Path, Page]):
    broken = [
        f"{path.name}: {target.name}#{anchor}"
        for path, page in pages.items()
        for target, anchor in inner_links(path, page)
        if not target.exists() or (anchor and target in pages and anchor not in pages[target].anchors)
    ]
    assert broken == []


def inner_links(path: Path, page: Page) -> list[tuple[Path, str]]:
    """Return file and anchor of each link that stays in the site."""
    found = []
    for link in page.links:
        parts = urlsplit(link)
        if not parts.scheme and not parts.netloc:
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            found.append((target, unquote(parts.fragment)))
    return found


def test_nothing_is_fetched_from_elsewhere(pages: dict[Path, Page]):
    for page in pages.values():
        assert re.findall(r"<(?:script|img|link)[^>]+(?:src|href)=\"https?:", page.text) == []


def test_every_plugin_has_its_readme_as_a_page():
    names = sorted(path.parent.name for path in ROOT.glob("plugins/*/pyproject.toml"))
    for name in names:
        assert (DOCS / f"plugins/{name}.md").resolve() == ROOT / f"plugins/{name}/README.md"
    assert sorted(path.stem for path in DOCS.glob("plugins/acmez-*.md")) == names


def test_the_reference_has_every_option_of_every_component(site: Path):
    text = (site / "reference/options.html").read_text()
    manager = PluginManager()
    for kind in KINDS:
        for name, component in manager.offered(kind).items():
            assert f">{name}<" in text
            assert all(f">{option.name}<" in text for option in options_of(component))
    assert {name.partition("-")[0] for name in KNOWN_PLUGINS} >= {"dns", "http"}


def test_the_reference_has_every_key_of_the_configuration(site: Path):
    text = re.sub(r"<[^>]+>", "", (site / "reference/configuration.html").read_text())
    assert all(option.name.rpartition(".")[2] in text for option in options_of(Config))
    for heading in ("[account]", "[account.eab]", "[solver.NAME]", "[solver.NAME.wait]", "[[certificate]]"):
        assert heading in text


def test_the_reference_has_every_command_with_its_help(site: Path):
    text = (site / "reference/commands.html").read_text()
    for name in cli.list_commands(None):  # type: ignore[arg-type]  # it is not looked at
        assert f"Usage: acmez {name}" in text


def test_the_reference_has_every_public_name(site: Path):
    anchors = set().union(*(Page(path).anchors for path in (site / "reference").rglob("*.html")))
    assert {f"acmez.hookspecs.{hook}" for hook in HOOKS if hasattr(hookspecs, hook)} <= anchors
    assert {f"acmez.events.{event.__name__}" for event in Event.__subclasses__()} <= anchors
    for name in acmez.acme.__all__:
        assert f"acmez.acme.{name}" in anchors
    missing = {
        name
        for name in acmez.__all__
        for value in [getattr(acmez, name)]
        if inspect.isclass(value)
        and not {f"acmez.{name}", f"{value.__module__}.{name}", f"acmez.acme.{name}"} & anchors
    }
    assert missing == set()


def test_the_first_page_shows_the_code_of_the_readme():
    def code(path: Path) -> str:
        return path.read_text().partition("```python\n")[2].partition("```")[0]

    assert code(DOCS / "index.md") == code(ROOT / "README.md")


def test_an_error_that_a_page_names_is_a_link_to_its_page(pages: dict[Path, Page], site: Path):
    text = pages[site / "errors/pages/ProblemError.html"].text
    assert re.search(r'see <a [^>]*href="RateLimited.html"', text)


def test_the_tree_of_errors_leads_to_their_pages(pages: dict[Path, Page], site: Path):
    article = pages[site / "errors/index.html"].text.partition("<article")[2].partition("</article>")[0]
    assert {*re.findall(r'href="pages/(\w+).html"', article)} == {*explanations.names()}


def test_a_link_out_of_the_documentation_is_no_more_than_text(pages: dict[Path, Page], site: Path):
    assert "](../benchmarks/peers)" in (DOCS / "performance.md").read_text()
    assert not any("benchmarks" in link for link in pages[site / "performance.html"].links)
    assert "benchmarks/peers" in pages[site / "performance.html"].text
