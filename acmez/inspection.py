"""What a plugin and the components it offers must look like, checked before they are let in.

pluggy checks a part of this, and with messages for its own developers.
"""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable, Iterator, Mapping
from types import FunctionType, ModuleType
from typing import Generic, Protocol

from . import hookspecs
from .discovery import acmez_version
from .hints import did_you_mean

PREFIX = "acmez_"
_EXPLAINED = "mark its functions with @acmez.hookimpl"

Marks = Callable[[object, str], Mapping[str, object] | None]


def _specs() -> dict[str, tuple[str, ...]]:
    functions = {name: value for name, value in vars(hookspecs).items() if name.startswith(PREFIX)}
    return {name: tuple(inspect.signature(function).parameters) for name, function in functions.items()}


#: Hook -> the parameters that acmez passes.
HOOKS: Mapping[str, tuple[str, ...]] = _specs()


def plugin_problems(plugin: object, marks: Marks) -> Iterator[str]:
    """Yield what is wrong with a plugin, one line each.

    Args:
        marks: returns the options that `@hookimpl` left on an attribute, `None` if it is unmarked.
    """
    if inspect.isclass(plugin):
        yield "it is a class: register an instance of it"
        return
    hooks = 0
    for name in dir(plugin):
        if not name.startswith(PREFIX) or not inspect.isroutine(inspect.getattr_static(plugin, name)):
            continue
        options = marks(plugin, name)
        if options is None:
            if name in HOOKS:
                yield f"{name} is not marked with @hookimpl (which belongs below @staticmethod)"
            continue
        hooks += 1
        yield from _hook_problems(str(options.get("specname") or name), getattr(plugin, name), options)
    if not hooks and not any(name in HOOKS for name in dir(plugin)):
        what = "module" if isinstance(plugin, ModuleType) else "object"
        yield f"this {what} implements no hook of acmez: {_EXPLAINED}"


def _hook_problems(hook: str, function: Callable[..., object], options: Mapping[str, object]) -> Iterator[str]:
    if hook not in HOOKS:
        if not options.get("optionalhook"):
            yield f"unknown hook {hook!r}{did_you_mean(hook, HOOKS)}"
        return
    if options.get("wrapper") or options.get("hookwrapper"):
        yield f"{hook} is a wrapper, which acmez does not support: write a plain function"
    elif inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function):
        yield f"{hook} is a coroutine, which acmez would not await: write a plain function"
    elif HOOKS[hook] and inspect.isgeneratorfunction(function):
        yield f"{hook} is a generator, whose body would not run: write a plain function"
    passed = HOOKS[hook]
    for parameter in inspect.signature(function).parameters.values():
        if parameter.name not in passed:
            yield (
                f"{hook} asks for {parameter.name!r}, which acmez {acmez_version()} does not pass"
                f"{did_you_mean(parameter.name, passed)}; does it need a newer acmez?"
            )
        elif parameter.default is not parameter.empty:
            yield f"{hook} gives {parameter.name!r} a default, so it would never receive the value"
        elif parameter.kind is parameter.KEYWORD_ONLY:
            yield f"{hook} takes {parameter.name!r} by keyword only, so it would never receive the value"


def component_problems(component: object, protocol: type, label: str) -> Iterator[str]:
    """Yield why what a plugin offered cannot be used as a *label*, one line each."""
    if not isinstance(component, type):
        yield f"{component!r} is not a class"
        return
    who = f"{component.__qualname__!r}"
    fields = {field.name for field in _fields(component)}
    name = getattr(component, "name", None)
    if "name" in fields or not isinstance(name, str) or not name:
        yield f'{who} has no name that a configuration could use: write `name: ClassVar[str] = "..."`'
    if inspect.isabstract(component):
        missing = ", ".join(sorted(getattr(component, "__abstractmethods__", ())))
        yield f"{who} is abstract: it has no {missing}"
        return
    methods, class_methods, attributes = _members(protocol)
    for attribute in sorted(attributes - {"name"}):
        if not hasattr(component, attribute) and attribute not in fields:
            yield f"{who} is no {label}: it has no {attribute!r}"
    for method in methods.values():
        if problem := _method_problem(component, method, on_class=method.__name__ in class_methods):
            yield f"{who} is no {label}: {problem}"


def _method_problem(component: type, wanted: FunctionType, *, on_class: bool) -> str | None:
    name, parameters = wanted.__name__, list(inspect.signature(wanted).parameters)[1:]
    call = f"{name}({', '.join(parameters)})"
    method = getattr(component, name, None)
    if not callable(method):
        return f"it has no {call}"
    if inspect.iscoroutinefunction(method):
        return f"{name} is a coroutine, which acmez would not await"
    bound = isinstance(inspect.getattr_static(component, name), staticmethod | classmethod)
    if on_class and not bound:
        return f"{name} is called on the class: write @classmethod above it"
    signature = inspect.signature(method)
    try:
        signature.bind(*parameters) if bound else signature.bind(None, *parameters)
    except TypeError:
        taken = ", ".join(list(signature.parameters)[0 if bound else 1 :])
        return f"it is called as {call}, but has {name}({taken})"
    return None


def _members(protocol: type) -> tuple[dict[str, FunctionType], set[str], set[str]]:
    """The methods that a protocol asks for, which of them are class methods, and the attributes."""
    methods: dict[str, FunctionType] = {}
    class_methods: set[str] = set()
    attributes: set[str] = set()
    for base in protocol.__mro__:
        if base in {object, Protocol, Generic}:
            continue
        attributes |= inspect.get_annotations(base).keys()
        for name, value in vars(base).items():
            function = value.__func__ if isinstance(value, classmethod) else value
            if isinstance(function, FunctionType) and not name.startswith("_"):
                methods.setdefault(name, function)
                class_methods |= {name} if isinstance(value, classmethod) else set()
    return methods, class_methods, attributes


def _fields(component: type) -> tuple[dataclasses.Field[object], ...]:
    return dataclasses.fields(component) if dataclasses.is_dataclass(component) else ()
