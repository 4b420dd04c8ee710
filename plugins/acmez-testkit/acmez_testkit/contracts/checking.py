"""Looks at a whole plugin: its hooks, and what they offer."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from types import ModuleType

from acmez.discovery import installed_entries
from acmez.hints import closest
from acmez.hookspecs import PROJECT
from acmez.inspection import HOOKS, PREFIX, component_problems, plugin_problems
from acmez.kinds import KINDS

from .expecting import require

_MARK = f"{PROJECT}_impl"  # where `@hookimpl` leaves its options


def check_plugin(plugin: object) -> None:
    """Look for everything that would keep a module or an object with hooks from doing what its author means.

    Raises:
        AssertionError: hooks are misspelt, unmarked or have wrong parameters, or what they offer cannot be
            used; a line for each.
    """
    problems = [*plugin_problems(plugin, _marks), *_overlooked(plugin)]
    if not problems:
        problems = list(_offer_problems(plugin))
    name = plugin.__name__ if isinstance(plugin, ModuleType) else type(plugin).__name__
    require(not problems, "\n".join(f"{name}: {problem}" for problem in problems))


def _marks(plugin: object, name: str) -> Mapping[str, object] | None:
    marks = getattr(getattr(plugin, name), _MARK, None)
    return marks if isinstance(marks, Mapping) else None


def _overlooked(plugin: object) -> Iterator[str]:
    """Yield what acmez would silently pass by."""
    for name in dir(plugin):
        value = inspect.getattr_static(plugin, name)
        if not inspect.isroutine(value):
            continue
        marked = isinstance(getattr(value, _MARK, None), Mapping)
        close = closest(name, HOOKS)
        hint = f" (did you mean {close!r}?)" if close else ""
        if marked and not name.startswith(PREFIX):
            yield f"{name} is marked with @hookimpl, but hooks begin with {PREFIX!r}{hint}"
        elif not marked and close and name.startswith(PREFIX) and name not in HOOKS:
            yield f"{name} is no hook, and not marked as one{hint}"


def _offer_problems(plugin: object) -> Iterator[str]:
    entries = installed_entries(discover=True)
    own = {
        name
        for name, entry in entries.items()
        if isinstance(plugin, ModuleType) and any(each.value == plugin.__name__ for each in entry.candidates)
    }
    for kind in KINDS:
        offer = getattr(plugin, kind.hook, None)
        if offer is None:
            continue
        try:
            offers = tuple(offer() or ())
        except Exception as error:  # noqa: BLE001 - whatever it is, it is a problem
            yield f"{kind.hook} raised {type(error).__name__}: {error}"
            continue
        for component in offers:
            yield from (
                f"{kind.hook} offers {each}" for each in component_problems(component, kind.protocol, kind.label)
            )
            name = getattr(component, "name", None)
            if own and name not in own:
                yield (
                    f"{kind.hook} offers {name!r}, which is none of its entry points ({', '.join(sorted(own))}): "
                    "whoever names it would have every plugin imported"
                )
