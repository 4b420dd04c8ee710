"""TXT values as zone files and many providers' APIs write them (RFC 1035 §5.1)."""

from __future__ import annotations

import re

_STRING = re.compile(r'"((?:[^"\\]|\\.)*)"|((?:[^\s"\\]|\\.)+)', re.DOTALL)
_ESCAPE = re.compile(r"\\(\d{3}|.)", re.DOTALL)


def quoted(value: str) -> str:
    r"""Return '"a" "b"': character-strings of at most 255 octets, with `"` and `\` escaped."""
    pieces = [value[start : start + 255] for start in range(0, len(value), 255)] or [""]
    return " ".join('"' + re.sub(r'(["\\])', r"\\\1", piece) + '"' for piece in pieces)


def unquoted(text: str) -> str:
    """Return the value that `quoted` text stands for, its character-strings joined."""
    return "".join(_ESCAPE.sub(_character, one or other) for one, other in _STRING.findall(text))


def _character(match: re.Match[str]) -> str:
    escaped = match[1]
    return chr(int(escaped) % 256) if len(escaped) == 3 else escaped
