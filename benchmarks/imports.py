"""`python -m benchmarks.imports`: what `import acmez` costs beside what it cannot do without.

Whole processes, interleaved, medians; bytecode is compiled before.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time

RUNS = 20
STATEMENTS = {
    "bare Python": "pass",
    "requests, cryptography.x509": "import requests, cryptography.x509",
    "acmez": "import acmez",
    "acmez.Client": "import acmez; acmez.Client",
}


def seconds(statement: str) -> float:
    """Return how long a process takes that does nothing else."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", statement], check=True, env=environment)
    return time.perf_counter() - began


def main() -> None:
    for statement in STATEMENTS.values():
        seconds(statement)
    rounds = [{name: seconds(statement) for name, statement in STATEMENTS.items()} for _ in range(RUNS)]
    medians = {name: statistics.median(each[name] for each in rounds) for name in STATEMENTS}
    floor = medians["requests, cryptography.x509"]
    for name, median in medians.items():
        print(f"{name:28} {median * 1000:6.1f} ms  {median / floor:.2f} x requests, cryptography.x509")


if __name__ == "__main__":
    main()
