"""`acmez completion`, and what completes the names of plugins, providers, CAs and certificates."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

import click
from click.shell_completion import CompletionItem, get_completion_class

_SHELLS = ("bash", "zsh", "fish")

Complete = Callable[[click.Context, click.Parameter, str], list[CompletionItem]]


@click.command(short_help="Print what makes a shell complete this command.")
@click.argument("shell", type=click.Choice(_SHELLS))
def completion(shell: str) -> None:
    """Print the script that makes SHELL complete commands, options, and names of plugins.

    \b
    bash: echo 'eval "$(acmez completion bash)"' >> ~/.bashrc
    zsh:  echo 'eval "$(acmez completion zsh)"' >> ~/.zshrc   (after compinit)
    fish: acmez completion fish > ~/.config/fish/completions/acmez.fish
    """
    from .app import cli

    kind = get_completion_class(shell)
    if kind is None:  # pragma: no cover
        raise click.UsageError(f"click does not know {shell}")
    click.echo(kind(cli, {}, "acmez", "_ACMEZ_COMPLETE").source())


def completing(names: Callable[[click.Context], Iterable[str]]) -> Complete:
    """Return what completes a parameter with *names*; where they cannot be told, nothing is completed."""

    def complete(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[CompletionItem]:
        found: list[str] = []
        with suppress(Exception):  # a shell has no place for errors
            found = sorted(names(ctx))
        return [CompletionItem(name) for name in found if name.startswith(incomplete)]

    return complete


def files_or(names: Callable[[click.Context], Iterable[str]]) -> Complete:
    """Return what completes a parameter with *names*, and lets the shell add files if there is none."""
    complete = completing(names)

    def complete_file(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
        return complete(ctx, parameter, incomplete) or [CompletionItem(incomplete, type="file")]

    return complete_file


def component_names(ctx: click.Context) -> Iterable[str]:
    """Return the names of all components that are installed, or that the configuration brings."""
    from acmez.kinds import KINDS

    from .parameters import plugins_of

    manager = plugins_of(ctx.params.get("config"))
    return {name for kind in KINDS for name in manager.offered(kind)}


def certificate_files(ctx: click.Context) -> Iterable[str]:
    """Return the certificates that `acmez obtain` has written for the configuration."""
    from acmez.config import load_config

    config: Path | None = ctx.params.get("config")
    if config is None:
        return ()
    home = config.absolute().parent
    tables = load_config(config).certificate
    files = (home / table.directory / "cert.pem" for table in tables if table.directory is not None)
    return [str(file) for file in files if file.exists()]


def provider_names(ctx: click.Context) -> Iterable[str]:
    """Return the DNS providers that the installed plugins reach."""
    from .parameters import plugins_of
    from .providers import offers

    found, _ = offers(plugins_of(ctx.params.get("config")))
    return {offer.provider for offer in found}
