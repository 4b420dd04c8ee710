"""`acmez register`."""

from __future__ import annotations

from pathlib import Path

import click

from .parameters import config_option


@click.command(short_help="Create the account, or find it.")
@config_option
def register(config: Path) -> None:
    """Create the account with the CA, or find the one that the account key has already."""
    from acmez.config import from_config

    from .failing import interruptible

    with from_config(config) as client, interruptible() as scope:
        account = client.register(scope=scope)
    click.echo(account.url)
