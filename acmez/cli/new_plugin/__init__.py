"""`acmez new-plugin`: a distribution with one component, its tests, and everything around them."""

from __future__ import annotations

from pathlib import Path

import click

from .naming import KINDS


@click.command("new-plugin", short_help="Write a new plugin that works, to begin from.")
@click.argument("name")
@click.option(
    "-d",
    "--directory",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    default=".",
    metavar="DIR",
    help="Where to put acmez-NAME; by default the working directory.",
)
@click.option("-k", "--kind", type=click.Choice(list(KINDS)), help="What it offers; by default what NAME says.")
def new_plugin(name: str, directory: Path, kind: str | None) -> None:
    """Write the distribution acmez-NAME: a component that works, its tests, a README, a workflow for CI.

    NAME is the word for configurations, such as dns-example. A solver's begins with dns-, http- or tls-,
    a waiter's ends in -propagation.
    """
    from .naming import names_for
    from .writing import write

    target = write(names_for(name, kind), directory)
    click.echo(f"{target}: written. Next:\n\n  cd {target}\n  pip install --editable '.[test]'\n  pytest")
