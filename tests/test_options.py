"""One table becomes one dataclass, or every problem in it is told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import msgspec
import pytest

from acmez.errors import ConfigError, PluginLoadError
from acmez.options import Secret, build


class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"


@dataclass(frozen=True)
class Limits:
    rate: float = 1.0
    burst: int = 1


@dataclass(frozen=True)
class Everything:
    name: ClassVar[str] = "everything"

    text: str
    count: int = 1
    ratio: float = 0.5
    flag: bool = False
    path: Path = Path("here")
    secret: Secret | None = None
    choice: Literal["a", "b"] = "a"
    colour: Colour = Colour.RED
    words: list[str] = field(default_factory=list)
    paths: tuple[Path, ...] = ()
    numbers: Sequence[int] = ()
    table: dict[str, int] = field(default_factory=dict)
    headers: Mapping[str, Secret] = field(default_factory=dict)
    maybe: int | None = None
    maybe_path: Path | None = None
    either: str | list[str] = ""
    at_least: Annotated[int, msgspec.Meta(ge=60)] = 60
    limits: Limits = Limits()
    many: list[Limits] = field(default_factory=list)
    when: datetime | None = None
    raw: dict[str, object] = field(default_factory=dict)


def problems(table: dict[str, Any], component: type = Everything, where: str = "solver.x") -> list[str]:
    with pytest.raises(ConfigError) as caught:
        build(component, {"text": "t", **table} if component is Everything else table, where=where)
    return list(caught.value.problems)


def test_every_type_is_taken_as_it_stands(tmp_path: Path):
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    table = {
        "text": "t", "count": 2, "ratio": 3, "flag": True, "path": "a/b", "secret": "s3cret", "choice": "b",
        "colour": "blue", "words": ["x"], "paths": ["p", "/q"], "numbers": [1], "table": {"k": 1},
        "headers": {"Authorization": "s3cret"}, "maybe": 5, "maybe_path": "m", "either": ["e"], "at_least": 61,
        "limits": {"rate": 2, "burst": 3}, "many": [{"burst": 4}], "when": moment, "raw": {"file": "not a reference"},
    }  # fmt: skip
    made = build(Everything, table, directory=tmp_path)
    assert made == Everything(
        text="t", count=2, ratio=3.0, flag=True, path=tmp_path / "a/b", secret=Secret("s3cret"), choice="b",
        colour=Colour.BLUE, words=["x"], paths=(tmp_path / "p", Path("/q")), numbers=(1,), table={"k": 1},
        headers={"Authorization": Secret("s3cret")}, maybe=5, maybe_path=tmp_path / "m", either=["e"], at_least=61,
        limits=Limits(2.0, 3), many=[Limits(burst=4)], when=moment, raw={"file": "not a reference"},
    )  # fmt: skip
    assert isinstance(made.secret, Secret)
    assert isinstance(made.ratio, float)
    assert "s3cret" not in repr(made)


def test_defaults_stand_for_what_is_left_out():
    assert build(Everything, {"text": "t"}) == Everything("t")


def test_a_dash_and_an_underscore_are_the_same():
    assert build(Everything, {"text": "t", "at-least": 70}).at_least == 70
    assert problems({"at-least": 70, "at_least": 80}) == ["solver.x.at_least: given twice, also as 'at-least'"]


@pytest.mark.parametrize(
    ("table", "problem"),
    [
        ({"count": "60"}, "count: expected an integer, got '60'"),
        ({"count": True}, "count: expected an integer, got true"),
        ({"count": 1.5}, "count: expected an integer, got 1.5"),
        ({"ratio": "x"}, "ratio: expected a number, got 'x'"),
        ({"flag": "yes"}, "flag: expected true or false, got 'yes'"),
        ({"flag": 1}, "flag: expected true or false, got 1"),
        ({"path": 1}, "path: expected a path, got 1"),
        ({"path": ""}, "path: expected a path, got ''"),
        ({"text": ["t"]}, "text: expected a string, got a list"),
        ({"text": "y" * 200, "count": "x" * 200}, f"count: expected an integer, got '{'x' * 78}…"),
        ({"choice": "c"}, "choice: expected 'a' or 'b', got 'c'"),
        ({"colour": "green"}, "colour: expected 'red' or 'blue', got 'green'"),
        ({"words": "x"}, "words: expected a list of strings, got 'x'"),
        ({"words": ["x", 1]}, "words[1]: expected a string, got 1"),
        ({"paths": [1]}, "paths[0]: expected a path, got 1"),
        ({"table": {"k": "v"}}, "table.k: expected an integer, got 'v'"),
        ({"table": 1}, "table: expected a table of integers, got 1"),
        ({"maybe": "x"}, "maybe: expected an integer, got 'x'"),
        ({"either": 1}, "either: expected a string or a list of strings, got 1"),
        ({"at_least": 5}, "at_least: expected an integer (at least 60), got 5"),
        ({"limits": 1}, "limits: expected a table, got 1"),
        ({"limits": {"rat": 1}}, "limits.rat: unknown option (did you mean 'rate'?)"),
        ({"many": [{}, {"burst": "x"}]}, "many[1].burst: expected an integer, got 'x'"),
        ({"when": "soon"}, "when: expected a date with time, got 'soon'"),
        ({"zzz": 1}, "zzz: unknown option (known: at_least, choice, "),
    ],
)
def test_what_does_not_fit_is_told_with_its_path_and_value(table: dict[str, Any], problem: str):
    (told,) = problems(table)
    assert told.startswith(f"solver.x.{problem}")


def test_everything_is_told_at_once():
    assert problems({"txet": "t", "count": "x", "limits": {"rate": "y", "burst": "z"}}, where="s") == [
        "s.txet: unknown option (did you mean 'text'?)",
        "s.count: expected an integer, got 'x'",
        "s.limits.rate: expected a number, got 'y'",
        "s.limits.burst: expected an integer, got 'z'",
    ]


def test_what_is_required_and_missing():
    with pytest.raises(ConfigError, match=r"^s\.text: required by 'everything' \(a string\)$"):
        build(Everything, {}, where="s")


def test_secrets_are_never_told(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("NUMBER", "s3cret")

    @dataclass
    class Careless:
        token: Secret | None = None
        headers: dict[str, Secret] = field(default_factory=dict)
        count: int = 0

        def __post_init__(self) -> None:
            if self.token:
                raise ValueError(f"token {self.token + ''} is refused")

    told = problems({"secret": 12345, "headers": {"a": ["s3cret"]}, "sceret": "s3cret", "count": {"env": "NUMBER"}})
    assert told == [
        "solver.x.secret: expected a secret string, got an integer",
        "solver.x.headers.a: expected a secret string, got a list",
        "solver.x.sceret: unknown option (did you mean 'secret'?)",
        "solver.x.count: expected an integer, got the value of environment variable 'NUMBER'",
    ]
    with pytest.raises(ConfigError, match=r"^s: token \*\*\* is refused$"):
        build(Careless, {"token": "s3cret"}, where="s")


def test_values_from_the_environment_and_from_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("TOKEN", "from env")
    monkeypatch.setenv("COUNT", "7")
    monkeypatch.setenv("FLAG", "true")
    (tmp_path / "token").write_text("from file\n")
    table = {"text": {"env": "TOKEN"}, "secret": {"file": "token"}, "count": {"env": "COUNT"}, "flag": {"env": "FLAG"},
             "headers": {"a": {"file": "token"}}, "words": [{"env": "TOKEN"}]}  # fmt: skip
    made = build(Everything, table, directory=tmp_path)
    assert (made.text, made.secret, made.count, made.flag) == ("from env", "from file", 7, True)
    assert made.headers == {"a": "from file"}
    assert made.words == ["from env"]


def test_references_that_lead_nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("NOPE", raising=False)
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    table = {"text": {"env": "NOPE"}, "secret": {"file": "nope"}, "headers": {"a": {"file": "binary"}}}
    with pytest.raises(ConfigError) as caught:
        build(Everything, table, where="s", directory=tmp_path)
    assert caught.value.problems == (
        "s.text: environment variable 'NOPE' is not set",
        f"s.secret: file '{tmp_path}/nope': No such file or directory",
        f"s.headers.a: file '{tmp_path}/binary': not UTF-8 text",
    )


def test_a_table_that_is_no_reference():
    assert problems({"text": {"env": "A", "file": "b"}}) == ["solver.x.text: expected a string, got a table"]
    assert problems({"text": {"env": 1}}) == ["solver.x.text: expected a string, got a table"]


def test_what_the_component_itself_refuses():
    @dataclass
    class Picky:
        ttl: int = 60

        def __post_init__(self) -> None:
            if self.ttl < 60:
                raise ValueError("ttl must be at least 60")

    with pytest.raises(ConfigError, match=r"^solver\.x: ttl must be at least 60$") as caught:
        build(Picky, {"ttl": 5}, where="solver.x")
    assert isinstance(caught.value.__cause__, ValueError)


def test_what_the_component_says_of_one_option_gets_the_path_of_that_option():
    @dataclass
    class Picky:
        kind: str = ""
        ttl: int = 60

        def __post_init__(self) -> None:
            raise ValueError(f"kind: {self.kind!r} is none of a, b\ntoo little: of everything")

    told = ["solver.x.kind: 'c' is none of a, b", "solver.x: too little: of everything"]
    assert problems({"kind": "c"}, Picky) == told


def test_a_field_can_be_checked_by_itself():
    def even(value: int) -> None:
        if value % 2:
            raise ValueError(f"count: {value} is odd")

    @dataclass
    class Checked:
        count: int = field(default=0, metadata={"check": even})
        other: int = 0

    assert build(Checked, {"count": 2}).count == 2
    assert problems({"count": 3, "other": "x"}, Checked, "s") == [
        "s.count: 3 is odd",
        "s.other: expected an integer, got 'x'",
    ]
    assert problems({"count": "x"}, Checked, "s") == ["s.count: expected an integer, got 'x'"]


def test_a_bug_in_the_component_keeps_its_traceback_and_says_where_it_was():
    @dataclass
    class Buggy:
        def __post_init__(self) -> None:
            raise KeyError("oops")

    with pytest.raises(KeyError) as caught:
        build(Buggy, {}, where="solver.x")
    assert caught.value.__notes__[0].endswith("Buggy with the options of 'solver.x'")


def test_types_that_are_not_there_at_run_time_are_a_bug_of_the_plugin():
    @dataclass
    class Hidden:
        session: Nowhere = None  # type: ignore[name-defined]  # noqa: F821

    with pytest.raises(
        PluginLoadError, match=r"bug in .*Hidden: .* name 'Nowhere' is not defined \(import them outside"
    ):
        build(Hidden, {})


def test_seams_for_tests_are_no_options():
    @dataclass
    class Seamed:
        ttl: int = 1
        clock: type[object] | None = None
        _cache: dict[str, str] = field(default_factory=dict)
        made: list[str] = field(default_factory=list, init=False)

    assert build(Seamed, {"ttl": 2}).ttl == 2
    for name in ("clock", "_cache", "made"):
        assert problems({name: {}}, Seamed, "s") == [f"s.{name}: unknown option (known: ttl)"]


def test_a_required_option_that_no_file_can_hold_is_a_bug_of_the_plugin():
    @dataclass
    class Impossible:
        clock: type[object]

    with pytest.raises(PluginLoadError, match="no file can hold option 'clock' of type"):
        build(Impossible, {})


def test_a_component_without_options():
    class Plain:
        name: ClassVar[str] = "plain"

    assert isinstance(build(Plain, {}), Plain)
    assert problems({"ttl": 1}, Plain, "s") == ["s.ttl: unknown option (known: none)"]


def test_a_secret_is_a_string_that_does_not_show_itself():
    secret = Secret("s3cret")
    assert repr(secret) == "Secret('***')"
    assert f"Bearer {secret}" == "Bearer s3cret"
    assert secret.encode() == b"s3cret"
