"""The JSON Schema of configuration files, for editors: with the options of every installed component."""

from __future__ import annotations

import enum
import typing
from collections.abc import Mapping, Sequence
from dataclasses import is_dataclass
from pathlib import Path
from types import NoneType
from typing import Any, TypeAlias

from .config import Config, Use
from .errors import PluginLoadError
from .option_docs import docs_of, summary_of
from .option_types import SEQUENCES, TABLES, Secret, Slot, bare, is_secret, is_union, slots_of
from .options import REFERENCES
from .plugins import PluginManager

Schema: TypeAlias = dict[str, Any]

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def config_schema(plugins: PluginManager) -> Schema:
    """Return the schema of a configuration file whose components are those that *plugins* finds."""
    writer = _Writer(plugins)
    root = writer.table(Config)
    return {"$schema": DIALECT, "title": "acmez", **root, "$defs": writer.definitions}


class _Writer:
    def __init__(self, plugins: PluginManager) -> None:
        self._plugins = plugins
        choices = [_closed({key: {"type": "string"}}, required=[key]) for key in REFERENCES]
        self.definitions: dict[str, Schema] = {
            "reference": {"description": "taken from an environment variable or a file", "oneOf": choices}
        }

    def table(self, component: type) -> Schema:
        """The schema of a table that becomes *component*."""
        docs = docs_of(component)
        slots = slots_of(component)
        properties = {name: self._property(slot, docs.get(name, "")) for name, slot in slots.items()}
        schema = _closed(properties, required=[name for name, slot in slots.items() if slot.required])
        if summary := summary_of(component):
            schema["description"] = summary
        if alternatives := getattr(component, "one_of", ()):
            schema["oneOf"] = [{"required": [name]} for name in alternatives]
        if issubclass(component, Use):
            self._add_components(schema, component)
        return schema

    def _add_components(self, schema: Schema, use: type[Use]) -> None:
        """Let the options depend on which component is used."""
        offered = self._plugins.offered(use.kind)
        schema["properties"]["use"]["anyOf"] = [{"enum": sorted(offered)}, {"type": "string"}]
        for name, component in sorted(offered.items()):
            try:
                reference = self._define(f"{use.kind.label}: {name}", component)
                needed = any(slot.required for slot in slots_of(component).values())
            except PluginLoadError:
                continue  # a bug of the plugin, which is told when it is used
            then = {"properties": {"options": reference}, **({"required": ["options"]} if needed else {})}
            case = {"if": {"properties": {"use": {"const": name}}}, "then": then}
            schema.setdefault("allOf", []).append(case)

    def _property(self, slot: Slot, doc: str) -> Schema:
        schema = self._value(slot.hint)
        if doc:
            schema["description"] = doc
        default = slot.field.default
        if isinstance(default, str | int | float) and not is_secret(slot.hint):
            schema["default"] = default
        return schema

    def _value(self, hint: Any) -> Schema:
        inner = bare(hint)
        origin, arguments = typing.get_origin(inner), typing.get_args(inner)
        if inner in {object, Any}:
            return {}
        if isinstance(inner, type) and is_dataclass(inner):
            return self._define(inner.__qualname__, inner)
        if origin in SEQUENCES:
            return {"type": "array", "items": self._value(arguments[0])}
        if origin in TABLES:
            return {"type": "object", "additionalProperties": self._value(arguments[1])}
        if is_union(inner):
            arms = [self._value(arm) for arm in arguments if arm is not NoneType]
            return {"anyOf": [choice for arm in arms for choice in arm.get("anyOf", [arm])]}
        return {"anyOf": [_plain(hint), {"$ref": "#/$defs/reference"}]}

    def _define(self, name: str, component: type) -> Schema:
        """Put the schema of a table under its name, once, and return a reference to it."""
        if name not in self.definitions:
            self.definitions[name] = {}
            self.definitions[name] = self.table(component)
        return {"$ref": f"#/$defs/{name.replace('~', '~0').replace('/', '~1')}"}


def _plain(hint: Any) -> Schema:
    """The schema of a single value."""
    import msgspec

    inner = bare(hint)
    if inner is Path or inner is Secret:
        return {"type": "string", "minLength": 1}
    if isinstance(inner, type) and issubclass(inner, enum.Enum):
        return {"enum": [member.value for member in inner]}
    arms = [arm for arm in typing.get_args(hint) if arm is not NoneType] if is_union(hint) else [hint]
    return msgspec.json.schema(arms[0])


def _closed(properties: Mapping[str, Schema], *, required: Sequence[str]) -> Schema:
    """The schema of a table that has these keys, with dashes or underscores, and no others."""
    patterns = {f"^{name.replace('_', '[-_]')}$": schema for name, schema in properties.items() if "_" in name}
    either = [name for name in required if "_" in name]
    schema: Schema = {
        "type": "object",
        "properties": dict(properties),
        "required": [name for name in required if name not in either],
        "additionalProperties": False,
    }
    if patterns:
        schema["patternProperties"] = patterns
    if either:
        schema["allOf"] = [{"anyOf": [{"required": [n]}, {"required": [n.replace("_", "-")]}]} for n in either]
    return schema
