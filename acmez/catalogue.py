"""Which plugins there are, and which components they offer: looked up by name, imported no further than needed."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol, TypeVar, cast

from .discovery import Entry, import_target, installed_entries, reason
from .errors import PluginConflictError, PluginError, PluginLoadError, PluginNotFoundError
from .hints import closest
from .inspection import HOOKS, component_problems, plugin_problems
from .kinds import KINDS, Kind
from .known_plugins import KNOWN_PLUGINS
from .protocols import Component

log = logging.getLogger(__name__)
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class PluginInfo:
    """What is known about one plugin.

    Attributes:
        name: as in `plugins = [...]` and `block = [...]`.
        distribution: name and version, "built in", or "" for in-house plugins.
        status: "active" (decides and watches), "available" (offers), "blocked" or "broken".
        components: (kind, name) of what it offers.
        hooks: what it decides or watches when it is active.
        error: why it is broken.
    """

    name: str
    distribution: str
    status: str
    components: tuple[tuple[str, str], ...] = ()
    hooks: tuple[str, ...] = ()
    error: str | None = None


class Implementation(Protocol):
    """One plugin's function for one hook."""

    @property
    def plugin_name(self) -> str: ...
    @property
    def argnames(self) -> tuple[str, ...]: ...
    @property
    def function(self) -> Callable[..., object]: ...


class Registry(Protocol):
    """Holds plugins by their names, and knows their hooks."""

    def marks(self, plugin: object, name: str) -> Mapping[str, object] | None:
        """Return what `@hookimpl` left on an attribute, `None` if it is unmarked."""
        ...

    def add(self, name: str, plugin: object) -> None:
        """Take a plugin in; raise `ValueError` if the name or the plugin is there already."""
        ...

    def remove(self, name: str) -> None: ...
    def block(self, name: str) -> None: ...

    def name_of(self, plugin: object) -> str | None:
        """Return the name of a plugin, `None` if it is not there."""
        ...

    def names(self) -> Sequence[str]: ...

    def implementations(self, hook: str) -> Sequence[Implementation]:
        """Return who implements a hook, newest first."""
        ...


