"""The plugins of one client: found by name, loaded when named, asked and told through typed methods.

With `hookspecs` the only module that talks to pluggy. pluggy keeps the registry and the order of calls; the hooks
are called from here one by one, because only that tells who answered, leaves out the plugins that nobody
activated, and keeps one failing observer from silencing the rest.
"""

from __future__ import annotations

import contextlib
import importlib
import logging
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import MappingProxyType, ModuleType
from typing import Any, Final, Self, TypeVar, cast

import pluggy

from . import hookspecs, options
from .acme.certificate import Chain
from .acme.identifier import Identifier
from .discovery import Entry, import_target, installed_entries, reason
from .errors import PluginConflictError, PluginError, PluginLoadError, PluginNotFoundError
from .events import Event
from .hints import closest
from .hookspecs import PROJECT, hookimpl
from .inspection import HOOKS, PREFIX, component_problems, plugin_problems
from .kinds import KEY_PROVIDER, KINDS, RETRY_POLICY, SOLVER, WAITER, Kind
from .known_plugins import KNOWN_PLUGINS
from .protocols import Challenge, Component

BLOCK_VARIABLE: Final = "ACMEZ_BLOCK_PLUGINS"

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


class _Pluggy(pluggy.PluginManager):
    def parse_hookimpl_opts(self, plugin: object, name: str) -> pluggy.HookimplOpts | None:
        # pluggy would read every attribute, properties included.
        return super().parse_hookimpl_opts(plugin, name) if name.startswith(PREFIX) else None


