"""Our docstrings, as napoleon and docutils want them.

They are written to be read as they are: code is what is indented, "*.example.com" is no emphasis, and one entry of a
section may tell of several names.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from sphinx.application import Sphinx
from sphinx.util.typing import ExtensionMetadata

_SECTION = re.compile(r"(Args|Attributes|Options|Raises|Returns|Yields):")
_ENTRY = re.compile(r"    (\w[\w.]*(?:, \w[\w.]*)+): (.*)")
_WILDCARD = re.compile(r"(?<![\\\w])\*\.")


def as_rst(lines: Iterable[str]) -> Iterator[str]:
    """Yield the lines of a docstring."""
    section = code = False
    before = ""
    for line in lines:
        indented = line.startswith("    ")
        if line and not indented:
            section, code = _SECTION.fullmatch(line) is not None, False
        elif indented and not before and not section and not code:
            code = True
            yield from ("::", "")
        yield line if code else _WILDCARD.sub(r"\\*.", line)
        before = line


def one_name_each(lines: Iterable[str]) -> Iterator[str]:
    """Yield the lines with an entry for each name: napoleon takes the first of two for a type."""
    names: list[str] = []
    text: list[str] = []
    for line in [*lines, ""]:
        if names and line.startswith("     "):
            text.append(line)
            continue
        for name in names:
            yield f"    {name}: {text[0]}"
            yield from text[1:]
        names = []
        if entry := _ENTRY.fullmatch(line):
            names, text = entry[1].split(", "), [entry[2]]
        else:
            yield line


def process(_: Sphinx, what: str, __: str, obj: object, ___: object, lines: list[str]) -> None:
    """Let autodoc have them."""
    if what == "data" and lines and lines[0] == str(type(obj).__doc__).partition("\n")[0]:
        lines.clear()  # a built-in type speaks of itself
    lines[:] = as_rst(one_name_each(lines))
    if what in {"attribute", "data", "property"} and lines:
        lines.insert(0, "\\ ")  # otherwise napoleon takes what stands before a colon for a type


def setup(app: Sphinx) -> ExtensionMetadata:
    app.connect("autodoc-process-docstring", process, priority=400)  # before napoleon
    return {"parallel_read_safe": True, "parallel_write_safe": True}
