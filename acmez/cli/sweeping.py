"""`acmez sweep`."""

from __future__ import annotations

from pathlib import Path

import click

from .parameters import config_option


@click.command(short_help="Clean up what a crash left behind.")
@config_option
def sweep(config: Path) -> int:
    """Clean up every answer that an earlier process presented and did not live to clean up."""
    from acmez import events
    from acmez.config import from_config
    from acmez.errors import AcmezError
    from acmez.hookspecs import hookimpl
    from acmez.plugins import PluginManager

    from .failing import FAILED, interruptible, report

    class Teller:
        @hookimpl
        def acmez_event(self, event: events.Event) -> None:
            if isinstance(event, events.ChallengeCleanedUp) and event.error is None:
                click.echo(f"{event.identifier}: {event.challenge_type} cleaned up by {event.solver}")

    plugins = PluginManager()
    plugins.register(Teller(), "command line")
    with from_config(config, plugins=plugins) as client, interruptible() as scope:
        problems = client.sweep(scope=scope)
        scope.check()
    if problems:
        report(AcmezError("\n".join(problems)))
    return FAILED if problems else 0
