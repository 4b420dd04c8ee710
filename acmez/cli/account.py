"""`acmez register` and `acmez account`."""

from __future__ import annotations

import json
import sys
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import click

from .parameters import config_option, json_option

if TYPE_CHECKING:
    from acmez.acme.account import Account
    from acmez.acme.scope import CancelScope
    from acmez.client import Client

_MOST_ORDERS = 1000


@click.command(short_help="Create the account, or find it.")
@config_option
def register(config: Path) -> None:
    """Create the account with the CA, or find the one that the account key has already."""
    from acmez.config import from_config

    from .failing import interruptible

    with from_config(config) as client, interruptible() as scope:
        account = client.register(scope=scope)
    click.echo(account.url)


@click.command(short_help="Show the account, change it, or end it.")
@config_option
@json_option
@click.option(
    "--contact",
    "contacts",
    multiple=True,
    metavar="URL",
    help="Replace the contacts, by none if URL is ''; mailto:admin@example.com, say; may be given many times.",
)
@click.option("--agree", is_flag=True, help="Agree to the CA's present terms of service.")
@click.option("--change-key", is_flag=True, help="Give the account a new key, and replace the key's file.")
@click.option("--deactivate", is_flag=True, help="End the account for ever; asks first.")
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
def account(
    config: Path,
    contacts: tuple[str, ...],
    *,
    as_json: bool,
    agree: bool,
    change_key: bool,
    deactivate: bool,
    yes: bool,
) -> int:
    """Show the account: its URL, status, contacts, orders if the CA lists them, and its key's thumbprint.

    The options change it first. Set contacts in the configuration, too: `acmez register` sends those.
    """
    from acmez.config import from_config

    from .failing import FAILED, interruptible

    if deactivate and (contacts or agree or change_key):
        raise click.UsageError("--deactivate goes with no other change")
    if deactivate and not yes and not sys.stdin.isatty():
        raise click.UsageError("--deactivate asks first, and there is nobody to ask: add --yes")
    with from_config(config) as client, interruptible() as scope:
        found = client.account(scope=scope)
        if deactivate:
            if not yes and not click.confirm(f"Deactivate {found.url} for ever?", err=True):
                click.echo("nothing was changed", err=True)
                return FAILED
            found = client.deactivate_account(scope=scope)
        else:
            found = _changed(client, found, contacts, agree=agree, change_key=change_key, scope=scope)
        orders = None if deactivate else _orders(client, found, scope)
    _show(found, orders, as_json=as_json)
    return 0


def _changed(
    client: Client, found: Account, contacts: tuple[str, ...], *, agree: bool, change_key: bool, scope: CancelScope
) -> Account:
    """Change what is to be changed, and return the account as the CA has it then."""
    if contacts or agree:
        wanted = [url for url in contacts if url] if contacts else None
        found = client.update_account(wanted, terms_of_service_agreed=agree, scope=scope)
    if change_key:
        found = client.change_account_key(scope=scope)
    return client.acme.account(found, scope=scope)


def _orders(client: Client, found: Account, scope: CancelScope) -> list[str] | None:
    """Return the URLs of the account's orders, `None` if the CA does not list them."""
    from acmez.acme.errors import MalformedAnswer, UnsupportedError
    from acmez.acme.problem import ProblemError

    try:
        return list(islice(client.acme.orders(found, scope=scope), _MOST_ORDERS))
    except (UnsupportedError, ProblemError, MalformedAnswer):
        return None


def _show(found: Account, orders: list[str] | None, *, as_json: bool) -> None:
    agreed = found.terms_of_service_agreed
    if as_json:
        described: dict[str, object] = {"url": found.url, "status": found.status, "contact": found.contact}
        described |= {"terms_of_service_agreed": agreed, "orders": orders, "key_thumbprint": found.key.thumbprint}
        click.echo(json.dumps(described, indent=2))
        return
    terms = {True: "agreed to", False: "not agreed to", None: "the CA does not say"}[agreed]
    lines = [
        ("account", found.url),
        ("status", found.status),
        ("contact", ", ".join(found.contact) or "none, or the CA does not say"),
        ("terms", terms),
        ("key", f"{found.key.thumbprint} (thumbprint)"),
        ("orders", "the CA does not list them" if orders is None else str(len(orders))),
    ]
    for name, value in lines:
        click.echo(f"{name + ':':<9} {value}")
    for url in orders or ():
        click.echo(f"{'':<9} {url}")