class Catalogue:
    """The plugins of one manager: those that were added, and those that are installed and may be.

    Attributes:
        active: the plugins that were named, by name; whether that was in code and not in a configuration.
        blocked: the plugins that are never used, and who said so.
    """

    def __init__(self, registry: Registry, *, discover: bool) -> None:
        self.active: dict[str, bool] = {}
        self.blocked: dict[str, str] = {}
        self._registry = registry
        self._discover = discover
        self._broken: dict[str, PluginError] = {}
        self._origins: dict[str, str] = {}  # name -> distribution, of what came through an entry point
        self._offers: dict[tuple[str, str], tuple[type[Component], ...]] = {}

    def block(self, name: str, by: str) -> None:
        """Never use the plugin of that name."""
        self.blocked.setdefault(name, by)
        self._registry.block(name)
        self.active.pop(name, None)

    def is_blocked(self, name: str) -> bool:
        """Whether a plugin that was named is not to be used; the log says so."""
        if name in self.blocked:
            log.warning("plugin %r is blocked %s", name, self.blocked[name])
        return name in self.blocked

    def add(self, name: str, plugin: object) -> None:
        """Take a plugin in.

        Raises:
            PluginLoadError: it is not as a plugin must be.
            PluginConflictError: the name is taken, or the object is there already.
        """
        problems = list(plugin_problems(plugin, self._registry.marks))
        if problems:
            raise PluginLoadError("\n".join(f"plugin {self.described(name)}: {problem}" for problem in problems))
        try:
            self._registry.add(name, plugin)
        except ValueError:
            taken = self._registry.name_of(plugin)
            other = f"is registered already, as {taken!r}" if taken else "has a name that is taken"
            raise PluginConflictError(f"plugin {self.described(name)} {other}") from None
        log.debug("plugin %s registered", self.described(name))

    def load(self, target: str, directory: Path) -> str:
        """Take in the plugin that *target* names, unless it is there, and return its name.

        Raises:
            PluginError: it is not there, or cannot be used.
        """
        if target in self._entries:
            name = self._load_entry(target)
            if name is None:
                raise self._broken[target]
            return name
        if target in KNOWN_PLUGINS:
            raise PluginNotFoundError(f"plugin {target!r} is not installed: pip install {KNOWN_PLUGINS[target]}")
        self.add(target, import_target(target, directory, self._entries))
        return target

    def activate(self, name: str, *, in_code: bool) -> None:
        """Let a plugin decide and watch.

        Raises:
            PluginLoadError: what it offers cannot be used.
        """
        for kind in KINDS:
            self._offers_of(name, kind)
        if name in self._broken:
            raise self._broken[name]
        self.active[name] = in_code

    def installed(self) -> list[PluginInfo]:
        """Return every plugin, by name; imports all of them."""
        for name in self._entries:
            self._load_entry(name)
        return [self._info(name) for name in sorted({*self._entries, *self.active, *self.blocked})]

    def find(self, kind: Kind[T], name: str) -> type[T]:
        """Return the component class of that name.

        Raises:
            PluginError: nothing offers it, the plugin of that name is broken, or several offer it.
        """
        for plugins in self._tiers(name):
            if component := self._one_of(kind, name, plugins):
                return component
        raise self._missing(kind, name)

    def offered(self, kind: Kind[T]) -> dict[str, type[T]]:
        """Return every component of a kind by its name; imports all plugins, and leaves out what is in conflict."""
        self.installed()
        found: dict[str, type[T]] = {}
        for name in self._names_of(kind):
            with contextlib.suppress(PluginConflictError):
                found[name] = self.find(kind, name)
        return found

    def provider(self, component: type) -> str:
        """Return the description of the plugin that offered a component."""
        return self.described(next(plugin for (plugin, _), offers in self._offers.items() if component in offers))

    def described(self, name: str) -> str:
        """Return a plugin's name with its distribution, for messages."""
        return f"{name!r} ({self._origins[name]})" if name in self._origins else repr(name)

    @cached_property
    def _entries(self) -> dict[str, Entry]:
        return installed_entries(discover=self._discover)

    def _load_entry(self, name: str) -> str | None:
        """Return the name under which the installed plugin is registered; `None`: it must not or cannot be used."""
        if name in self.blocked or name in self._broken:
            return None
        if name in self._registry.names():
            return name
        self._origins[name] = self._entries[name].distribution
        try:
            plugin = self._entries[name].load()
            registered = self._registry.name_of(plugin)  # maybe under the name of its module
            if registered is None:
                self.add(name, plugin)
        except PluginError as exc:
            self._break(name, exc)
            return None
        return registered or name

    def _break(self, name: str, error: PluginError) -> None:
        log.debug("%s", error, exc_info=error)
        self._broken[name] = error
        if name in self._registry.names():
            self._registry.remove(name)

    def _tiers(self, name: str) -> Iterator[Iterable[str]]:
        yield tuple(self.active)
        if name in self._entries and (registered := self._load_entry(name)):
            yield (registered,)
        if name in self._broken:
            raise self._broken[name]
        yield tuple(filter(None, map(self._load_entry, self._entries)))

    def _one_of(self, kind: Kind[T], name: str, plugins: Iterable[str]) -> type[T] | None:
        offers: dict[type[Any], str] = {}
        for plugin in plugins:
            for component in self._offers_of(plugin, kind):
                if component.name == name:
                    offers.setdefault(component, plugin)
        if len(offers) > 1:
            sources = " and ".join(map(self.described, sorted(offers.values())))
            raise PluginConflictError(f"{kind.label} {name!r} comes from both {sources}; block one of them")
        return next(iter(offers), None)

    def _offers_of(self, plugin: str, kind: Kind[Any]) -> tuple[type[Component], ...]:
        if (plugin, kind.hook) not in self._offers:
            self._offers[plugin, kind.hook] = self._ask(plugin, kind)
        return self._offers[plugin, kind.hook]

    def _ask(self, plugin: str, kind: Kind[Any]) -> tuple[type[Component], ...]:
        offer = next((impl for impl in self._registry.implementations(kind.hook) if impl.plugin_name == plugin), None)
        if offer is None:
            return ()
        try:
            offers = tuple(cast("Callable[[], Iterable[type[Component]] | None]", offer.function)() or ())
            problems = [problem for item in offers for problem in component_problems(item, kind.protocol, kind.label)]
        except Exception as exc:  # noqa: BLE001 - whatever it is, it breaks this plugin and no other
            error = PluginLoadError(f"plugin {self.described(plugin)}: {kind.hook} failed: {reason(exc)}")
            error.__cause__ = exc
        else:
            if not problems:
                return offers
            lines = (f"plugin {self.described(plugin)}: {kind.hook} offers {problem}" for problem in problems)
            error = PluginLoadError("\n".join(lines))
        self._break(plugin, error)
        return ()

    def _missing(self, kind: Kind[Any], name: str) -> PluginError:
        if name in self.blocked:
            return PluginNotFoundError(f"{kind.label} {name!r} is blocked {self.blocked[name]}")
        if name in KNOWN_PLUGINS and name not in self._entries:
            return PluginNotFoundError(f"{kind.label} {name!r} is not installed: pip install {KNOWN_PLUGINS[name]}")
        have = self._names_of(kind)
        others = [other.label for other in KINDS if name in self._names_of(other)]
        close = closest(name, [*have, *KNOWN_PLUGINS])
        hint = f"it is a {others[0]}; " if others else f"did you mean {close!r}? " if close else ""
        broken = f"; broken: {', '.join(map(self.described, sorted(self._broken)))}" if self._broken else ""
        known = ", ".join(have) or "none"
        return PluginNotFoundError(f"unknown {kind.label} {name!r}; {hint}installed: {known}{broken}")

    def _names_of(self, kind: Kind[Any]) -> list[str]:
        return sorted(
            {component.name for plugin in self._registry.names() for component in self._offers_of(plugin, kind)}
        )

    def _info(self, name: str) -> PluginInfo:
        if name in self.blocked:
            return PluginInfo(name, self._entries[name].distribution if name in self._entries else "", "blocked")
        distribution = self._origins.get(name, "")
        offers = [(kind.label, item.name) for kind in KINDS for item in self._offers_of(name, kind)]
        if name in self._broken:
            return PluginInfo(name, distribution, "broken", error=str(self._broken[name]))
        hooks = [hook for hook, parameters in HOOKS.items() if parameters]
        implemented = [
            hook for hook in hooks if any(i.plugin_name == name for i in self._registry.implementations(hook))
        ]
        status = "active" if name in self.active else "available"
        return PluginInfo(name, distribution, status, tuple(offers), tuple(implemented))
