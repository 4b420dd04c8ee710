"""An environment on top of the one that runs the tests: what is installed into it, it alone sees."""

from __future__ import annotations

import os
import site
import subprocess
import sysconfig
import venv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

_OFFLINE = ("--no-index", "--no-deps", "--no-build-isolation", "--disable-pip-version-check", "--quiet")
#: Command -> its module, so that the environment's own interpreter runs what the one below has.
_MODULES = {"acmez": "acmez", "mypy": "mypy", "pip": "pip", "pytest": "pytest", "ruff": "ruff"}


@dataclass(frozen=True)
class Overlay:
    """A virtual environment that also has everything of the current one.

    Attributes:
        python: its interpreter.
    """

    python: Path

    @classmethod
    def create(cls, directory: Path) -> Overlay:
        """Make one in *directory*, without pip of its own."""
        venv.create(directory, with_pip=False, symlinks=True)
        bases = {sysconfig.get_path("purelib"), *site.getsitepackages()}
        purelib = sysconfig.get_path("purelib", vars={"base": str(directory), "platbase": str(directory)})
        # addsitedir, and not the path alone: editable installations are .pth files.
        lines = [f"import site; site.addsitedir({base!r})" for base in sorted(bases)]
        Path(purelib, "below.pth").write_text("\n".join(lines) + "\n")
        return cls(directory / "bin" / "python")

    def run(
        self, command: Sequence[str], cwd: Path, *, environment: dict[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a command; what it needs of the network is left out."""
        line, own = self._line(command), variables(environment or {})
        return subprocess.run(line, cwd=cwd, env=own, capture_output=True, text=True, timeout=120, check=False)

    def start(self, command: Sequence[str], cwd: Path) -> subprocess.Popen[str]:
        """Run a command beside the test, which ends it."""
        line, own = self._line(command), variables({"PYTHONUNBUFFERED": "1"})
        return subprocess.Popen(line, cwd=cwd, env=own, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def _line(self, command: Sequence[str]) -> list[str]:
        program, *arguments = command
        if program == "python":
            return [str(self.python), *arguments]
        if program not in _MODULES:
            return [program, *arguments]
        line = [str(self.python), "-m", _MODULES[program], *arguments]
        if list(command[:2]) == ["pip", "install"]:
            line[4:4] = _OFFLINE
        return line


def variables(more: Mapping[str, str]) -> dict[str, str]:
    """Return the variables of a command: as here, but for those of the test run, and *more*."""
    own = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "COVERAGE_"))}
    own.pop("CI", None)
    return {**own, "COLUMNS": "200", "PYTHONDONTWRITEBYTECODE": "1", **more}