class PluginManager:
    """Finds components by name, and calls the hooks of active plugins.

    A plugin is *active* once it was registered or loaded here. What is merely installed offers components to who
    names them, and does nothing else. A component is looked for among the active plugins, then in the installed
    plugin of its name, then in all others; importing goes no further than needed.

    Register everything before the first certificate is asked for; from then on a manager may be used by many
    threads.

    Args:
        block: names of plugins that are never used; the environment variable ACMEZ_BLOCK_PLUGINS (`a,b`) adds to it.
        discover: look at installed distributions; otherwise there is only what acmez brings and what is registered.
    """

    def __init__(self, *, block: Iterable[str] = (), discover: bool = True) -> None:
        self._pluggy = _Pluggy(PROJECT)
        self._pluggy.add_hookspecs(hookspecs)
        self._discover = discover
        self._blocked: dict[str, str] = {}
        self._active: dict[str, bool] = {}  # name -> registered in code, which outranks the configuration
        self._broken: dict[str, PluginError] = {}
        self._origins: dict[str, str] = {}  # name -> distribution, of what came through an entry point
        self._offers: dict[tuple[str, str], tuple[type[Component], ...]] = {}
        self._acting: Mapping[str, tuple[pluggy.HookImpl, ...]] = MappingProxyType({})
        self._steps: list[tuple[str, object, object]] = []  # to do again in another process
        self.block(*block)
        named = os.environ.get(BLOCK_VARIABLE, "").split(",")
        self.block(*filter(None, map(str.strip, named)), by=f"by {BLOCK_VARIABLE}")

    # Which plugins there are

    def block(self, *names: str, by: str = "in this configuration") -> Self:
        """Never use the plugins of these names; *by* says in messages who wanted it so."""
        for name in names:
            self._blocked.setdefault(name, by)
            self._pluggy.set_blocked(name)
            self._active.pop(name, None)
        self._rank()
        return self

    def register(self, plugin: object, name: str | None = None) -> Self:
        """Add a module or an object with hooks, and let it offer, decide and watch.

        Args:
            name: for messages and for `block`; by default the module's or the class's.

        Raises:
            PluginLoadError: it is a class, has no hooks, or one of them is not as acmez calls it.
            PluginConflictError: the name is taken, or the object is registered already.
        """
        if name is None:
            name = self._free_name(plugin)
        if not self._is_blocked(name):
            self._add(name, plugin)
            self._activate(name, in_code=True)
            self._steps.append(("register", plugin.__name__ if isinstance(plugin, ModuleType) else plugin, name))
        return self

    def load(self, target: str, *, directory: Path | None = None) -> Self:
        """Add an installed plugin by its name, or an in-house one: "my_app.acme_hooks" or "./acme_hooks.py".

        Args:
            directory: what a file's path is relative to; by default the working directory.

        Raises:
            PluginError: it is not there, or cannot be used.
        """
        if self._is_blocked(target) or target in self._active:
            return self
        name: str | None = target
        if target in self._entries:
            name = self._load_entry(target)
        elif target in KNOWN_PLUGINS:
            raise PluginNotFoundError(f"plugin {target!r} is not installed: pip install {KNOWN_PLUGINS[target]}")
        else:
            self._add(target, import_target(target, directory or Path.cwd(), self._entries))
        if name is None:
            raise self._broken[target]
        self._activate(name, in_code=False)
        self._steps.append(("load", target, directory))
        return self

    def installed(self) -> list[PluginInfo]:
        """Return every plugin, by name; imports all of them."""
        for name in self._entries:
            self._load_entry(name)
        return [self._info(name) for name in sorted({*self._entries, *self._active, *self._blocked})]

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle what was registered and loaded: modules by their names, objects as they are."""
        return _again, (self._discover, dict(self._blocked), tuple(self._steps))

    # What they offer

    def find(self, kind: Kind[T], name: str, *, where: str = "") -> type[T]:
        """Return the component class of that name.

        Args:
            where: the TOML path that the message of an error starts with.

        Raises:
            PluginNotFoundError: nothing offers it; the message says what to do.
            PluginLoadError: the plugin of that name is broken.
            PluginConflictError: several offer it.
        """
        try:
            for plugins in self._tiers(name):
                if component := self._one_of(kind, name, plugins):
                    return component
            raise self._missing(kind, name)
        except PluginError as exc:
            lines = str(exc).splitlines()
            text = "\n".join(f"{where}: {line}" if where else line for line in lines)
            raise type(exc)(text) from exc.__cause__

    def offered(self, kind: Kind[T]) -> dict[str, type[T]]:
        """Return every component of a kind by its name; imports all plugins, and leaves out what is in conflict."""
        self.installed()
        found: dict[str, type[T]] = {}
        for name in self._names_of(kind):
            with contextlib.suppress(PluginConflictError):
                found[name] = self.find(kind, name)
        return found

    def build(
        self, kind: Kind[T], name: str, table: Mapping[str, object], *, where: str, directory: Path | None = None
    ) -> T:
        """Return the component of that name, with the options of *table*.

        Args:
            where: the TOML path of the table with `use` and `options`.
            directory: what the paths in *table* are relative to.

        Raises:
            PluginError: as `find` does, or the component's own options cannot be read.
            ConfigError: some options are wrong.
        """
        component = self.find(kind, name, where=f"{where}.use")
        try:
            return options.build(component, table, where=f"{where}.options", directory=directory)
        except PluginLoadError as exc:
            plugin = next(plugin for (plugin, _), offers in self._offers.items() if component in offers)
            raise PluginLoadError(f"{where}.use: plugin {self._described(plugin)}: {exc}") from exc

    # What they decide and watch

    def hooks_active(self, hook: str) -> bool:
        """Whether any active plugin implements *hook*; cheap enough to ask before an event is even made."""
        return hook in self._acting

    def emit(self, event: Event) -> None:
        """Tell every observer; one that fails is logged, and the rest still hear."""
        for impl in self._acting.get("acmez_event", ()):
            try:
                impl.function(*(event for _ in impl.argnames))
            except Exception:
                log.exception("plugin %s failed on %s", self._described(impl.plugin_name), event.name)

    def choose_challenge(self, identifier: Identifier, challenges: Sequence[Challenge]) -> Challenge | None:
        """Return the first opinion on which challenge to try next, `None` if nobody has one."""
        arguments = {"identifier": identifier, "challenges": challenges}
        return self._decide("acmez_choose_challenge", challenges, arguments)

    def choose_chain(self, chains: Sequence[Chain]) -> Chain | None:
        """Return the first opinion on which chain to use, `None` if nobody has one."""
        return self._decide("acmez_choose_chain", chains, {"chains": chains})

    # Registering

    @cached_property
    def _entries(self) -> dict[str, Entry]:
        return installed_entries(discover=self._discover)

    def _is_blocked(self, name: str) -> bool:
        if name in self._blocked:
            log.warning("plugin %r is blocked %s", name, self._blocked[name])
        return name in self._blocked

    def _add(self, name: str, plugin: object) -> None:
        problems = list(plugin_problems(plugin, self._pluggy.parse_hookimpl_opts))
        if problems:
            raise PluginLoadError("\n".join(f"plugin {self._described(name)}: {problem}" for problem in problems))
        try:
            self._pluggy.register(plugin, name)
        except pluggy.PluginValidationError as exc:
            self._pluggy.unregister(name=name)  # some pluggy leave it half registered
            raise PluginLoadError(f"plugin {self._described(name)}: {' '.join(str(exc).split())}") from exc
        except ValueError:
            taken = self._pluggy.get_name(plugin)
            other = f"is registered already, as {taken!r}" if taken else "has a name that is taken"
            raise PluginConflictError(f"plugin {self._described(name)} {other}") from None
        log.debug("plugin %s registered", self._described(name))

    def _activate(self, name: str, *, in_code: bool) -> None:
        self._active[name] = in_code
        for kind in KINDS:
            self._offers_of(name, kind)
        if name in self._broken:
            del self._active[name]
            raise self._broken[name]
        self._rank()

    def _rank(self) -> None:
        """Put the hooks that decide and watch into the order of calls: code before configuration, then the newest."""
        ranked: dict[str, tuple[pluggy.HookImpl, ...]] = {}
        for hook in (hook for hook, parameters in HOOKS.items() if parameters):
            impls = [impl for impl in self._implementations(hook) if impl.plugin_name in self._active]
            if impls:
                ranked[hook] = tuple(sorted(impls, key=lambda impl: not self._active[impl.plugin_name]))
        self._acting = MappingProxyType(ranked)

    def _load_entry(self, name: str) -> str | None:
        """Return the name under which the installed plugin is registered; `None`: it must not or cannot be used."""
        if name in self._blocked or name in self._broken:
            return None
        if self._pluggy.has_plugin(name):
            return name
        self._origins[name] = self._entries[name].distribution
        try:
            plugin = self._entries[name].load()
            registered = self._pluggy.get_name(plugin)  # maybe under the name of its module
            if registered is None:
                self._add(name, plugin)
        except PluginError as exc:
            self._break(name, exc)
            return None
        return registered or name

    def _break(self, name: str, error: PluginError) -> None:
        log.debug("%s", error, exc_info=error)
        self._broken[name] = error
        if self._pluggy.has_plugin(name):
            self._pluggy.unregister(name=name)

    # Looking up

    def _tiers(self, name: str) -> Iterator[Iterable[str]]:
        yield tuple(self._active)
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
            sources = " and ".join(map(self._described, sorted(offers.values())))
            raise PluginConflictError(f"{kind.label} {name!r} comes from both {sources}; block one of them")
        return next(iter(offers), None)

    def _offers_of(self, plugin: str, kind: Kind[Any]) -> tuple[type[Component], ...]:
        if (plugin, kind.hook) not in self._offers:
            self._offers[plugin, kind.hook] = self._ask(plugin, kind)
        return self._offers[plugin, kind.hook]

    def _ask(self, plugin: str, kind: Kind[Any]) -> tuple[type[Component], ...]:
        offer = next((impl for impl in self._implementations(kind.hook) if impl.plugin_name == plugin), None)
        if offer is None:
            return ()
        try:
            offers = tuple(cast("Callable[[], Iterable[type[Component]] | None]", offer.function)() or ())
            problems = [problem for item in offers for problem in component_problems(item, kind.protocol, kind.label)]
        except Exception as exc:  # noqa: BLE001 - whatever it is, it breaks this plugin and no other
            error = PluginLoadError(f"plugin {self._described(plugin)}: {kind.hook} failed: {reason(exc)}")
            error.__cause__ = exc
        else:
            if not problems:
                return offers
            lines = (f"plugin {self._described(plugin)}: {kind.hook} offers {problem}" for problem in problems)
            error = PluginLoadError("\n".join(lines))
        self._break(plugin, error)
        return ()

    def _missing(self, kind: Kind[Any], name: str) -> PluginError:
        if name in self._blocked:
            return PluginNotFoundError(f"{kind.label} {name!r} is blocked {self._blocked[name]}")
        if name in KNOWN_PLUGINS and name not in self._entries:
            return PluginNotFoundError(f"{kind.label} {name!r} is not installed: pip install {KNOWN_PLUGINS[name]}")
        have = self._names_of(kind)
        others = [other.label for other in KINDS if name in self._names_of(other)]
        close = closest(name, [*have, *KNOWN_PLUGINS])
        hint = f"it is a {others[0]}; " if others else f"did you mean {close!r}? " if close else ""
        broken = f"; broken: {', '.join(map(self._described, sorted(self._broken)))}" if self._broken else ""
        known = ", ".join(have) or "none"
        return PluginNotFoundError(f"unknown {kind.label} {name!r}; {hint}installed: {known}{broken}")

    def _names_of(self, kind: Kind[Any]) -> list[str]:
        return sorted({component.name for plugin in self._names() for component in self._offers_of(plugin, kind)})

    def _names(self) -> list[str]:
        return [name for name, plugin in self._pluggy.list_name_plugin() if plugin is not None]

    # Calling

    def _implementations(self, hook: str) -> Iterator[pluggy.HookImpl]:
        caller: pluggy.HookCaller = getattr(self._pluggy.hook, hook)
        return reversed(caller.get_hookimpls())

    def _decide(self, hook: str, offered: Sequence[T], arguments: Mapping[str, object]) -> T | None:
        for impl in self._acting.get(hook, ()):
            try:
                choice = impl.function(*(arguments[name] for name in impl.argnames))
            except Exception as exc:
                exc.add_note(f"raised by {hook} of plugin {self._described(impl.plugin_name)}")
                raise
            if choice is None:
                continue
            if choice not in offered:
                raise PluginError(
                    f"plugin {self._described(impl.plugin_name)}: {hook} chose {choice!r}, which was not offered"
                )
            return cast("T", choice)
        return None

    # Describing

    def _described(self, name: str) -> str:
        return f"{name!r} ({self._origins[name]})" if name in self._origins else repr(name)

    def _free_name(self, plugin: object) -> str:
        owner = plugin if isinstance(plugin, ModuleType | type) else type(plugin)
        base = owner.__name__ if isinstance(owner, ModuleType) else f"{owner.__module__}.{owner.__qualname__}"
        taken = set(self._names())
        numbered = (f"{base}-{number}" for number in range(2, len(taken) + 3))
        return next(name for name in (base, *numbered) if name not in taken)

    def _info(self, name: str) -> PluginInfo:
        if name in self._blocked:
            return PluginInfo(name, self._entries[name].distribution if name in self._entries else "", "blocked")
        distribution = self._origins.get(name, "")
        offers = [(kind.label, item.name) for kind in KINDS for item in self._offers_of(name, kind)]
        if name in self._broken:
            return PluginInfo(name, distribution, "broken", error=str(self._broken[name]))
        hooks = [hook for hook, parameters in HOOKS.items() if parameters]
        implemented = [hook for hook in hooks if any(i.plugin_name == name for i in self._implementations(hook))]
        status = "active" if name in self._active else "available"
        return PluginInfo(name, distribution, status, tuple(offers), tuple(implemented))


def _again(discover: bool, blocked: Mapping[str, str], steps: Iterable[tuple[str, Any, Any]]) -> PluginManager:
    manager = PluginManager(discover=discover)
    for name, by in blocked.items():
        manager.block(name, by=by)
    for step, plugin, detail in steps:
        if step == "load":
            manager.load(plugin, directory=detail)
        else:
            manager.register(importlib.import_module(plugin) if isinstance(plugin, str) else plugin, detail)
    return manager


__all__ = [
    "KEY_PROVIDER",
    "KINDS",
    "RETRY_POLICY",
    "SOLVER",
    "WAITER",
    "Kind",
    "PluginInfo",
    "PluginManager",
    "hookimpl",
]
