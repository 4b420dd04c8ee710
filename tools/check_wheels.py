"""Build every distribution twice, and install each plugin's wheel alone with the core's, as a user would."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tools.building import ROOT, build

DIST = ROOT / "dist"
LOAD_EVERYTHING = """
import importlib, importlib.metadata, sys
importlib.import_module(sys.argv[1])
for entry in importlib.metadata.entry_points(group="acmez"):
    entry.load()
"""


def build_all() -> tuple[dict[str, Path], list[str]]:
    """Build everything into `dist/`; return the wheels by name, the core's first, and what is not reproducible."""
    shutil.rmtree(DIST, ignore_errors=True)
    projects = [ROOT, *sorted(path.parent for path in ROOT.glob("plugins/acmez-*/pyproject.toml"))]
    differing = [name for project in projects for name in build(project, DIST)]
    wheels = {path.name.split("-")[0].replace("_", "-"): path for path in sorted(DIST.glob("*.whl"))}
    return {"acmez": wheels.pop("acmez"), **wheels}, differing


def check(name: str, wheel: Path, wheels: dict[str, Path]) -> None:
    """Install one wheel into an empty environment and import it; raise if any of that fails."""
    with tempfile.TemporaryDirectory() as folder:
        python = Path(folder, "venv", "bin", "python")
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", python.parents[1]], check=True)
        ours = Path(folder, "constraints.txt")
        ours.write_text("".join(f"{other} @ {path.as_uri()}\n" for other, path in wheels.items()))
        pip("--python", python, "install", "--constraint", ours, wheel)
        pip("--python", python, "check")
        package = name.replace("-", "_")
        subprocess.run([python, "-W", "error", "-c", LOAD_EVERYTHING, package], check=True, cwd=folder)


def pip(*arguments: str | Path) -> None:
    """Run this interpreter's pip, showing nothing but what goes wrong."""
    command = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", *map(str, arguments)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def main() -> int:
    """Check everything and print one line for each wheel, and for each file that is not reproducible."""
    wheels, differing = build_all()
    sys.stdout.writelines(f"FAILED  {name} is not reproducible\n" for name in differing)
    failed = len(differing)
    for name, wheel in wheels.items():
        try:
            check(name, wheel, wheels)
            verdict = "ok"
        except subprocess.CalledProcessError:
            verdict = "FAILED"
            failed += 1
        sys.stdout.write(f"{verdict:>6}  {wheel.name}\n")
        sys.stdout.flush()
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
