"""`acmez check`, `acmez plugins`, `acmez options` and `acmez schema`: nothing is sent, but by `check --online`."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from .completing import completing, component_names
from .parameters import FILE, json_option, plugins_of, plugins_option, print_table

if TYPE_CHECKING:
    from acmez.plugins import PluginInfo


@click.command(short_help="Tell everything that is wrong in a configuration.")
@click.argument("file", type=FILE)
@click.option("--online", is_flag=True, help="Also tell what the DNS says about the names; this is advice.")
@click.option("--resolver", "resolvers", multiple=True, metavar="ADDRESS", help="Ask this one instead of the system's.")
def check(file: Path, *, online: bool, resolvers: tuple[str, ...]) -> None:
    """Check a configuration FILE, and tell everything that is wrong in it."""
    from acmez.config import from_config, load_config

    from .failing import eab_hint

    if resolvers and not online:
        raise click.UsageError("--resolver is for --online")
    with from_config(file) as client:
        count = len(client.certificates)
        config = load_config(file)
        click.echo(f"{file}: fine ({count} {'certificate' if count == 1 else 'certificates'} from {config.directory})")
        hint = eab_hint(config.directory)
        if hint is not None and config.account.eab is None:
            click.echo(f"note: {hint}")
        if online:
            from .online import advise

            advise(client, file, resolvers)


@click.command(short_help="List the installed plugins.")
@json_option
@plugins_option
def plugins(*, as_json: bool, config: Path | None) -> None:
    """List the plugins that are installed, what they offer, and what is wrong with them."""
    listed = plugins_of(config).installed()
    if as_json:
        click.echo(json.dumps([_as_json(info) for info in listed], indent=2))
        return
    rows = []
    for info in listed:
        offers = "\n".join(f"{kind} {name}" for kind, name in info.components)
        rows.append((info.name, info.distribution, info.status, info.error or offers, "\n".join(info.hooks)))
    print_table(("plugin", "distribution", "status", "offers", "hooks"), rows)


def _as_json(info: PluginInfo) -> dict[str, object]:
    components = [{"kind": kind, "name": name} for kind, name in info.components]
    return {**asdict(info), "components": components}


@click.command(short_help="List the options of a component.")
@click.argument("name", shell_complete=completing(component_names))
@json_option
@plugins_option
def options(name: str, *, as_json: bool, config: Path | None) -> None:
    """List the options of the component NAME, as `options` takes them in a configuration file."""
    from acmez.option_docs import options_of

    found = _components(name, config)
    if as_json:
        described = {label: [asdict(option) for option in options_of(component)] for label, component in found.items()}
        click.echo(json.dumps(described, indent=2))
        return
    for label, component in found.items():
        _print_options(f"{label} {name}", component)


def _components(name: str, config: Path | None) -> dict[str, type]:
    """Return the components of that name by their kind."""
    from acmez.errors import PluginNotFoundError
    from acmez.kinds import KINDS

    manager = plugins_of(config)
    found: dict[str, type] = {}
    missing: PluginNotFoundError | None = None
    for kind in KINDS:
        try:
            found[kind.label] = manager.find(kind, name)
        except PluginNotFoundError as exc:
            missing = missing or exc
    if found or missing is None:
        return found
    from acmez.hints import did_you_mean
    from acmez.known_plugins import KNOWN_PLUGINS

    if name in KNOWN_PLUGINS or "blocked" in str(missing):
        raise missing
    names = sorted({each for kind in KINDS for each in manager.offered(kind)})
    raise PluginNotFoundError(f"unknown component {name!r}{did_you_mean(name, names)}; installed: {', '.join(names)}")


def _print_options(title: str, component: type) -> None:
    from acmez.option_docs import options_of, summary_of

    click.secho(title, bold=True)
    if summary := summary_of(component):
        click.echo(summary)
    rows = []
    for option in options_of(component):
        default = "(required)" if option.required else option.default
        rows.append((option.name, option.type, default, option.doc))
    if rows:
        print_table(("option", "takes", "default", "meaning"), rows)
    else:
        click.echo("(no options)")


@click.command(short_help="Print the JSON Schema of the configuration.")
@plugins_option
def schema(config: Path | None) -> None:
    """Print the JSON Schema of the configuration file, with the options of every installed component."""
    from acmez.schema import config_schema

    click.echo(json.dumps(config_schema(plugins_of(config)), indent=2))
