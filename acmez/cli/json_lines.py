"""Progress for programs: every event as a line of JSON."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Mapping
from dataclasses import asdict, fields
from datetime import UTC, datetime

from acmez import events
from acmez.acme.problem import Problem
from acmez.acme.session import Exchange
from acmez.renewing import Due
from acmez.spec import CertificateSpec

from .advice import not_before
from .progress import Quiet
from .tally import Tally

#: What is printed besides the events of `acmez.events`, with the members beside "event" and "time".
RESULTS = {
    "certificate-not-due": {
        "names": "what the certificate is for",
        "not_before": "when it will be time to renew it",
        "why": "who says so",
    },
    "certificate-failed": {
        "names": "what it was to be for",
        "error": "why it was not obtained",
        "not_before": "when to try again; null unless the CA says",
    },
    "finished": {
        "written": "how many certificates were written",
        "failed": "how many failed",
        "unfinished": "how many were neither written nor failed, because the command was interrupted",
        "left": "answers that could not be cleaned up: identifier, challenge_type, solver and error of each",
        "seconds": "how long it took",
        "error": "what ended the command before its time; null if nothing did",
    },
}


class JsonLines(Quiet):
    """Prints every event as a line of JSON, on standard output."""

    def __init__(self) -> None:
        self._lock = threading.Lock()

    def see(self, event: events.Event) -> None:
        members = {field.name: getattr(event, field.name) for field in fields(event) if field.name != "at"}
        self._print(event.name, members)

    def not_due(self, spec: CertificateSpec, found: Due) -> None:
        members = {"names": spec.names, "not_before": found.not_before.isoformat(), "why": found.why}
        self._print("certificate-not-due", members)

    def failed(self, spec: CertificateSpec, error: Exception) -> None:
        later = not_before(error)
        when = None if later is None else later.isoformat()
        self._print("certificate-failed", {"names": spec.names, "error": str(error), "not_before": when})

    def finished(self, tally: Tally, error: Exception | None) -> None:
        self._print(
            "finished",
            {
                "written": tally.written,
                "failed": tally.failed,
                "unfinished": len(tally.unfinished),
                "left": [asdict(each) for each in tally.left],
                "seconds": round(tally.seconds, 3),
                "error": None if error is None else str(error),
            },
        )

    def _print(self, name: str, members: Mapping[str, object]) -> None:
        line = json.dumps({"event": name, "time": datetime.now(UTC).isoformat(), **members}, default=_plain)
        with self._lock:
            sys.stdout.write(line + "\n")
            sys.stdout.flush()


def _plain(value: object) -> object:
    if isinstance(value, Problem):
        return {"type": value.type, "detail": value.detail}
    if isinstance(value, Exchange):
        return asdict(value)
    if isinstance(value, datetime):
        return value.isoformat()
    return str(value)
