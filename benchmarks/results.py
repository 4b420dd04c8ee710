"""What was measured, as JSON, so that a report can be made again without measuring again."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from benchmarks.cases import CASES, Figure, Outcome


def save(path: Path, environment: Mapping[str, str], outcomes: Sequence[Outcome]) -> None:
    """Write the results."""
    cases = {
        outcome.case.key: {
            "figures": {label: asdict(figure) for label, figure in outcome.figures.items()},
            "failures": outcome.failures,
        }
        for outcome in outcomes
    }
    path.write_text(json.dumps({"environment": dict(environment), "cases": cases}, indent=2) + "\n")


def load(path: Path) -> tuple[dict[str, str], list[Outcome]]:
    """Read results that `save` wrote."""
    saved = json.loads(path.read_text())
    cases = {case.key: case for case in CASES}
    outcomes = [
        Outcome(
            cases[key],
            {
                label: Figure(**{**figure, "walls": tuple(figure["walls"])})
                for label, figure in taken["figures"].items()
            },
            taken["failures"],
        )
        for key, taken in saved["cases"].items()
    ]
    return saved["environment"], outcomes


def merged(old: Sequence[Outcome], new: Sequence[Outcome]) -> list[Outcome]:
    """Return the outcomes of all cases, with the new ones in place of old ones."""
    found = {outcome.case.key: outcome for outcome in (*old, *new)}
    return [found[case.key] for case in CASES if case.key in found]
