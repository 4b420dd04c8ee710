"""The machine of a page's reader, as a folder: its configuration files, secrets and programs."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import certifi
import pytest

from acmez.assembly import assemble

#: Base64, base64url, and long enough for every key that is one.
SECRET = "bm90LWEtcmVhbC1zZWNyZXQtYnV0LW9uZS1mb3ItdGVz"
#: What fragments of a configuration are parts of.
BASE = {
    "directory": "letsencrypt-staging",
    "account": {"contact": ["mailto:admin@example.com"], "terms_of_service_agreed": True},
    "certificate": [{"names": ["example.com"], "directory": "certs/example.com"}],
}
_ABSOLUTE = re.compile(r"(?<![\w.$}/*:])/(etc|var|srv|run|opt)/(?=[\w.])")
_REFERENCES = ("env", "file")


@dataclass(frozen=True)
class Place:
    """Where a page is read.

    Attributes:
        folder: the working directory; other directories of the machine are in "root" below it.
    """

    folder: Path
    monkeypatch: pytest.MonkeyPatch

    def here(self, text: str) -> str:
        """Return text with the machine's directories in this folder."""
        return _ABSOLUTE.sub(rf"{self.folder}/root/\1/", text)

    def write(self, name: str, text: str) -> Path:
        """Write a file as the page has it; a program is one that can be run."""
        path = self.folder / self.here(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(self.here(text))
        if text.startswith("#!"):
            path.chmod(0o755)
        return path

    def prepare(self, document: Mapping[str, object]) -> None:
        """Make what a configuration refers to: variables, secrets, and the directories of its paths."""
        for name, value in _references(document):
            if name == "env":
                self.monkeypatch.setenv(value, "redis://127.0.0.1:6379/0" if "REDIS" in value else SECRET)
            elif not (self.folder / value).exists():
                self.write(value, SECRET + "\n")
        if "trust" in document:
            self.write(str(document["trust"]), certifi.contents())
        for text in _texts(document):
            if text.startswith(f"{self.folder}/root/"):
                Path(text).parent.mkdir(parents=True, exist_ok=True)
            if text.endswith("/acme.sh"):
                self.write(f"{text}/acme.sh", "#!/bin/sh\n")
                self.write(f"{text}/dnsapi/dns_gandi_livedns.sh", "#!/bin/sh\n")

    def check(self, text: str) -> None:
        """Fail unless acmez takes a configuration, or a part of one, as it stands on a page."""
        document = tomllib.loads(self.here(text))
        if "project" in document:
            return  # a pyproject.toml
        whole = document if "directory" in document else {**BASE, **document}
        self.prepare(whole)
        assemble(whole, self.folder, None).close()


def _references(value: object) -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping):
        for key, item in value.items():
            if len(value) == 1 and key in _REFERENCES and isinstance(item, str):
                yield key, item
            yield from _references(item)
    elif isinstance(value, list):
        for item in value:
            yield from _references(item)


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)
