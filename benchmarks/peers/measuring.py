"""What the Python programs have in common: options and the measuring."""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

Obtain = Callable[[int], object]


def parser(description: str) -> argparse.ArgumentParser:
    """Return the options of every program, in every language; a program adds its own."""
    options = argparse.ArgumentParser(description=description)
    options.add_argument("--directory", required=True, help="the CA's directory URL")
    options.add_argument("--trust", type=Path, required=True, help="PEM file with the root of the CA's own server")
    options.add_argument("--account-key", type=Path, required=True, help="PEM file with the account's key")
    options.add_argument("--account-url", required=True, help="URL of the account")
    options.add_argument("--tag", default="run", help="a label that makes the names of this run its own")
    options.add_argument("--http-port", type=int, default=80, help="where the CA asks for http-01 answers")
    options.add_argument("--names", type=int, default=1, help="names for each certificate")
    options.add_argument("--orders", type=int, default=1, help="certificates")
    options.add_argument("--concurrency", type=int, default=1, help="certificates at once")
    options.add_argument("--propagation", type=float, default=0.0, help="seconds until an answer is visible")
    options.add_argument("--wait-kind", choices=["clock", "sleep"], default="clock", help="until then, or so long")
    return options


def domains(options: argparse.Namespace, order: int) -> list[str]:
    """Return the names of one order."""
    return [f"n{number}.o{order}.{options.tag}.example.test" for number in range(options.names)]


def measure(options: argparse.Namespace, start: Callable[[], Obtain]) -> None:
    """Run all orders and print what they took.

    The clock starts before `start`, which makes the client and returns what obtains one certificate.
    """
    latencies: list[float] = []
    cpu, began = time.process_time(), time.monotonic()
    obtain = start()

    def one(order: int) -> None:
        started = time.monotonic()
        obtain(order)
        latencies.append(time.monotonic() - started)

    orders = range(options.orders)
    if options.concurrency == 1:
        for order in orders:
            one(order)
    else:
        with ThreadPoolExecutor(options.concurrency) as pool:
            for _ in pool.map(one, orders):
                pass
    wall, used = time.monotonic() - began, time.process_time() - cpu
    print(json.dumps({"wall": wall, "cpu": used, "latency": statistics.median(latencies), "rss": _peak_rss()}))


def _peak_rss() -> int:
    """Read VmHWM where there is one: ru_maxrss counts what the parent had before exec."""
    status = Path("/proc/self/status")
    if not status.exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    fields = dict(line.split(":", 1) for line in status.read_text().splitlines())
    return int(fields["VmHWM"].split()[0]) * 1024
