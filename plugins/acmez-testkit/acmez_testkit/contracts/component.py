"""The rules that hold for every component, whatever it does."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, ClassVar, Generic, TypeVar

import pytest

from acmez.discovery import installed_entries
from acmez.errors import PluginError
from acmez.inspection import component_problems
from acmez.kinds import Kind
from acmez.option_docs import docs_of, options_of
from acmez.option_types import slots_of
from acmez.plugins import PluginManager

from .expecting import require
from .secrecy import require_hidden, secrets_of

T = TypeVar("T")

_KEBAB = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*\Z")


class ComponentContract(Generic[T]):
    """What the contracts of all kinds have in common.

    A rule that cannot hold for a component is left out by setting it to `None` in the test class, with a
    comment that says why.

    Attributes:
        plugin: the module or object with the hooks, where it is not an installed distribution.
    """

    kind: ClassVar[Kind[Any]]
    plugin: object = None

    def make(self) -> T:
        """Return a new instance, always with the same options; give secret options a value."""
        raise NotImplementedError(f"{type(self).__name__}: write make(), which returns an instance")

    def make_failing(self) -> T:
        """Return an instance whose work fails, say, because the server it talks to is not there."""
        pytest.skip(f"{type(self).__name__} has no make_failing(), so no error was looked at")

    def _require_further(self, protocols: Sequence[type]) -> None:
        """Fail if the component has a method of one of *protocols* that acmez cannot call as it is."""
        component = type(self.make())
        for protocol in protocols:
            methods = [name for name in vars(protocol) if not name.startswith("_")]
            if any(hasattr(component, name) for name in methods):
                problems = list(component_problems(component, protocol, f"{self.kind.label} of this kind"))
                require(not problems, "\n".join(problems))

    def test_it_is_offered_under_its_name(self) -> None:
        component = type(self.make())
        name, kind = component.name, self.kind  # type: ignore[attr-defined]
        if self.plugin is not None:
            manager = PluginManager(discover=False).register(self.plugin)
        else:
            manager = PluginManager()
            require(
                name in installed_entries(discover=True),
                f"no installed distribution has the entry point {name!r} in group 'acmez': name it like the "
                "component and install the distribution, or set `plugin` to the module with the hooks",
            )
        try:
            found = manager.find(kind, name)
        except PluginError as error:
            raise AssertionError(str(error)) from error
        require(found is component, f"{kind.label} {name!r} is {found!r}, not {component!r}")

    def test_its_name_is_a_word_for_a_configuration(self) -> None:
        name = getattr(type(self.make()), "name", None)
        require(
            isinstance(name, str) and _KEBAB.match(name), f"name: {name!r} is not kebab case, such as 'dns-example'"
        )

    def test_it_has_what_acmez_calls(self) -> None:
        problems = list(component_problems(type(self.make()), self.kind.protocol, self.kind.label))
        require(not problems, "\n".join(problems))

    def test_its_options_can_be_set_in_a_file(self) -> None:
        component = type(self.make())
        require(
            "__init__" not in vars(component) or "__dataclass_fields__" in vars(component),
            f"{component.__qualname__!r} has an __init__ but is no dataclass: its fields would be its options",
        )
        try:
            slots_of(component)
        except PluginError as error:
            raise AssertionError(str(error)) from error

    def test_its_options_are_documented(self) -> None:
        component = type(self.make())
        docs = docs_of(component)
        missing = [name for name in slots_of(component) if not docs.get(name)]
        require(
            not missing,
            f"{component.__qualname__!r} says nothing about {', '.join(map(repr, missing))}: "
            "write a line for each below 'Attributes:' in its docstring",
        )

    def test_its_secrets_are_not_shown(self) -> None:
        instance = self.make()
        secrets = secrets_of(instance)
        options = [option.name for option in options_of(type(instance)) if option.secret]
        require(
            secrets or not options,
            f"make() gives none of {', '.join(map(repr, options))}, so nothing shows whether it stays hidden",
        )
        require_hidden(f"{instance!r} {instance!s}", secrets, "the repr")
