"""The plugins of one client: found by name, loaded when named, asked and told through typed methods.

With `hookspecs` the only module that talks to pluggy. pluggy keeps the registry and the order of calls; the hooks
are called from here one by one, because only that tells who answered, leaves out the plugins that nobody
activated, and keeps one failing observer from silencing the rest.
"""

from __future__ import annotations

import importlib
import logging
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType, ModuleType
from typing import Any, Final, Self, TypeVar, cast

import pluggy

from . import hookspecs, options
from .acme.certificate import Chain
from .acme.identifier import Identifier
from .catalogue import Catalogue, Implementation, PluginInfo
from .errors import PluginError, PluginLoadError
from .events import Event
from .hookspecs import PROJECT, hookimpl
from .inspection import HOOKS, PREFIX
from .kinds import KEY_PROVIDER, KINDS, RETRY_POLICY, SOLVER, WAITER, Kind
from .protocols import Challenge

BLOCK_VARIABLE: Final = "ACMEZ_BLOCK_PLUGINS"

log = logging.getLogger(__name__)
T = TypeVar("T")


class _Pluggy(pluggy.PluginManager):
    def parse_hookimpl_opts(self, plugin: object, name: str) -> pluggy.HookimplOpts | None:
        # pluggy would read every attribute, properties included.
        return super().parse_hookimpl_opts(plugin, name) if name.startswith(PREFIX) else None


class _Registry:
    """The catalogue's view of pluggy."""

    def __init__(self) -> None:
        self._pluggy = _Pluggy(PROJECT)
        self._pluggy.add_hookspecs(hookspecs)

    def marks(self, plugin: object, name: str) -> Mapping[str, object] | None:
        options = self._pluggy.parse_hookimpl_opts(plugin, name)
        return None if options is None else {**options}

    def add(self, name: str, plugin: object) -> None:
        self._pluggy.register(plugin, name)

    def remove(self, name: str) -> None:
        self._pluggy.unregister(name=name)

    def block(self, name: str) -> None:
        self._pluggy.set_blocked(name)

    def name_of(self, plugin: object) -> str | None:
        return self._pluggy.get_name(plugin)

    def names(self) -> list[str]:
        return [name for name, plugin in self._pluggy.list_name_plugin() if plugin is not None]

    def implementations(self, hook: str) -> list[pluggy.HookImpl]:
        caller: pluggy.HookCaller = getattr(self._pluggy.hook, hook)
        return caller.get_hookimpls()[::-1]


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
        self._registry = _Registry()
        self._catalogue = Catalogue(self._registry, discover=discover)
        self._discover = discover
        self._acting: Mapping[str, tuple[Implementation, ...]] = MappingProxyType({})
        self._steps: list[tuple[str, object, object]] = []  # to do again in another process
        self.block(*block)
        named = os.environ.get(BLOCK_VARIABLE, "").split(",")
        self.block(*filter(None, map(str.strip, named)), by=f"by {BLOCK_VARIABLE}")

    # Which plugins there are

    def block(self, *names: str, by: str = "in this configuration") -> Self:
        """Never use the plugins of these names; *by* says in messages who wanted it so."""
        for name in names:
            self._catalogue.block(name, by)
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
        if not self._catalogue.is_blocked(name):
            self._catalogue.add(name, plugin)
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
        if not self._catalogue.is_blocked(target) and target not in self._catalogue.active:
            self._activate(self._catalogue.load(target, directory or Path.cwd()), in_code=False)
            self._steps.append(("load", target, directory))
        return self

    def installed(self) -> list[PluginInfo]:
        """Return every plugin, by name; imports all of them."""
        return self._catalogue.installed()

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle what was registered and loaded: modules by their names, objects as they are."""
        return _again, (self._discover, dict(self._catalogue.blocked), tuple(self._steps))

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
            return self._catalogue.find(kind, name)
        except PluginError as exc:
            text = "\n".join(f"{where}: {line}" if where else line for line in str(exc).splitlines())
            raise type(exc)(text) from exc.__cause__

    def offered(self, kind: Kind[T]) -> dict[str, type[T]]:
        """Return every component of a kind by its name; imports all plugins, and leaves out what is in conflict."""
        return self._catalogue.offered(kind)

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
            raise PluginLoadError(f"{where}.use: plugin {self._catalogue.provider(component)}: {exc}") from exc

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
                log.exception("plugin %s failed on %s", self._catalogue.described(impl.plugin_name), event.name)

    def choose_challenge(self, identifier: Identifier, challenges: Sequence[Challenge]) -> Challenge | None:
        """Return the first opinion on which challenge to try next, `None` if nobody has one."""
        arguments = {"identifier": identifier, "challenges": challenges}
        return self._decide("acmez_choose_challenge", challenges, arguments)

    def choose_chain(self, chains: Sequence[Chain]) -> Chain | None:
        """Return the first opinion on which chain to use, `None` if nobody has one."""
        return self._decide("acmez_choose_chain", chains, {"chains": chains})

    def _activate(self, name: str, *, in_code: bool) -> None:
        self._catalogue.activate(name, in_code=in_code)
        self._rank()

    def _rank(self) -> None:
        """Put the hooks that decide and watch into the order of calls: code before configuration, then the newest."""
        active = self._catalogue.active
        ranked: dict[str, tuple[Implementation, ...]] = {}
        for hook in (hook for hook, parameters in HOOKS.items() if parameters):
            impls = [impl for impl in self._registry.implementations(hook) if impl.plugin_name in active]
            if impls:
                ranked[hook] = tuple(sorted(impls, key=lambda impl: not active[impl.plugin_name]))
        self._acting = MappingProxyType(ranked)

    def _decide(self, hook: str, offered: Sequence[T], arguments: Mapping[str, object]) -> T | None:
        for impl in self._acting.get(hook, ()):
            try:
                choice = impl.function(*(arguments[name] for name in impl.argnames))
            except Exception as exc:
                exc.add_note(f"raised by {hook} of plugin {self._catalogue.described(impl.plugin_name)}")
                raise
            if choice is None:
                continue
            if choice not in offered:
                who = self._catalogue.described(impl.plugin_name)
                raise PluginError(f"plugin {who}: {hook} chose {choice!r}, which was not offered")
            return cast("T", choice)
        return None

    def _free_name(self, plugin: object) -> str:
        owner = plugin if isinstance(plugin, ModuleType | type) else type(plugin)
        base = owner.__name__ if isinstance(owner, ModuleType) else f"{owner.__module__}.{owner.__qualname__}"
        taken = set(self._registry.names())
        numbered = (f"{base}-{number}" for number in range(2, len(taken) + 3))
        return next(name for name in (base, *numbered) if name not in taken)


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
