"""Which types an option may have, and what they are called in messages and documentation."""

from __future__ import annotations

import dataclasses
import datetime as dt
import enum
import os
import types
import typing
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeAlias

from .errors import PluginLoadError

if TYPE_CHECKING:
    AnyPath: TypeAlias = str | os.PathLike[str]
else:
    #: A path of an option: in Python it may be text; from a file it is a `Path`, relative to that file.
    AnyPath = Path


class Secret(str):
    """A string whose `repr` does not show it, so that no log, trace or dataclass does.

    `str`, formatting and concatenation give the text itself: it is a credential, to be used as one.
    """

    __slots__ = ()

    def __repr__(self) -> str:
        return "Secret('***')"


_WORDS: Mapping[object, tuple[str, str]] = {
    str: ("a string", "strings"),
    Secret: ("a secret string", "secret strings"),
    int: ("an integer", "integers"),
    float: ("a number", "numbers"),
    bool: ("true or false", "booleans"),
    Path: ("a path", "paths"),
    dt.datetime: ("a date with time", "dates with time"),
    dt.date: ("a date", "dates"),
    object: ("any value", "any values"),
    Any: ("any value", "any values"),
}
_CONSTRAINTS = {
    "ge": "at least {}",
    "gt": "more than {}",
    "le": "at most {}",
    "lt": "less than {}",
    "min_length": "length at least {}",
    "max_length": "length at most {}",
    "pattern": "matching {!r}",
}
SEQUENCES: Mapping[object, type] = {list: list, tuple: tuple, Sequence: tuple}
TABLES = (dict, Mapping)


@dataclasses.dataclass(frozen=True, slots=True)
class Slot:
    """One field of a dataclass that a file can fill.

    Attributes:
        name: the field's.
        hint: its type, resolved.
        field: the field itself.
    """

    name: str
    hint: Any
    field: dataclasses.Field[Any]

    @property
    def required(self) -> bool:
        missing = dataclasses.MISSING
        return self.field.default is missing and self.field.default_factory is missing


def slots_of(component: type) -> dict[str, Slot]:
    """Return what a file can set of a dataclass; fields that begin with "_" and seams of other types it cannot.

    Raises:
        PluginLoadError: the class has a bug: the type of a field cannot be read, or is required and
            nothing that a file can hold.
    """
    if not dataclasses.is_dataclass(component):
        return {}
    where = f"{component.__module__}.{component.__qualname__}"
    try:
        hints = typing.get_type_hints(component, include_extras=True)
    except Exception as exc:
        raise PluginLoadError(
            f"bug in {where}: the types of its options cannot be read: {exc} "
            "(import them outside of `if TYPE_CHECKING:`, and at the top of the module)"
        ) from exc
    slots: dict[str, Slot] = {}
    for field in dataclasses.fields(component):
        slot = Slot(field.name, hints[field.name], field)
        if not field.init or field.name.startswith("_"):
            continue
        if is_supported(slot.hint):
            slots[field.name] = slot
        elif slot.required:
            raise PluginLoadError(f"bug in {where}: no file can hold option {field.name!r} of type {field.type!r}")
    return slots


def is_supported(hint: Any) -> bool:
    """Whether a file can hold such a value."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is Annotated:
        return is_supported(arguments[0])
    if is_union(hint):
        return all(is_supported(arm) for arm in arguments if arm is not types.NoneType)
    if origin in SEQUENCES:
        return bool(arguments) and arguments[1:] in {(), (Ellipsis,)} and is_supported(arguments[0])
    if origin in TABLES:
        return arguments[0] is str and is_supported(arguments[1])
    if origin is Literal or hint in _WORDS:
        return True
    return isinstance(hint, type) and (issubclass(hint, enum.Enum) or dataclasses.is_dataclass(hint))


def is_union(hint: Any) -> bool:
    """Whether the type is a union, written either way."""
    return typing.get_origin(hint) in {types.UnionType, typing.Union}


def bare(hint: Any) -> Any:
    """Return the type without `None` and without annotations."""
    if typing.get_origin(hint) is Annotated:
        return bare(typing.get_args(hint)[0])
    if is_union(hint):
        arms = [arm for arm in typing.get_args(hint) if arm is not types.NoneType]
        return bare(arms[0]) if len(arms) == 1 else hint
    return hint


def is_secret(hint: Any) -> bool:
    """Whether a value of this type holds a secret anywhere, so that none of it may be shown."""
    if hint is Secret:
        return True
    if isinstance(hint, type) and dataclasses.is_dataclass(hint):
        return any(is_secret(slot.hint) for slot in slots_of(hint).values())
    return any(is_secret(argument) for argument in typing.get_args(hint))


def words(hint: Any, *, plural: bool = False) -> str:
    """Say in words which values a type stands for: "a list of strings"."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is Annotated:
        return words(arguments[0], plural=plural) + _constraints(arguments[1:])
    if origin is Literal:
        return _alternatives(arguments)
    if is_union(hint):
        return " or ".join(words(arm, plural=plural) for arm in arguments if arm is not types.NoneType)
    if origin in SEQUENCES:
        return f"{'lists' if plural else 'a list'} of {words(arguments[0], plural=True)}"
    if origin in TABLES:
        return f"{'tables' if plural else 'a table'} of {words(arguments[1], plural=True)}"
    if hint in _WORDS:
        return _WORDS[hint][plural]
    if issubclass(hint, enum.Enum):
        return _alternatives([member.value for member in hint])
    return "tables" if plural else "a table"


def kind_of(value: object) -> str:
    """Say in words what kind of value this is, without showing it."""
    if isinstance(value, Mapping):
        return "a table"
    if isinstance(value, list | tuple):
        return "a list"
    exact = next((word for kind, word in _WORDS.items() if type(value) is kind), None)
    return exact[0] if exact is not None else type(value).__name__


def shown(value: object) -> str:
    """Return a value for a message, as one line of limited length."""
    if isinstance(value, Mapping) and not value:
        return "an empty table"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Mapping | list | tuple):
        return kind_of(value)
    text = repr(value if isinstance(value, str | int | float) else str(value))
    return text if len(text) <= 80 else f"{text[:79]}…"


def _alternatives(values: Sequence[object]) -> str:
    *most, last = map(repr, values)
    return f"{', '.join(most)} or {last}" if most else last


def _constraints(annotations: Sequence[object]) -> str:
    found = [
        template.format(getattr(annotation, name))
        for annotation in annotations
        for name, template in _CONSTRAINTS.items()
        if getattr(annotation, name, None) is not None
    ]
    return f" ({', '.join(found)})" if found else ""
