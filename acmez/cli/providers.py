"""`acmez providers`: which DNS providers the installed plugins reach."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from .completing import completing, provider_names
from .parameters import json_option, plugins_of, plugins_option, print_table

if TYPE_CHECKING:
    from acmez.plugins import PluginManager


@dataclass(frozen=True, slots=True)
class Offer:
    """A DNS provider and who reaches it.

    Attributes:
        provider: its name, as the solver has it.
        solver: what to `use` in a configuration.
        plugin: the distribution and its version; of an in-house plugin its own name.
    """

    provider: str
    solver: str
    plugin: str


@click.command(short_help="List the DNS providers that can be used.")
@click.argument("provider", required=False, shell_complete=completing(provider_names))
@json_option
@plugins_option
def providers(provider: str | None, *, as_json: bool, config: Path | None) -> None:
    """List the DNS providers that the installed plugins reach, and the plugin that brings each; or PROVIDER alone."""
    found, notes = offers(plugins_of(config))
    if provider is not None:
        found = _only(found, provider)
    if as_json:
        click.echo(json.dumps([asdict(offer) for offer in found], indent=2))
    else:
        print_table(("provider", "solver", "plugin"), [(each.provider, each.solver, each.plugin) for each in found])
        if provider is None:
            click.echo(f"{len({offer.provider for offer in found})} DNS providers")
    for note in notes:
        click.echo(f"note: {note}", err=True)


def _only(found: list[Offer], provider: str) -> list[Offer]:
    from acmez.errors import PluginNotFoundError
    from acmez.hints import did_you_mean

    names = sorted({offer.provider for offer in found})
    if provider not in names:
        raise PluginNotFoundError(f"no installed plugin reaches {provider!r}{did_you_mean(provider, names)}")
    return [offer for offer in found if offer.provider == provider]


def offers(manager: PluginManager) -> tuple[list[Offer], list[str]]:
    """Return who reaches which provider, by the provider's name, and what is to be said of those who reach none."""
    found: list[Offer] = []
    notes: list[str] = []
    for info in manager.installed():
        if info.error is not None:
            notes.append(info.error)
        for solver in (name for kind, name in info.components if kind == "solver"):
            names, note = _listed(manager, solver)
            found += (Offer(name, solver, info.distribution or info.name) for name in names)
            notes += filter(None, [note])
    return sorted(found, key=lambda offer: (offer.provider, offer.solver)), notes


def _listed(manager: PluginManager, solver: str) -> tuple[list[str], str]:
    """Return the providers of a solver, and why there are none, or "" if it has nothing to do with any."""
    from acmez.kinds import SOLVER
    from acmez.protocols import Listing

    try:
        component = manager.find(SOLVER, solver)
        if not issubclass(component, Listing):
            return [], ""
        names = sorted({str(name) for name in component.providers()})
    except Exception as exc:  # noqa: BLE001 - whatever it is, the other plugins are listed
        return [], f"{solver}: its providers are not known: {exc}"
    about = (component.providers.__doc__ or "").strip().partition("\n")[0]
    return names, "" if names else f"{solver}: nothing found: {about[:1].lower()}{about[1:]}"
