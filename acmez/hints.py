"""What somebody may have meant."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return " (did you mean 'this'?)", or "" if nothing comes close."""
    close = closest(word, known)
    return f" (did you mean {close!r}?)" if close else ""


def closest(word: str, known: Iterable[str]) -> str | None:
    """Return the known word that comes closest, `None` if none comes close."""
    return next(iter(difflib.get_close_matches(word, list(known), n=1)), None)
