"""`acmez explain`: what an error means, and what to do about it."""

from __future__ import annotations

import sys

import click

from .parameters import print_table


def _complete(_: click.Context, __: click.Parameter, incomplete: str) -> list[str]:
    from acmez.explanations import names

    return [name for name in names() if name.lower().startswith(incomplete.lower())]


@click.command(short_help="Explain an error, and what to do about it.")
@click.argument("error", required=False, shell_complete=_complete)
def explain(error: str | None) -> None:
    """Explain ERROR, which is named at the end of a message or by the CA; list all errors if none is given.

    What is printed to anything but a terminal is Markdown.
    """
    from acmez.explanations import names, summary, text

    if error is None:
        print_table(("error", "meaning"), [(name, summary(name).replace("`", "")) for name in names()])
        return
    from acmez.acme.errors import InputError

    try:
        page = text(error)
    except InputError as exc:
        raise click.BadParameter(str(exc), param_hint="ERROR") from None
    if sys.stdout.isatty():
        from rich.console import Console
        from rich.markdown import Markdown

        console = Console()
        console.print(Markdown(page), width=min(console.width, 100))
    else:
        click.echo(page, nl=False)
