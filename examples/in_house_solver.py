"""An in-house solver, as one module of your own application: no packaging needed.

Name the module in the configuration, and the solver is there:

    plugins = ["./in_house_solver.py"]

    [solver.files]
    use = "http-files"
    options.directory = "/srv/challenges"
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from acmez import CancelScope, Challenge, Event, Handle, Solver, hookimpl


@dataclass(frozen=True)
class FilesSolver:
    """Put the answers of http-01 challenges where our own web server finds them.

    Attributes:
        directory: what the web server shows as /.well-known/acme-challenge/.
    """

    name: ClassVar[str] = "http-files"
    challenge_type: ClassVar[str] = "http-01"

    directory: Path

    def present(self, challenge: Challenge, scope: CancelScope) -> Handle | None:
        path = self.directory / str(challenge.token)
        path.write_text(challenge.key_authorization)
        return {"path": str(path)}

    def clean_up(self, challenge: Challenge, handle: Handle | None, scope: CancelScope) -> None:
        (self.directory / str(challenge.token)).unlink(missing_ok=True)


@hookimpl
def acmez_solvers() -> Iterator[type[Solver]]:
    yield FilesSolver


@hookimpl
def acmez_event(event: Event) -> None:
    """Watch: the module is named in `plugins`, so it is told of everything that happens."""
    if event.name == "certificate-issued":
        print(f"issued: {event}")
