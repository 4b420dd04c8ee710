"""A file that scripts take for a zone: a line for each record."""

from __future__ import annotations

from pathlib import Path

from tests.dns.contract import FOREIGN


class ZoneFile:
    """What scripts have made of the zone example.test."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.write_text("".join(f"{line}\n" for line in FOREIGN))

    def dump(self, _zone: str) -> list[str]:
        return sorted(self.path.read_text().splitlines())

    def ask(self, name: str, _kind: str = "TXT") -> list[str]:
        start = f"{name.removesuffix('.example.test')} "
        return sorted(line.split(" TXT ")[1] for line in self.path.read_text().splitlines() if line.startswith(start))
