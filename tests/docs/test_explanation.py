"""The picture of the architecture shows what is there."""

from __future__ import annotations

from importlib import import_module
from xml.etree import ElementTree as ET

from tests.docs.pages import DOCS

PICTURE = DOCS / "explanation" / "architecture.svg"
SVG = "{http://www.w3.org/2000/svg}"


def picture() -> ET.Element:
    return ET.parse(PICTURE).getroot()  # noqa: S314 - it is our own


def test_whatever_has_a_name_in_the_picture_exists():
    named = [text.text or "" for text in picture().iter(f"{SVG}text") if text.get("class") == "code"]
    assert len(named) == 14
    for name in named:
        home, _, member = name.removeprefix("acmez.").rpartition(".")
        module = import_module(f"acmez.{home}" if home else "acmez")
        if not hasattr(module, member):
            import_module(f"{module.__name__}.{member}")


def test_the_picture_is_read_aloud():
    root = picture()
    assert root.get("aria-labelledby") == "title about"
    assert {each.get("id") for each in root if each.tag in {f"{SVG}title", f"{SVG}desc"}} == {"title", "about"}
