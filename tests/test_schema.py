"""The JSON Schema accepts what acmez accepts."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import jsonschema
import msgspec
import pytest

from acmez.acme.challenge import Challenge
from acmez.acme.scope import CancelScope
from acmez.hookspecs import hookimpl
from acmez.options import Secret
from acmez.plugins import PluginManager
from acmez.protocols import Handle, Solver
from acmez.schema import config_schema

from .test_config import WHOLE

ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Limits:
    rate: float = 1.0


@dataclass(frozen=True)
class Made:
    """Answer http-01.

    Attributes:
        path: the webroot.
    """

    name: ClassVar[str] = "http-made"
    challenge_type: ClassVar[str] = "http-01"

    path: Path
    api_token: Secret
    mode: Literal["copy", "link"] = "copy"
    ttl: Annotated[int, msgspec.Meta(ge=60)] = 60
    owner: str | int | None = None
    names: list[str] = field(default_factory=list)
    limits: Limits = field(default_factory=Limits)
    headers: dict[str, Secret] = field(default_factory=dict)

    def present(self, challenge: Challenge, scope: CancelScope) -> Handle | None:
        return None

    def clean_up(self, challenge: Challenge, handle: Handle | None, scope: CancelScope) -> None: ...


class Plugin:
    @hookimpl
    def acmez_solvers(self) -> Iterator[type[Solver]]:
        yield Made


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    made = config_schema(PluginManager(discover=False).register(Plugin()))
    jsonschema.Draft202012Validator.check_schema(made)
    return made


def errors(schema: dict[str, Any], text: str) -> list[str]:
    found = jsonschema.Draft202012Validator(schema).iter_errors(tomllib.loads(text))
    return [error.json_path for error in found]


SOLVER = 'directory = "letsencrypt"\n[solver.web]\nuse = "http-made"\n'
GOOD = f'{SOLVER}options = {{ path = "x", api-token = {{ env = "T" }}, '


def test_a_whole_file_passes(schema: dict[str, Any]):
    text = WHOLE.replace("not_after = 2030-01-01T00:00:00Z", "").replace('"/srv" }', '"/srv", api_token = "t" }')
    assert errors(schema, text.replace("options.token", "options.api-token")) == []


def test_the_example_passes(schema: dict[str, Any]):
    text = (ROOT / "examples/acmez.toml").read_text(encoding="utf-8")
    assert errors(schema, text) == []


@pytest.mark.parametrize(
    "options",
    [
        'mode = "link" }', "ttl = 60 }", 'owner = "me" }', "owner = 5 }", 'names = ["a"] }', "limits.rate = 2 }",
        'headers = { a = { file = "x" } } }', 'names = [{ env = "N" }] }',
    ],
)  # fmt: skip
def test_options_that_fit(schema: dict[str, Any], options: str):
    assert errors(schema, GOOD + options) == []


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("", "$"),
        ('directory = "x"\nacount = 1', "$"),
        ('directory = "x"\nparallelism = "4"', "$.parallelism"),
        ('directory = "x"\n[account]\neab = { kid = "k" }', "$.account.eab"),
        ('directory = "x"\n[account]\neab = { kid = "k", hmac_key = { path = "x" } }', "$.account.eab.hmac_key"),
        ('directory = "x"\n[account-key]\nuse = "file"\noptions.pth = "x"', "$['account-key'].options"),
        ('directory = "x"\n[[certificate]]', "$.certificate[0]"),
        ('directory = "x"\n[[certificate]]\nnames = ["a"]\ncsr = "b"', "$.certificate[0]"),
        (SOLVER, "$.solver.web"),
        (f'{GOOD} mode = "move" }}', "$.solver.web.options.mode"),
        (f"{GOOD} ttl = 5 }}", "$.solver.web.options.ttl"),
        (f"{GOOD} limits.rat = 5 }}", "$.solver.web.options.limits"),
        (f"{GOOD} headers.a = 1 }}", "$.solver.web.options.headers.a"),
    ],
)
def test_what_does_not_fit(schema: dict[str, Any], text: str, where: str):
    assert where in errors(schema, text)


def test_components_of_in_house_plugins_elsewhere_are_not_refused(schema: dict[str, Any]):
    assert errors(schema, 'directory = "x"\n[solver.web]\nuse = "dns-corp"\noptions.zone = "corp"') == []


def test_editors_get_words(schema: dict[str, Any]):
    options = schema["$defs"]["solver: http-made"]
    assert options["description"] == "Answer http-01."
    assert options["properties"]["path"]["description"] == "the webroot."
    assert options["properties"]["ttl"]["default"] == 60
    assert schema["properties"]["parallelism"]["description"] == "how many requests and solver calls at once."
