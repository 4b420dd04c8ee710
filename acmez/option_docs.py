"""What the options of a component are, for `acmez options`, READMEs and editors."""

from __future__ import annotations

import ast
import dataclasses
import enum
import inspect
import itertools
import os
import re
import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .option_types import Secret, Slot, bare, is_secret, slots_of, words

_SECTION = re.compile(r"^(Attributes|Args):$")
_ENTRY = re.compile(r"^(\w+(?:, \w+)*)(?: \([^)]*\))?: +(\S.*)$")


@dataclass(frozen=True, slots=True)
class Option:
    """One option of a component.

    Attributes:
        name: as in the TOML file; "outer.inner" for one of a table inside.
        type: which values it takes, in words.
        required: whether it must be given.
        default: what it is otherwise, as in TOML; "" if it is then unset or required.
        doc: what it means.
        secret: whether it must not be shown; better given as `{ env = "NAME" }` or `{ file = "path" }`.
    """

    name: str
    type: str
    required: bool
    default: str
    doc: str
    secret: bool


def options_of(component: type) -> tuple[Option, ...]:
    """Return the options of a dataclass, in the order of its fields."""
    return tuple(_options(component, ""))


def summary_of(component: type) -> str:
    """Return the first sentence of the class's docstring, "" if it has none of its own."""
    text = _own_docstring(component)
    return " ".join(text.split("\n\n", maxsplit=1)[0].split())


def _options(component: type, prefix: str) -> Iterator[Option]:
    docs = docs_of(component)
    for slot in slots_of(component).values():
        name = f"{prefix}{slot.name}"
        inner = bare(slot.hint)
        secret = is_secret(slot.hint)
        default = "" if slot.required else _default(slot, secret=secret)
        yield Option(name, words(slot.hint), slot.required, default, docs.get(slot.name, ""), secret)
        if isinstance(inner, type) and dataclasses.is_dataclass(inner):
            yield from _options(inner, f"{name}.")


def docs_of(component: type) -> Mapping[str, str]:
    """Return what is written about each field: below `Attributes:` in the docstring, or in a string below the field."""
    docs: dict[str, str] = {}
    for base in reversed(component.__mro__):
        if dataclasses.is_dataclass(base):
            docs.update(_from_section(_own_docstring(base)))
            docs.update(_below_fields(base))
    return docs


def _own_docstring(component: type) -> str:
    text = inspect.cleandoc(vars(component).get("__doc__") or "")
    # dataclass makes one up from the signature where there is none.
    return "" if text.startswith(f"{component.__name__}(") else text


def _from_section(docstring: str) -> dict[str, str]:
    docs: dict[str, str] = {}
    current: list[str] = []
    inside = False
    for line in docstring.splitlines():
        if not line.startswith(" ") and line.strip():
            inside = _SECTION.match(line) is not None
            continue
        if not inside:
            continue
        if entry := _ENTRY.match(textwrap.dedent(line)) if _depth(line) <= 4 else None:
            current = [name.strip() for name in entry[1].split(",")]
            docs.update(dict.fromkeys(current, entry[2]))
        elif line.strip():
            docs.update({name: f"{docs[name]} {line.strip()}" for name in current})
    return docs


def _depth(line: str) -> int:
    return len(line) - len(line.lstrip())


def _below_fields(component: type) -> dict[str, str]:
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(component)))
    except (OSError, TypeError, SyntaxError):
        return {}  # defined where no source is: in a frozen application, say
    body = tree.body[0].body if isinstance(tree.body[0], ast.ClassDef) else []
    docs: dict[str, str] = {}
    for field, text in itertools.pairwise(body):
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name) and isinstance(text, ast.Expr):
            value = text.value
            if isinstance(value, ast.Constant) and isinstance(value.value, str):
                docs[field.target.id] = " ".join(value.value.split())
    return docs


def _default(slot: Slot, *, secret: bool) -> str:
    factory = slot.field.default_factory
    value = slot.field.default if factory is dataclasses.MISSING else factory()
    if value is None or dataclasses.is_dataclass(value):
        return ""
    if secret:
        return '"***"' if value else ""
    return _toml(value)


def _toml(value: Any) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case enum.Enum():
            return _toml(value.value)
        case Secret():
            return '"***"'
        case str() | Path():
            return '"' + os.fspath(value).replace("\\", "\\\\").replace('"', '\\"') + '"'
        case list() | tuple():
            return f"[{', '.join(map(_toml, value))}]"
        case dict():
            return "{ " + ", ".join(f"{key} = {_toml(item)}" for key, item in value.items()) + " }" if value else "{}"
        case _:
            return str(value)
