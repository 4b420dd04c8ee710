"""What a new plugin and everything in it is called."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from acmez.acme.errors import InputError

#: What `--kind` takes -> what it is in messages, and how the name of its class ends.
KINDS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "solver": ("solver", "Solver"),
        "waiter": ("waiter", "Propagation"),
        "key": ("key provider", "Key"),
        "retry": ("retry policy", "Retry"),
    }
)
_PREFIXES = ("dns", "http", "tls")
_SUFFIX = "-propagation"
_KEBAB = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*\Z")
_LONGEST = 50  # it has to fit into names of files and classes


@dataclass(frozen=True, slots=True)
class Names:
    """The names of a new plugin.

    Attributes:
        name: of the component, the entry point, and in configurations.
        template: which template it is made of.
        title: what it is for, as part of the names of classes.
        class_name: of the component.
    """

    name: str
    template: str
    title: str
    class_name: str

    @property
    def distribution(self) -> str:
        return f"acmez-{self.name}"

    @property
    def package(self) -> str:
        return self.distribution.replace("-", "_")


def names_for(name: str, kind: str | None) -> Names:
    """Return the names of a plugin.

    Args:
        kind: one of `KINDS`; `None`: what *name* says.

    Raises:
        InputError: the name is not as the names of such plugins are, or is taken by one that there is.
    """
    _require_kebab(name)
    own = _kind_of(name)
    if kind is None and own is None:
        raise InputError(f"{name}: say what it is with --kind, or begin it with dns-, http- or tls- for a solver")
    kind = kind or own or ""
    _require_name_of(kind, name)
    _require_free(name)
    prefix, _, rest = name.partition("-")
    words = {"solver": rest, "waiter": name.removesuffix(_SUFFIX)}.get(kind, name)
    title = "".join(word.capitalize() for word in words.split("-"))
    return Names(name, prefix if kind == "solver" else kind, title, f"{title}{KINDS[kind][1]}")


def _require_kebab(name: str) -> None:
    if _KEBAB.match(name) and len(name) <= _LONGEST and not name.startswith("acmez-"):
        return
    # A capital in the middle of a word begins a new one.
    meant = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", name)
    meant = re.sub(r"[^a-z0-9]+", "-", meant.lower()).strip("-").removeprefix("acmez-")[:_LONGEST].strip("-")
    hint = f" (did you mean {meant!r}?)" if _KEBAB.match(meant) else ""
    raise InputError(f"{name!r}: a name is of lower-case words with dashes, without 'acmez-'{hint}")


def _kind_of(name: str) -> str | None:
    if name.partition("-")[0] in _PREFIXES and not name.endswith(_SUFFIX):
        return "solver"
    return "waiter" if name.endswith(_SUFFIX) else None


def _require_name_of(kind: str, name: str) -> None:
    own = _kind_of(name)
    if own == kind and name not in _PREFIXES:
        return
    if kind == "solver":
        meant = f"dns-{name.removesuffix(_SUFFIX)}" if name not in _PREFIXES else f"{name}-example"
        raise InputError(f"{name}: the name of a solver begins with dns-, http- or tls- (did you mean {meant!r}?)")
    if kind == "waiter":
        raise InputError(f"{name}: the name of a waiter ends in {_SUFFIX} (did you mean '{name}{_SUFFIX}'?)")
    if own is not None:
        raise InputError(f"{name}: that is the name of a {own}, not of a {KINDS[kind][0]}")


def _require_free(name: str) -> None:
    from acmez.discovery import installed_entries
    from acmez.known_plugins import KNOWN_PLUGINS

    entry = installed_entries(discover=False).get(name)
    if entry is not None or name in KNOWN_PLUGINS:
        raise InputError(f"{name}: is taken ({KNOWN_PLUGINS.get(name, 'it comes with acmez')})")
