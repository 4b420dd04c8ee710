"""The options of a component are described by its own source."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from acmez.acme.retry import DefaultRetry
from acmez.option_docs import Option, options_of, summary_of
from acmez.options import Secret


@dataclass
class Limits:
    rate: float = 1.5
    """Requests a second,
    at most."""


@dataclass
class Solver:
    """Answer dns-01
    with records.

    Attributes:
        api_token: may edit the zone;
            create one for acmez alone.
        user, group: who owns
            the files.

    The zone is found by itself.
    """

    name: ClassVar[str] = "dns-x"

    api_token: Secret
    path: Path = Path('a "b"')
    user: str | None = None
    group: str | None = None
    zones: tuple[str, ...] = ("a", "b")
    strict: bool = True
    limits: Limits = field(default_factory=Limits)
    spare: Secret = field(default=Secret("hidden"))


def test_each_option_with_type_default_and_meaning():
    assert options_of(Solver) == (
        Option("api_token", "a secret string", True, "", "may edit the zone; create one for acmez alone.", secret=True),
        Option("path", "a path", False, '"a \\"b\\""', "", secret=False),
        Option("user", "a string", False, "", "who owns the files.", secret=False),
        Option("group", "a string", False, "", "who owns the files.", secret=False),
        Option("zones", "a list of strings", False, '["a", "b"]', "", secret=False),
        Option("strict", "true or false", False, "true", "", secret=False),
        Option("limits", "a table", False, "", "", secret=False),
        Option("limits.rate", "a number", False, "1.5", "Requests a second, at most.", secret=False),
        Option("spare", "a secret string", False, '"***"', "", secret=True),
    )


def test_the_first_sentence():
    assert summary_of(Solver) == "Answer dns-01 with records."
    assert summary_of(Limits) == ""


def test_every_option_of_the_built_in_retry_policy_is_documented():
    assert [option.name for option in options_of(DefaultRetry) if not option.doc] == []


def test_what_a_base_class_documents_is_inherited():
    @dataclass
    class Special(Solver):
        extra: int = 0
        """More."""

    docs = {option.name: option.doc for option in options_of(Special)}
    assert docs["extra"] == "More."
    assert docs["user"] == "who owns the files."
