"""The commands by name, each imported when it is called, and what becomes of their errors."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from types import MappingProxyType

import click

#: The commands in the order of `--help`, below its headings, and the modules in which they are.
SECTIONS: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "Certificates": {
            "obtain": "obtaining",
            "resume": "obtaining",
            "sweep": "sweeping",
            "renewal-info": "certificates",
            "revoke": "certificates",
        },
        "The account": {"register": "account", "account": "account"},
        "The configuration": {
            "check": "configuration",
            "plugins": "configuration",
            "providers": "providers",
            "options": "configuration",
            "schema": "configuration",
        },
        "Help": {"explain": "explaining", "completion": "completing", "demo": "demonstration"},
        "For authors of plugins": {"new-plugin": "new_plugin"},
    }
)
_MODULES = {name: module for commands in SECTIONS.values() for name, module in commands.items()}

#: What the command returns, in words.
EXIT_CODES: Mapping[int, str] = MappingProxyType(
    {
        0: "done",
        1: "failed, or a part of it failed",
        2: "wrong use, or a wrong configuration",
        75: "the CA asks to come back later; the message says when",
        130: "interrupted by Ctrl-C (143: by SIGTERM), after cleaning up",
    }
)


class _Lazy(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_MODULES)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _MODULES:
            return None
        module = import_module(f".{_MODULES[cmd_name]}", __package__)
        command: click.Command = getattr(module, cmd_name.replace("-", "_"))
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        width = max(map(len, _MODULES))
        for title, names in SECTIONS.items():
            commands = [(name, self.get_command(ctx, name)) for name in names]
            rows = [(name.ljust(width), command.get_short_help_str(100)) for name, command in commands if command]
            with formatter.section(title):
                formatter.write_dl(rows)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Exit codes"):
            formatter.write_dl([(str(code), meaning) for code, meaning in EXIT_CODES.items()])


@click.group(cls=_Lazy, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="acmez", message="acmez %(version)s")
@click.option("-v", "--verbose", is_flag=True, help="Log what happens to standard error.")
def cli(*, verbose: bool) -> None:
    """Get TLS certificates from any ACME server (RFC 8555)."""
    context = click.get_current_context()
    if os.environ.get("NO_COLOR"):
        context.color = False
    log = logging.getLogger("acmez")
    if verbose:
        logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s", stream=sys.stderr)
        log.setLevel(logging.DEBUG)
    else:
        handler = _Warnings()
        log.addHandler(handler)
        context.call_on_close(lambda: log.removeHandler(handler))


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
