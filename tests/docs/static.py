"""Code that is looked at without being run: do its imports, its names and its arguments exist?"""

from __future__ import annotations

import ast
import builtins
import importlib
import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.docs.pages import CHECKOUT


def is_part_of_a_file(text: str, folder: Path) -> bool:
    """Whether code is in a file of `examples`, which other tests run, or in one that the page had written before."""
    places = (CHECKOUT / "examples", folder)
    return any(text in file.read_text() for place in places for file in place.rglob("*.py"))


def check_python(text: str, known: dict[str, object]) -> None:
    """Fail if the code would not compile, or names what does not exist.

    Args:
        known: names from further up on the page, with their values where those are known; what the code
            imports and defines is added.
    """
    tree = ast.parse(text)
    known |= _imported(tree)
    for name in _defined(tree):
        known.setdefault(name, None)
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
            assert node.id in known or hasattr(builtins, node.id), f"{node.id!r} is not defined"
        if isinstance(node, ast.Attribute):
            value(node, known)
        if isinstance(node, ast.Call):
            _check_call(node, known)


def _imported(tree: ast.AST) -> dict[str, object]:
    found: dict[str, object] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for each in node.names:
                module = importlib.import_module(each.name)
                found[each.asname or each.name.partition(".")[0]] = (
                    module if each.asname else importlib.import_module(each.name.partition(".")[0])
                )
        if isinstance(node, ast.ImportFrom) and node.module != "__future__":
            for each in node.names:
                found[each.asname or each.name] = _member(node.module or "", each.name)
    return found


def _member(module: str, name: str) -> object:
    home = importlib.import_module(module)
    if not hasattr(home, name):
        return importlib.import_module(f"{module}.{name}")
    return getattr(home, name)


def _defined(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name
        if isinstance(node, ast.arg):
            yield node.arg
        if isinstance(node, ast.ExceptHandler | ast.MatchAs | ast.MatchStar) and node.name:
            yield node.name


def value(node: ast.expr, known: dict[str, object]) -> Any:
    """Return what an imported name, or an attribute of one, stands for; `None` if that is not known."""
    if isinstance(node, ast.Name):
        return known.get(node.id)
    if isinstance(node, ast.Attribute):
        home = value(node.value, known)
        if inspect.ismodule(home) or inspect.isclass(home):
            assert hasattr(home, node.attr) or _is_field(home, node.attr), f"{home.__name__} has no {node.attr!r}"
            return getattr(home, node.attr, None)
    return None


def _is_field(home: object, name: str) -> bool:
    return inspect.isclass(home) and any(name in inspect.get_annotations(each) for each in home.__mro__)


def _check_call(node: ast.Call, known: dict[str, object]) -> None:
    called = value(node.func, known)
    starred = any(isinstance(each, ast.Starred) for each in node.args) or any(not each.arg for each in node.keywords)
    if starred or not callable(called):
        return
    try:
        signature = inspect.signature(called)
    except ValueError:
        return  # of built-ins some have none
    try:
        signature.bind(*node.args, **{each.arg or "": each.value for each in node.keywords})
    except TypeError as exc:
        raise AssertionError(f"{ast.unparse(node)}: {exc}") from None


def texts(file: Path) -> Iterator[str]:
    """Yield every text in a module; where a value is put in, the text ends and another one begins."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value
