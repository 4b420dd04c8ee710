"""Where plugins come from: the entry points of installed distributions, modules, and single files.

Listing imports nothing. Nothing is ever taken from the working directory or named by the environment: ACME
clients run as root.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.metadata import EntryPoint, PackageNotFoundError, entry_points, version
from pathlib import Path

from .errors import PluginConflictError, PluginError, PluginLoadError
from .hookspecs import PROJECT

_BUILT_IN = ("default", "dns-propagation", "file", "generated", "http-self-check")


@dataclass(frozen=True)
class Entry:
    """The plugin of one name, and who brought it.

    Attributes:
        candidates: more than one only if several distributions use the name for different things.
    """

    name: str
    candidates: tuple[EntryPoint, ...]

    @property
    def distribution(self) -> str:
        """Name and version of the distribution, or "built in"."""
        return " and ".join(_distribution(candidate) for candidate in self.candidates)

    @property
    def built_in(self) -> bool:
        return all(candidate.dist is None for candidate in self.candidates)

    def load(self) -> object:
        """Import the plugin.

        Raises:
            PluginConflictError: several distributions use the name.
            PluginLoadError: importing it failed; the reason is its `__cause__`.
        """
        if len(self.candidates) > 1:
            raise PluginConflictError(
                f"plugin {self.name!r} comes from both {self.distribution}; uninstall one of them"
            )
        try:
            return self.candidates[0].load()
        except (Exception, SystemExit) as exc:
            raise PluginLoadError(f"plugin {self.name!r} ({self.distribution}) failed to load: {reason(exc)}") from exc


def installed_entries(*, discover: bool) -> dict[str, Entry]:
    """Return what is installed, by name and in the order of the names: their order on disk is arbitrary.

    Args:
        discover: look at distributions; otherwise there is only what acmez itself brings.
    """
    found = [EntryPoint(name, f"acmez.built_in:{name.replace('-', '_')}", PROJECT) for name in _BUILT_IN]
    if discover:
        found += entry_points(group=PROJECT)
    by_name: dict[str, dict[str, EntryPoint]] = {}
    for entry in sorted(found, key=lambda entry: (entry.name, entry.value)):
        by_name.setdefault(entry.name, {}).setdefault(entry.value, entry)
    return {name: Entry(name, tuple(candidates.values())) for name, candidates in by_name.items()}


def import_target(target: str, directory: Path, known: Iterable[str]) -> object:
    """Import an in-house plugin: "my_app.acme_hooks", or "./acme_hooks.py" relative to *directory*.

    Raises:
        PluginLoadError: it is not there, or importing it failed; the reason is its `__cause__`.
    """
    try:
        if is_path(target):
            return _import_file((directory / target).resolve())
        return importlib.import_module(target)
    except (Exception, SystemExit) as exc:
        if isinstance(exc, ModuleNotFoundError) and exc.name and f"{target}.".startswith(f"{exc.name}."):
            raise _not_there(target, known) from exc
        raise PluginLoadError(f"plugin {target!r} failed to load: {reason(exc)}") from exc


def is_path(target: str) -> bool:
    """Whether a plugin is named by its file and not by its name."""
    return target.endswith(".py") or "/" in target or "\\" in target


def reason(exc: BaseException) -> str:
    """Say in words what went wrong; an import error says enough without its type."""
    return str(exc) if isinstance(exc, ImportError | PluginError) else f"{type(exc).__name__}: {exc}"


def acmez_version() -> str:
    """The version of acmez, for messages."""
    try:
        return version("acmez")
    except PackageNotFoundError:
        return "not installed"


def _distribution(entry: EntryPoint) -> str:
    return "built in" if entry.dist is None else f"{entry.dist.name} {entry.dist.version}"


def _import_file(path: Path) -> object:
    # Two files may have the same stem; like every module, a file is executed once per process.
    name = f"acmez_plugin_{path.stem}_{hashlib.sha256(str(path).encode()).hexdigest()[:12]}"
    if name in sys.modules:
        return sys.modules[name]
    if not path.is_file():
        raise ImportError(f"no such file: '{path}'")
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"not a Python file: '{path}'")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their module up by its name
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _not_there(target: str, known: Iterable[str]) -> PluginLoadError:
    names = ", ".join(known) or "none"
    return PluginLoadError(
        f"plugin {target!r} is neither installed nor a module that can be imported "
        f"(installed: {names}; write './{target.replace('.', '/')}.py' for a file beside the configuration)"
    )
