"""One table of a TOML file -> one dataclass, or every reason why not.

A dash and an underscore in an option's name are the same. `{ env = "NAME" }` and `{ file = "path" }` stand for the
value of an environment variable and for the content of a file; a path is relative to the file that holds the table.
"""

from __future__ import annotations

import os
import typing
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, is_dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar, cast

from .acme.errors import AcmeError
from .errors import ConfigError
from .hints import did_you_mean
from .option_types import SEQUENCES, TABLES, AnyPath, Secret, Slot, bare, is_secret, kind_of, shown, slots_of, words

T = TypeVar("T")

REFERENCES = ("env", "file")


def build(component: type[T], table: Mapping[str, object], *, where: str = "", directory: Path | None = None) -> T:
    """Return an instance of a dataclass, its fields taken from *table*.

    Args:
        where: the TOML path of *table*, for messages.
        directory: what paths in *table* are relative to; by default the working directory.

    Raises:
        ConfigError: options are unknown, missing or wrong; says so of all of them.
        PluginLoadError: the dataclass itself has a bug.
    """
    bound = bind(component, table, where=where, directory=directory)
    if bound.problems:
        raise ConfigError(bound.problems) from bound.cause
    return cast("T", bound.instance)


@dataclass(frozen=True, slots=True)
class Bound(Generic[T]):
    """What became of a table.

    Attributes:
        instance: the dataclass; `None` if there are problems.
        values: the fields that are right, by name.
        problems: one line each, starting with the TOML path.
        cause: what the dataclass itself raised.
    """

    instance: T | None
    values: Mapping[str, object]
    problems: tuple[str, ...]
    cause: Exception | None


def bind(
    component: type[T], table: Mapping[str, object], *, where: str = "", directory: Path | None = None
) -> Bound[T]:
    """Do what `build` does, and return the problems with what could be read in spite of them."""
    binder = _Binder(directory or Path.cwd())
    values, instance = binder.bind(component, table, where)
    return Bound(cast("T | None", instance), values, tuple(binder.problems), binder.cause)


def join(where: str, key: str) -> str:
    """Return the TOML path of a key in a table."""
    return f"{where}.{key}" if where else key


@dataclass(frozen=True, slots=True)
class _Reference:
    """What an `{ env = ... }` or `{ file = ... }` led to."""

    text: str
    source: str


class _Invalid(ValueError):
    """A value that is not there to be had; the message has no path yet."""


