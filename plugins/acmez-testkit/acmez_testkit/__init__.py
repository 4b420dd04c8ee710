"""An embedded ACME server (RFC 8555) for tests. It is not a CA: its certificates are worthless."""

from __future__ import annotations

from acmez_testkit.api import Seen
from acmez_testkit.behaviour import Behaviour
from acmez_testkit.ca import EmbeddedCA
from acmez_testkit.faults import Answer, Delay, Drop, EditHeaders, Faults, LoseAnswer, Problem, Truncate

__all__ = [
    "Answer",
    "Behaviour",
    "Delay",
    "Drop",
    "EditHeaders",
    "EmbeddedCA",
    "Faults",
    "LoseAnswer",
    "Problem",
    "Seen",
    "Truncate",
]
