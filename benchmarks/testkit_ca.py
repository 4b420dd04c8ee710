"""The embedded CA of acmez-testkit as a process: it prints where it is, and ends with its input."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from acmez_testkit import Behaviour, EmbeddedCA

from tests.pebble.ports import ReservedPorts


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--trust", type=Path, required=True, help="file to write the root of its own server to")
    given = options.parse_args()
    with ReservedPorts(1) as ports:
        behaviour = Behaviour(http_port=ports.numbers[0], validation_attempts=1)
        with EmbeddedCA(behaviour) as ca:
            ca.write_trust(given.trust)
            print(json.dumps({"directory": ca.directory_url, "http_port": behaviour.http_port}), flush=True)
            sys.stdin.read()


if __name__ == "__main__":
    main()
