"""What the reference says of options, commands, errors and logs, in Markdown, taken from the code itself."""

from __future__ import annotations

import ast
import dataclasses
import importlib.util
import tomllib
import typing
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import click

from acmez import events as happenings
from acmez import explanations
from acmez.acme.errors import AcmeError
from acmez.cli.app import cli
from acmez.config import Config
from acmez.kinds import KINDS
from acmez.known_plugins import KNOWN_PLUGINS
from acmez.option_docs import Option, options_of, summary_of
from acmez.option_types import SEQUENCES, TABLES, bare, slots_of
from acmez.plugins import PluginManager

LEVELS: Mapping[str, str] = MappingProxyType(
    {"debug": "DEBUG", "info": "INFO", "warning": "WARNING", "error": "ERROR", "exception": "ERROR"}
)
ROOT = Path(__file__).resolve().parents[2]
_WIDTH = 84


def configuration() -> str:
    """Every table of a configuration file, from the dataclasses that it becomes."""
    return "\n\n".join(_table_of(title, component) for title, component in _tables(Config, ""))


def _table_of(title: str, component: type) -> str:
    heading = f"## `{title}`\n\n{summary_of(component)}" if title else "## Top level\n\nWhat stands above all tables."
    return f"{heading}\n\n{option_table(option for option in options_of(component) if '.' not in option.name)}"


def _tables(component: Any, path: str) -> Iterator[tuple[str, type]]:
    """Yield each table's heading in TOML, and the dataclass that it becomes."""
    yield path, component
    inside = path.strip("[]")
    for slot in slots_of(component).values():
        name = f"{inside}.{slot.name}" if inside else slot.name
        inner = bare(slot.hint)
        arguments = typing.get_args(inner)
        if typing.get_origin(inner) in SEQUENCES and dataclasses.is_dataclass(arguments[0]):
            yield from _tables(arguments[0], f"[[{name}]]")
        elif typing.get_origin(inner) in TABLES and dataclasses.is_dataclass(arguments[1]):
            yield from _tables(arguments[1], f"[{name}.NAME]")
        elif isinstance(inner, type) and dataclasses.is_dataclass(inner):
            yield from _tables(inner, f"[{name}]")


def components() -> str:
    """The options of every component, built in or of a plugin of this project."""
    manager = PluginManager()
    parts = []
    for kind in KINDS:
        offered = manager.offered(kind)
        parts.append(f"## {kind.label[:1].upper()}{kind.label[1:].replace('policy', 'policie')}s")
        parts += [_component(name, offered[name]) for name in sorted(offered)]
    return "\n\n".join(parts)


def _component(name: str, component: type) -> str:
    package = component.__module__.partition(".")[0].replace("_", "-")
    origin = f"From [{package}](/plugins/{package}.md). " if package in KNOWN_PLUGINS.values() else ""
    options = options_of(component)
    table = option_table(options) if options else "It has no options."
    return f"### `{name}`\n\n{origin}{_cell(summary_of(component))}\n\n{table}"


def option_table(options: Iterable[Option]) -> str:
    """A row for each option."""
    rows = [
        (f"`{each.name}`", each.type, "*required*" if each.required else _code(each.default), each.doc)
        for each in options
    ]
    return _markdown_table(("option", "takes", "default", "meaning"), rows)


def plugins() -> str:
    """Every distribution of a plugin, with a link to its page and what it is."""
    folders = sorted(path.parent for path in ROOT.glob("plugins/*/pyproject.toml"))
    return "\n\n".join(f"[{folder.name}](/plugins/{folder.name}.md)\n: {_description(folder)}" for folder in folders)


def _description(folder: Path) -> str:
    project = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return str(project["description"])


