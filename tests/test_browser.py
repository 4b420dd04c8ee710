"""The browser of the tests tells what goes wrong in a page."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.browser import chromium


@pytest.mark.parametrize(
    "markup",
    [
        "<script>console.error('no')</script>",
        "<script>nothing.at.all()</script>",
        "<meta http-equiv='Content-Security-Policy' content=\"default-src 'none'\"><script>1</script>",
    ],
)
def test_what_goes_wrong_in_a_page_is_told(tmp_path: Path, markup: str):
    file = tmp_path / "page.html"
    file.write_text(f"<!doctype html><title>page</title><p>here{markup}")
    with chromium(tmp_path / "profile") as browser:
        browser.open(file)
        assert browser.text("p") != []
        assert len(browser.errors) == 1


def test_a_blank_page_has_one_colour(tmp_path: Path):
    file = tmp_path / "page.html"
    file.write_text("<!doctype html><title>page</title>")
    with chromium(tmp_path / "profile") as browser:
        browser.open(file, width=300, height=200)
        assert browser.colours(browser.screenshot()) == {"#ffffff": 60000}
