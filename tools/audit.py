"""Ask a database of advisories about every locked version; a finding fails, a database that is silent does not.

A gate has to work where only package registries can be reached, so the last line tells whether anybody was asked.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
LOCKS = [ROOT / f"tools/{name}-requirements.txt" for name in ("dev", "go", "uv")]
SERVICE = "https://api.osv.dev/v1/query"

#: How pip-audit's last line begins when the service, and not what was asked about, is at fault.
UNANSWERED = ("requests.exceptions.", "pip_audit._service.interface.", "ERROR:pip_audit._cli:Tip: your network")


def main() -> int:
    """Print what is known against the locked versions, and return 1 if that is anything, or if the audit is broken."""
    options = _options()
    try:
        done = subprocess.run(_command(options), capture_output=True, text=True, check=False, timeout=options.limit)
    except subprocess.TimeoutExpired:
        return _not_asked(f"no answer in {options.limit:g} s")
    if done.stdout:
        return _report(json.loads(done.stdout)["dependencies"], options.accept)
    last = (done.stderr.strip().splitlines() or ["pip-audit said nothing"])[-1]
    if last.startswith(UNANSWERED):
        return _not_asked(last)
    sys.stdout.write(f"{done.stderr}audit: FAILED, nothing was checked\n")
    return 1


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("locks", nargs="*", type=Path, default=LOCKS, help="lock files (default: those of the gate)")
    parser.add_argument(
        "--accept", action="append", default=[], metavar="ID", help="an advisory that does no harm here"
    )
    parser.add_argument("--service", default=SERVICE, metavar="URL", help="where OSV's API is")
    parser.add_argument("--limit", type=float, default=60.0, metavar="SECONDS", help="for all questions together")
    return parser.parse_args()


def _command(options: argparse.Namespace) -> Sequence[str]:
    quiet = ["--progress-spinner", "off", "--format", "json", "--desc", "off", "--aliases", "off"]
    here = ["--cache-dir", str(ROOT / ".cache/audit"), "--disable-pip", "--require-hashes"]
    service = ["--vulnerability-service", "osv", "--osv-url", options.service, "--timeout", "5"]
    accepted = [f"--ignore-vuln={advisory}" for advisory in options.accept]
    files = [f"--requirement={lock}" for lock in options.locks]
    return [sys.executable, "-m", "pip_audit", *quiet, *here, *service, *accepted, *files]


def _not_asked(reason: str) -> int:
    sys.stdout.write(f"audit: NOT DONE, the service cannot be asked: {reason}\n")
    return 0


def _report(locked: Sequence[dict[str, Any]], accepted: Sequence[str]) -> int:
    found = list(_findings(locked))
    sys.stdout.writelines(f"{line}\n" for line in found)
    but = f" (but {', '.join(accepted)}, which was accepted)" if accepted else ""
    known = "nothing is known" if not found else f"FAILED, {len(found)} known"
    sys.stdout.write(f"audit: {known} against {len(locked)} locked versions{but}\n")
    return 1 if found else 0


def _findings(locked: Sequence[dict[str, Any]]) -> Iterator[str]:
    for package in locked:
        for advisory in package["vulns"]:
            mended = ", ".join(advisory["fix_versions"]) or "no version yet"
            yield f"{package['name']} {package['version']}: {advisory['id']}, mended in {mended}"


if __name__ == "__main__":
    sys.exit(main())
