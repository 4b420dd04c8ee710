"""A page for each error, for whoever meets it: what it means, what acmez has done already, and what to do.

`acmez explain` shows them, and so does the documentation; an error's `page` is the name of its own.
"""

from __future__ import annotations

from importlib import resources

from acmez.acme.errors import InputError
from acmez.acme.problem import EXCEPTIONS, ErrorType, ProblemError
from acmez.hints import did_you_mean

_PAGES = resources.files(__name__)


def names() -> list[str]:
    """Return the names of all pages."""
    return sorted(page.name.removesuffix(".md") for page in _PAGES.iterdir() if page.name.endswith(".md"))


def text(name: str) -> str:
    """Return a page, in Markdown.

    Args:
        name: of an error, or the type of a problem document: "RateLimited", "rateLimited", "caa"; in any case.

    Raises:
        InputError: there is no such error.
    """
    known = {page.lower(): page for page in names()}
    kinds = {kind.removeprefix("urn:ietf:params:acme:error:").lower(): kind for kind in ErrorType}
    wanted = name.rpartition(":")[2].rpartition(".")[2].lower()
    if wanted in kinds:
        page = EXCEPTIONS.get(kinds[wanted], ProblemError).__name__
    elif wanted in known:
        page = known[wanted]
    else:
        raise InputError(f"unknown error {name!r}{did_you_mean(name, known.values())}")
    return (_PAGES / f"{page}.md").read_text(encoding="utf-8")


def summary(name: str) -> str:
    """Return the first paragraph of a page, in one line."""
    return " ".join(text(name).split("\n\n")[1].split())
