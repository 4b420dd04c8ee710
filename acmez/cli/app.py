"""The commands by name, each imported when it is called, and what becomes of their errors."""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence
from importlib import import_module

import click

_COMMANDS = {
    "obtain": "obtaining",
    "resume": "obtaining",
    "sweep": "sweeping",
    "check": "configuration",
    "register": "account",
    "revoke": "certificates",
    "renewal-info": "certificates",
    "plugins": "configuration",
    "providers": "providers",
    "options": "configuration",
    "schema": "configuration",
    "explain": "explaining",
    "new-plugin": "new_plugin",
    "demo": "demonstration",
}


class _Lazy(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        module = import_module(f".{_COMMANDS[cmd_name]}", __package__)
        command: click.Command = getattr(module, cmd_name.replace("-", "_"))
        return command


@click.group(cls=_Lazy, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="acmez", message="acmez %(version)s")
@click.option("-v", "--verbose", is_flag=True, help="Log what happens to standard error.")
def cli(*, verbose: bool) -> None:
    """Get TLS certificates from any ACME server (RFC 8555)."""
    log = logging.getLogger("acmez")
    if verbose:
        logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s", stream=sys.stderr)
        log.setLevel(logging.DEBUG)
    else:
        handler = _Warnings()
        log.addHandler(handler)
        click.get_current_context().call_on_close(lambda: log.removeHandler(handler))


class _Warnings(logging.Handler):
    """Prints warnings, but for events, which the commands tell of in their own words."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)

    def emit(self, record: logging.LogRecord) -> None:
        if not hasattr(record, "event"):
            click.echo(self.format(record), err=True)


def run(arguments: Sequence[str] | None) -> int:
    """Run the command line and return the exit code; an error is printed once, without a traceback."""
    try:
        result = cli.main(arguments, prog_name="acmez", standalone_mode=False)
    except click.ClickException as exc:
        exc.show()
        return exc.exit_code
    except (click.Abort, KeyboardInterrupt):
        click.echo("interrupted", err=True)
        return 130
    except Exception as exc:
        from .failing import EXPECTED, exit_code, report  # not before: it imports the protocol

        if not isinstance(exc, EXPECTED):
            raise
        report(exc)
        return exit_code(exc)
    return result if isinstance(result, int) else 0
