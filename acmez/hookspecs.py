"""The plugin API: every hook that acmez calls, and the markers for writing one.

A plugin is a module, or an instance of a class, with functions of these names marked by `@hookimpl`. It may
take fewer parameters than listed here. Hooks that *offer* name classes and do no work; hooks that *decide* and
*watch* are called only on plugins that the configuration or the code named.

Parameters have no defaults and are never keyword-only: pluggy would not pass them. Hooks are plain functions:
wrappers and coroutines are refused.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import pluggy

from .acme.certificate import Chain
from .acme.identifier import Identifier
from .events import Event
from .protocols import Challenge, KeyProvider, RetryPolicy, Solver, Waiter

PROJECT = "acmez"
hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec
def acmez_solvers() -> Iterable[type[Solver]]:
    """Offer solver classes.

    Called at most once per `PluginManager`, when a solver is looked up. Write `yield`: type checkers look
    closer at it than at a returned list.
    """
    return ()


@hookspec
def acmez_waiters() -> Iterable[type[Waiter]]:
    """Offer waiter classes; otherwise as `acmez_solvers`."""
    return ()


@hookspec
def acmez_key_providers() -> Iterable[type[KeyProvider]]:
    """Offer key provider classes; otherwise as `acmez_solvers`."""
    return ()


@hookspec
def acmez_retry_policies() -> Iterable[type[RetryPolicy]]:
    """Offer retry policy classes; otherwise as `acmez_solvers`."""
    return ()


@hookspec(firstresult=True)
def acmez_choose_challenge(identifier: Identifier, challenges: Sequence[Challenge]) -> Challenge | None:
    """Pick which of *challenges* to try next for *identifier*; `None` means no opinion.

    Called once per pending authorization and attempt, on the newest plugin first; the first opinion counts.
    *challenges* holds only what some configured solver can answer, in the order that acmez prefers. An
    exception fails the order.
    """
    return None


@hookspec(firstresult=True)
def acmez_choose_chain(chains: Sequence[Chain]) -> Chain | None:
    """Pick one of the *chains* that the CA offers for a certificate; `None` means no opinion.

    Called once per download, on the newest plugin first; the first opinion counts. An exception fails the
    issuance.
    """
    return None


@hookspec
def acmez_event(event: Event) -> None:
    """Watch what happens; `acmez.events` lists all there is to see.

    Called in the thread in which it happens, so possibly from several at once; return quickly. An exception
    is logged and dropped.
    """
