"""The pages of the documentation, and the pieces of code on them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
DOCS = CHECKOUT / "docs"

_FENCED = re.compile(r"^(?P<indent> *)```(?P<info>[^\n`]*)\n(?P<text>.*?)^(?P=indent)```$\n?", re.DOTALL | re.MULTILINE)
_INDENTED = re.compile(r"(?:(?<=\n\n)|\A)(?: {4}[^\n]*\n|\n(?= {4}))+", re.MULTILINE)
_NAMED = re.compile(r"`([\w./@-]+)`")
_WRITE = re.compile(r"\b[Ii]n\s`[\w./@-]+`(?: \([^)]*\))?:$")


@dataclass(frozen=True)
class Block:
    """A piece of code on a page.

    Attributes:
        language: what stands behind the three ticks; "" for an indented block.
        text: the code.
        line: where it begins on the page.
        file: named in the sentence before, "" if none is.
        whole: whether it is to be written there; otherwise it is in the file already.
    """

    language: str
    text: str
    line: int
    file: str = ""
    whole: bool = False


def blocks(page: str, *, indented: bool = False) -> Iterator[Block]:
    """Yield the pieces of code on a page in their order, the indented ones only if they are asked for."""
    end = 0
    for match in _FENCED.finditer(page):
        before = page[end : match.start()]
        if indented:
            yield from _indented(before, page.count("\n", 0, end) + 1)
        paragraph = before.strip().rpartition("\n\n")[2]
        named = _NAMED.findall(paragraph) if paragraph.endswith(":") else []
        files = [name for name in named if "." in name or "/" in name or name == "crontab"]
        text = re.sub(rf"^{match['indent']}", "", match["text"], flags=re.MULTILINE)
        whole = _WRITE.search(paragraph) is not None
        line = page.count("\n", 0, match.start()) + 1
        yield Block(match["info"].strip(), text, line, files[-1] if files else "", whole)
        end = match.end()
    if indented:
        yield from _indented(page[end:], page.count("\n", 0, end) + 1)


def _indented(text: str, line: int) -> Iterator[Block]:
    for match in _INDENTED.finditer(text):
        code = re.sub(r"^ {4}", "", match[0], flags=re.MULTILINE)
        if code.strip():
            yield Block("", code, line + text.count("\n", 0, match.start()))


def section(page: str, title: str) -> str:
    """Return what stands below a heading of the second level."""
    return page.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


@dataclass(frozen=True)
class Command:
    """A command of a `console` block, and what the page shows of its output."""

    line: str
    shown: tuple[str, ...]


def commands(text: str) -> Iterator[Command]:
    """Yield the commands of a `console` block; a backslash goes on in the next line."""
    joined = re.sub(r"\\\n\s*", "", text)
    assert joined.startswith("$ "), f"a console block begins with '$ ': {text!r}"
    for part in re.split(r"^\$ ", joined, flags=re.MULTILINE)[1:]:
        line, *shown = part.splitlines()
        yield Command(line.strip(), tuple(shown))


def shows(output: str, expected: str) -> bool:
    """Whether a line that a page shows is in the output; "…" stands for anything, and space for any space."""
    words = " ".join(expected.split())
    pattern = ".*?".join(re.escape(part) for part in words.split("…"))
    return re.search(pattern, " ".join(output.split())) is not None
