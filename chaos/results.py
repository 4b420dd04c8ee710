"""The outcomes of each client's latest run of everything, kept so that the report can be written from them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
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


def again(client: str, play: Callable[[Case, int], Outcome]) -> tuple[Mapping[str, str], list[Outcome]]:
    """Make the kept runs of a client that missed once more, each with its seed, and say how many those were."""
    about, outcomes = load([client])
    missed = sum(bool(outcome.misses) for outcome in outcomes)
    found = [play(outcome.case, outcome.seed) if outcome.misses else outcome for outcome in outcomes]
    runs = about[client]["runs per case"]
    return {**about[client], "runs per case": f"{runs}, {missed} in all made again"}, found