class _Binder:
    """Collects the problems of one table and everything in it."""

    def __init__(self, directory: Path) -> None:
        self.problems: list[str] = []
        self.cause: Exception | None = None
        self._directory = directory

    def bind(self, component: type, table: object, where: str) -> tuple[dict[str, object], object]:
        """Return the fields that are right, and the instance, `None` if anything is wrong."""
        if not isinstance(table, Mapping):
            self._expected("a table", table, where)
            return {}, None
        before = len(self.problems)
        slots = slots_of(component)
        values: dict[str, object] = {}
        keys: dict[str, str] = {}
        for key, raw in table.items():
            name = key.replace("-", "_")
            if name not in slots:
                # Its value stays unsaid: it may be a secret under a misspelt name.
                self.problems.append(f"{join(where, key)}: unknown option{_hint(name, slots)}")
            elif name in keys:
                self.problems.append(f"{join(where, key)}: given twice, also as {keys[name]!r}")
            else:
                keys[name] = key
                found = len(self.problems)
                value = self._field(raw, slots[name], join(where, key))
                if len(self.problems) == found:
                    values[name] = value
        for name, slot in slots.items():
            if slot.required and name not in keys:
                by = getattr(component, "name", None)
                needed = f"required by {by!r}" if isinstance(by, str) else "required"
                self.problems.append(f"{join(where, name)}: {needed} ({words(slot.hint)})")
        return values, None if len(self.problems) > before else self._construct(component, values, where)

    def _field(self, raw: object, slot: Slot, where: str) -> object:
        before = len(self.problems)
        value = self._value(raw, slot.hint, where)
        check = slot.field.metadata.get("check")
        if check is not None and len(self.problems) == before:
            try:
                check(value)
            except (ValueError, OSError, AcmeError) as exc:
                self._refused(exc, value, where, own=slot.name)
        return value

    def _construct(self, component: type, values: Mapping[str, object], where: str) -> object:
        try:
            return component(**values)
        except (ValueError, OSError, AcmeError) as exc:  # the component's own __post_init__
            self._refused(exc, values, where)
        except Exception as exc:
            exc.add_note(f"raised by {component.__module__}.{component.__qualname__} with the options of {where!r}")
            raise
        return None

    def _refused(self, exc: Exception, values: object, where: str, own: str = "") -> None:
        """Take over what a check says, a line each; one that begins with an option's name is about that option."""
        self.cause = exc
        text = str(exc)
        for secret in _secrets(values):
            text = text.replace(secret, "***")
        for line in text.splitlines():
            option, colon, rest = line.partition(": ")
            if own and option == own:
                self.problems.append(f"{where}: {rest}")
            elif not own and colon and isinstance(values, Mapping) and option in values:
                self.problems.append(f"{join(where, option)}: {rest}")
            else:
                self.problems.append(f"{where}: {line}" if where else line)

    def _value(self, raw: object, hint: Any, where: str) -> object:
        inner = bare(hint)
        origin, arguments = typing.get_origin(inner), typing.get_args(inner)
        if isinstance(inner, type) and is_dataclass(inner):
            return self.bind(inner, raw, where)[1]
        if origin in TABLES and isinstance(raw, Mapping):
            return {key: self._value(value, arguments[1], join(where, key)) for key, value in raw.items()}
        if origin in SEQUENCES and isinstance(raw, list | tuple):
            items = (self._value(item, arguments[0], f"{where}[{index}]") for index, item in enumerate(raw))
            return SEQUENCES[origin](items)
        return self._scalar(raw, hint, where)

    def _scalar(self, raw: object, hint: Any, where: str) -> object:
        import msgspec

        inner = bare(hint)
        if inner in {object, Any}:
            return raw
        try:
            value = raw if typing.get_origin(inner) in TABLES else self._resolve(raw)
        except _Invalid as exc:
            self.problems.append(f"{where}: {exc}")
            return None
        try:
            if isinstance(value, _Reference):  # always text, so "60" is as good as 60
                return msgspec.convert(value.text, hint, strict=False, dec_hook=self._custom)
            return msgspec.convert(value, hint, dec_hook=self._custom)
        except msgspec.ValidationError:
            self._expected(words(hint), value, where, secret=is_secret(hint))
            return None

    def _custom(self, wanted: type, value: object) -> object:
        if not isinstance(value, str | Path) or not str(value):
            raise TypeError
        return self._directory / value if wanted is Path else wanted(value)

    def _resolve(self, raw: object) -> object:
        if not isinstance(raw, Mapping) or len(raw) != 1:
            return raw
        ((key, name),) = raw.items()
        if key not in REFERENCES or not isinstance(name, str):
            return raw
        if key == "env":
            if name not in os.environ:
                raise _Invalid(f"environment variable {name!r} is not set")
            return _Reference(os.environ[name], f"the value of environment variable {name!r}")
        path = self._directory / name
        try:
            text = path.read_text(encoding="utf-8")
        except OSError as exc:
            raise _Invalid(f"file '{path}': {exc.strerror or exc}") from exc
        except UnicodeDecodeError:
            raise _Invalid(f"file '{path}': not UTF-8 text") from None
        return _Reference(text.rstrip("\r\n"), f"the content of file '{path}'")

    def _expected(self, wanted: str, value: object, where: str, *, secret: bool = False) -> None:
        got = value.source if isinstance(value, _Reference) else (kind_of if secret else shown)(value)
        self.problems.append(f"{where}: expected {wanted}, got {got}" if where else f"expected {wanted}, got {got}")


def _hint(name: str, slots: Mapping[str, Slot]) -> str:
    return did_you_mean(name, slots) or f" (known: {', '.join(sorted(slots)) or 'none'})"


def _secrets(value: object) -> Iterator[str]:
    if isinstance(value, Secret):
        if value:
            yield str(value)
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _secrets(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _secrets(item)


__all__ = ["AnyPath", "Bound", "Secret", "bind", "build", "join"]
