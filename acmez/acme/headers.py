"""Link header fields (RFC 8288), as tolerant as servers are sloppy."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from .wire import resolved

# Both match in linear time whatever a server sends.
_TARGET = re.compile(r"<([^<>]*)>")
_PARAMETER = re.compile(r'(?:\s*;)+\s*([A-Za-z0-9!#$%&*+.^_`|~-]+)\s*(?:=\s*("(?:[^"\\]|\\.)*"|[^\s;,]*))?')
_LIMIT = 64  # links of one answer; no CA needs more


def parse_links(fields: Sequence[str], base: str) -> Mapping[str, tuple[str, ...]]:
    """Return lower-case relation -> absolute URLs, in order; what cannot be read is left out.

    Several links in one field, several relations in one parameter, unquoted values and any case are read.
    """
    found: dict[str, list[str]] = {}
    for field in fields:
        for target, relations in _links(field):
            url = resolved(base, target)
            for relation in relations:
                urls = found.setdefault(relation, [])
                if url is not None and url not in urls and len(urls) < _LIMIT:
                    urls.append(url)
    return {relation: tuple(urls) for relation, urls in found.items() if urls}


def _links(field: str) -> list[tuple[str, list[str]]]:
    links = []
    position = 0
    while match := _TARGET.search(field, position):
        target, position = match[1], match.end()
        relations: list[str] | None = None
        while parameter := _PARAMETER.match(field, position):
            position = parameter.end()
            if parameter[1].lower() == "rel" and relations is None:  # RFC 8288 §3.3: the first one counts
                relations = re.sub(r"\\(.)", r"\1", (parameter[2] or "").strip("\"'")).lower().split()
        links.append((target, relations or []))
    return links
