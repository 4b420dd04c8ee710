"""What several commands take."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from acmez.plugins import PluginManager

FILE = click.Path(path_type=Path, dir_okay=False)

config_option = click.option(
    "-c", "--config", "config", type=FILE, required=True, metavar="FILE", help="The configuration file (TOML)."
)
plugins_option = click.option(
    "-c", "--config", "config", type=FILE, metavar="FILE", help="Look also at the plugins that this file names."
)
trace_option = click.option(
    "--trace",
    type=FILE,
    metavar="FILE",
    help="Write the timeline to FILE, also when it fails: a page for browsers, or JSON for Perfetto (*.json).",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


def shown_options(command: Callable[..., int]) -> Callable[..., int]:
    """Let a command take what decides how much it shows."""
    quiet = click.option("-q", "--quiet", is_flag=True, help="Print nothing but errors.")
    as_json = click.option("--json", "as_json", is_flag=True, help="Print every event as a line of JSON.")
    return quiet(as_json(command))


def plugins_of(config: Path | None) -> PluginManager:
    """Return the plugins that are installed, and those that *config* names.

    Raises:
        ConfigError: the file cannot be read, or one of its plugins cannot be used.
    """
    from acmez.plugins import PluginManager

    manager = PluginManager()
    if config is not None:
        from acmez.assembly import load_plugins
        from acmez.config import read
        from acmez.errors import ConfigError

        if problems := load_plugins(read(config), config.absolute().parent, manager):
            raise ConfigError(problems)
    return manager


def print_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table as wide as the terminal; nothing in it is cut off or taken for markup."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, header_style="bold", pad_edge=False)
    for title in header:
        table.add_column(title, overflow="fold")
    for row in rows:
        table.add_row(*map(Text, row))
    console = Console()
    if not console.is_terminal:
        console = Console(width=10_000)  # a pipe has no width; the table takes what it needs
    console.print(table)