def commands() -> str:
    """The help of every command, as it prints it."""
    top = click.Context(cli, info_name="acmez", terminal_width=_WIDTH, max_content_width=_WIDTH)
    parts = [f"## `acmez`\n\n```text\n{cli.get_help(top)}\n```"]
    for name in cli.list_commands(top):
        command = cli.get_command(top, name)
        assert command is not None  # noqa: S101 - it is listed
        context = click.Context(command, info_name=name, parent=top, terminal_width=_WIDTH, max_content_width=_WIDTH)
        parts.append(f"## `acmez {name}`\n\n```text\n{command.get_help(context)}\n```")
    return "\n\n".join(parts)


def errors() -> str:
    """The tree of errors, each with a link to its page and what it means."""
    import_all()
    return "\n".join(_branch(AcmeError, 0))


def _branch(error: type[AcmeError], depth: int) -> Iterator[str]:
    name = error.__name__
    if name in explanations.names():
        yield f"{'  ' * depth}- [{name}](/errors/pages/{name}.md): {explanations.summary(name)}"
        for child in sorted(error.__subclasses__(), key=lambda each: each.__name__):
            yield from _branch(child, depth + 1)


def events() -> str:
    """Every event, with its fields and when it happens."""
    common = {each.name for each in dataclasses.fields(happenings.Event)}
    rows = []
    for event in vars(happenings).values():
        if isinstance(event, type) and issubclass(event, happenings.Event) and "name" in vars(event):
            own = ", ".join(f"`{each.name}`" for each in dataclasses.fields(event) if each.name not in common)
            rows.append((f"`{event.name}`", f"{{py:class}}`~acmez.events.{event.__name__}`", own))
    return _markdown_table(("name", "class", "further fields"), rows)


def loggers() -> str:
    """What is logged besides events: every call of a logger in the core and in the plugins."""
    rows = sorted({row for path, module in _modules() for row in _logged(path, module)})
    return _markdown_table(("logger", "level", "message"), rows)


def modules() -> str:
    """Every module of the core, by its package, with the first line of its docstring."""
    packages: dict[str, list[tuple[str, str]]] = {}
    for path, module in _modules():
        if module.partition(".")[0] == "acmez":
            package = module if path.name == "__init__.py" else module.rpartition(".")[0]
            about = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
            packages.setdefault(package, []).append((f"`{path.name}`", about.partition("\n")[0].rstrip(":.")))
    return "\n\n".join(
        f"## `{package}`\n\n{_markdown_table(('module', 'what it is'), rows)}" for package, rows in packages.items()
    )


def _modules() -> Iterator[tuple[Path, str]]:
    for package in packages():
        spec = importlib.util.find_spec(package)
        for place in (spec.submodule_search_locations or ()) if spec is not None else ():
            for path in sorted(Path(place).rglob("*.py")):
                parts = (package, *path.relative_to(place).with_suffix("").parts)
                yield path, ".".join(part for part in parts if part != "__init__")


def _logged(path: Path, module: str) -> Iterator[tuple[str, str, str]]:
    """Yield logger, level and message of each call in a module whose message is written there."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    names: dict[str, str] = {}
    for node in ast.walk(tree):
        match node:
            case ast.Assign(
                targets=[ast.Name(id=name)], value=ast.Call(func=ast.Attribute(attr="getLogger"), args=[argument])
            ):
                names[name] = str(argument.value) if isinstance(argument, ast.Constant) else module
    for node in ast.walk(tree):
        match node:
            case ast.Call(
                func=ast.Attribute(value=ast.Name(id=name), attr=method), args=[ast.Constant(value=str(text)), *_]
            ) if name in names and method in LEVELS:
                yield f"`{names[name]}`", LEVELS[method], f"`{text}`"


def packages() -> Sequence[str]:
    """The packages of this project that a user installs."""
    return ["acmez", *sorted({name.replace("-", "_") for name in KNOWN_PLUGINS.values()})]


def import_all() -> None:
    """Import every module, so that every subclass is known."""
    for _, module in _modules():
        if not module.endswith("__main__"):
            importlib.import_module(module)


def _markdown_table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *([_cell(cell) for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("*.", "\\*.").replace("\n", " ")


def _code(value: Any) -> str:
    return f"`{value}`" if value else ""
