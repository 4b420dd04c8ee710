"""The outcomes of each client's latest run of everything, kept so that the report can be written from them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict

from benchmarks.clients import ROOT
from chaos.outcome import Case, Outcome

_PLACE = ROOT / ".cache" / "chaos"


def save(client: str, about: Mapping[str, str], outcomes: Sequence[Outcome]) -> None:
    """Keep what became of one client's runs, in place of what was kept before."""
    _PLACE.mkdir(parents=True, exist_ok=True)
    kept = {"about": dict(about), "outcomes": [asdict(outcome) for outcome in outcomes]}
    (_PLACE / f"{client}.json").write_text(json.dumps(kept))


def load(clients: Sequence[str]) -> tuple[dict[str, Mapping[str, str]], list[Outcome]]:
    """Return what each run was made with, and the outcomes of all, of those clients that have some."""
    about: dict[str, Mapping[str, str]] = {}
    outcomes: list[Outcome] = []
    for client in clients:
        file = _PLACE / f"{client}.json"
        if file.exists():
            kept = json.loads(file.read_text())
            about[client] = kept["about"]
            outcomes += [Outcome(**{**item, "case": Case(**item["case"])}) for item in kept["outcomes"]]
    return about, outcomes
