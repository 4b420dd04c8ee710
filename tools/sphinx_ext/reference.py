"""The directives of the reference, and how autodoc shows and finds what they document.

```{generated} options
```
```{api} acmez.dns
:errors: no
```
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator, Mapping
from importlib import import_module
from types import MappingProxyType
from typing import ClassVar

from docutils import nodes
from docutils.parsers.rst import directives
from docutils.statemachine import StringList
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.roles import XRefRole
from sphinx.util.docutils import SphinxDirective
from sphinx.util.typing import ExtensionMetadata, OptionSpec

from acmez.acme.errors import AcmeError
from acmez.events import Event

from . import generated

PARTS: Mapping[str, Callable[[], str]] = MappingProxyType(
    {
        "commands": generated.commands,
        "components": generated.components,
        "configuration": generated.configuration,
        "errors": generated.errors,
        "events": generated.events,
        "loggers": generated.loggers,
        "modules": generated.modules,
        "plugins": generated.plugins,
    }
)

_ALIAS = re.compile(r"TypeAliasForwardRef\('(\w+)'\)")


class Generated(SphinxDirective):
    """Puts a part of the reference into a page."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        return _parsed(self, PARTS[self.arguments[0]]())


class Api(SphinxDirective):
    """Documents what a module offers, by its `__all__`, from the docstrings.

    Options:
        also: full names of what belongs here, too, since signatures show it.
        errors: "only" or "no"; by default the errors are among the rest.
        except: packages; what is written in one of them is documented elsewhere.
        fields: also the fields of dataclasses that no docstring tells of.
        first: names of what to begin with.
    """

    required_arguments = 1
    option_spec: ClassVar[OptionSpec] = {
        "also": directives.unchanged,
        "errors": lambda argument: directives.choice(argument, ("only", "no")),
        "except": directives.unchanged,
        "fields": directives.flag,
        "first": directives.unchanged,
    }

    def run(self) -> list[nodes.Node]:
        module = import_module(self.arguments[0])
        lines = ["```{eval-rst}"]
        for name, value in self._offered(module):
            lines += self._documented(f"{module.__name__}.{name}", value)
        for name in self.options.get("also", "").split():
            lines += self._documented(name, _import(name))
        return _parsed(self, "\n".join([*lines, "```"]))

    def _documented(self, name: str, value: object) -> Iterator[str]:
        if inspect.isclass(value):
            yield f".. autoclass:: {name}"
            yield "   :members:"
            if "fields" in self.options:
                yield "   :undoc-members:"
            if issubclass(value, BaseException):
                yield "   :show-inheritance:"
        else:
            yield f".. {'autofunction' if inspect.isroutine(value) else 'autodata'}:: {name}"
        yield ""

    def _offered(self, module: object) -> Iterator[tuple[str, object]]:
        wanted = self.options.get("errors")
        elsewhere = tuple(self.options.get("except", "").split())
        first = self.options.get("first", "").split()
        for name in sorted(public_names(module), key=lambda name: name not in first):
            value = getattr(module, name)
            is_error = inspect.isclass(value) and issubclass(value, BaseException)
            if wanted is not None and is_error != (wanted == "only"):
                continue
            if not (elsewhere and str(getattr(value, "__module__", "")).startswith(elsewhere)):
                yield name, value


def public_names(module: object) -> list[str]:
    """Return `__all__`, or what the module itself defines, in its order."""
    listed: list[str] | None = getattr(module, "__all__", None)
    if listed is not None:
        return listed
    return [
        name
        for name, value in vars(module).items()
        if not name.startswith("_")
        and (inspect.isclass(value) or inspect.isfunction(value))
        and value.__module__ == module.__name__  # type: ignore[attr-defined]  # a module
    ]


def _parsed(directive: SphinxDirective, markdown: str) -> list[nodes.Node]:
    directive.env.note_reread()
    parent = nodes.Element()
    lines = StringList(markdown.splitlines(), source=f"<{directive.name}>")
    directive.state.nested_parse(lines, 0, parent, match_titles=True)
    return parent.children


def link_to_page(_: Sphinx, what: str, __: str, obj: object, ___: object, lines: list[str]) -> None:
    """Let an error's docstring end with a link to its page."""
    if what in {"class", "exception"} and isinstance(obj, type) and issubclass(obj, AcmeError):
        lines += ["", f"What to do about it: :doc:`/errors/pages/{obj.__name__}`.", ""]


def shown_signature(
    _: Sphinx, __: str, ___: str, obj: object, ____: object, signature: str | None, returned: str | None
) -> tuple[str, str | None] | None:
    """Show `...` for defaults that are made, and no constructors that nobody calls."""
    if not signature:
        return None
    if isinstance(obj, type) and (issubclass(obj, Event | BaseException) or getattr(obj, "_is_protocol", False)):
        return "", None
    shown = _ALIAS.sub(r"\1", signature.replace("<factory>", "..."))
    return shown, None if returned is None else _ALIAS.sub(r"\1", returned)


class Name(XRefRole):
    """What stands between backticks in a docstring: code, and a link if it names something that is documented."""

    def process_link(
        self, env: BuildEnvironment, refnode: nodes.Element, has_explicit_title: bool, title: str, target: str
    ) -> tuple[str, str]:
        refnode["py:module"] = env.ref_context.get("py:module")
        refnode["py:class"] = env.ref_context.get("py:class")
        return title, target


def find_public(
    app: Sphinx, env: BuildEnvironment, node: addnodes.pending_xref, content: nodes.TextElement
) -> nodes.Element | None:
    """Resolve the name of the module that something is written in to where it is documented."""
    target = str(node.get("reftarget", ""))
    if node.get("refdomain") != "py" or not target:
        return None
    domain = env.domains.python_domain
    meant = _import(target if "." in target else f"{node.get('py:module')}.{target}")
    if meant is None:
        return None
    named = [name for name in domain.objects if name.rpartition(".")[2] == target.rpartition(".")[2]]
    public = next((name for name in named if _import(name) is meant), None)
    if public is None:
        return None
    return domain.resolve_xref(env, str(node["refdoc"]), app.builder, "obj", public, node, content)


def look_exactly(_: Sphinx, doctree: nodes.document) -> None:
    """Let no name of a signature stand for whatever is called so: there is a `Client` in three modules."""
    for reference in doctree.findall(addnodes.pending_xref):
        if reference.get("refdomain") == "py":
            reference.attributes.pop("refspecific", None)


def _import(dotted: str) -> object:
    module, _, name = dotted.rpartition(".")
    try:
        return getattr(import_module(module), name, None)
    except (ImportError, ValueError):
        return None


def setup(app: Sphinx) -> ExtensionMetadata:
    app.add_directive("generated", Generated)
    app.add_directive("api", Api)
    app.add_role_to_domain("py", "name", Name())
    app.connect("autodoc-process-docstring", link_to_page)
    app.connect("autodoc-process-signature", shown_signature)
    app.connect("doctree-read", look_exactly)
    app.connect("missing-reference", find_public)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
