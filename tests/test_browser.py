"""The browser of the tests tells what goes wrong in a page."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.browser import Browser, chromium


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with chromium(tmp_path_factory.mktemp("profile")) as browser:
        yield browser


def page(tmp_path: Path, markup: str) -> Path:
    file = tmp_path / "page.html"
    file.write_text(f"<!doctype html><title>page</title>{markup}")
    return file


@pytest.mark.parametrize(
    "markup",
    [
        "<script>console.error('no')</script>",
        "<script>nothing.at.all()</script>",
        "<meta http-equiv='Content-Security-Policy' content=\"default-src 'none'\"><script>1</script>",
    ],
)
def test_what_goes_wrong_in_a_page_is_told(browser: Browser, tmp_path: Path, markup: str):
    browser.errors.clear()
    browser.open(page(tmp_path, f"<p>here{markup}"))
    assert browser.text("p") != []
    assert len(browser.errors) == 1


def test_a_blank_page_has_one_colour(browser: Browser, tmp_path: Path):
    browser.open(page(tmp_path, ""), width=300, height=200)
    assert browser.colours(browser.screenshot()) == {"#ffffff": 60000}
