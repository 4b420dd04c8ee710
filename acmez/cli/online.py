"""`acmez check --online`: what the DNS says about the names of a configuration."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from .parameters import print_table

if TYPE_CHECKING:
    from acmez.acme.identifier import Identifier
    from acmez.client import Client
    from acmez.preflight import Finding, Subject
    from acmez.routing import Route

_HEADER = ("name", "CAA", "name servers", "_acme-challenge", "DNSSEC")
_PATIENCE = 15.0  # seconds for the directory


def advise(client: Client, file: Path, resolvers: Sequence[str]) -> None:
    """Print a table with what was found about each name; only the CA's directory is fetched from the CA.

    Args:
        resolvers: whom to ask; none: the system's.

    Raises:
        ClickException: a resolver is no name server.
    """
    from acmez.acme.scope import CancelScope
    from acmez.dns.lookups import Lookups
    from acmez.dns.servers import parse
    from acmez.preflight import preflight

    try:
        lookups = Lookups([parse(text) for text in resolvers])
    except ValueError as exc:
        raise click.BadParameter(str(exc), param_hint="--resolver") from exc
    subjects = list(_subjects(client, _routes(file)))
    if not subjects:
        click.echo("note: there is no name to look up")
        return
    reports = preflight(subjects, lookups, CancelScope(), identities=_identities(client))
    rows = [(each.name, *map(_cell, (each.caa, each.name_servers, each.delegation, each.dnssec))) for each in reports]
    print_table(_HEADER, rows)


def _cell(finding: Finding | None) -> str:
    return "-" if finding is None else f"{finding.verdict}: {finding.says}"


def _identities(client: Client) -> tuple[str, ...]:
    from acmez.acme.scope import CancelScope

    from .failing import EXPECTED

    try:
        return client.acme.directory(scope=CancelScope(_PATIENCE)).meta.caa_identities
    except EXPECTED as exc:
        click.echo(f"note: the CA does not say its names in CAA records: {exc}")
        return ()


def _routes(file: Path) -> list[Route]:
    from acmez.config import load_config
    from acmez.kinds import SOLVER
    from acmez.routing import Route

    from .parameters import plugins_of

    manager = plugins_of(file)
    home = file.absolute().parent
    return [
        Route(
            manager.build(SOLVER, table.use, table.options, where=f"solver.{name}", directory=home), name, table.domains
        )
        for name, table in load_config(file).solver.items()
    ]


def _subjects(client: Client, routes: Sequence[Route]) -> Iterator[Subject]:
    """Yield each DNS name once, with the challenge types that can be answered for it."""
    from acmez.acme.identifier import Identifier, IdentifierType
    from acmez.dns import DNS_CHALLENGE_TYPES as BY_DNS
    from acmez.preflight import Subject

    for each in dict.fromkeys(_identifiers(client)):
        if each.type == IdentifierType.DNS:
            wildcard = each.value.startswith("*.")
            bare = Identifier.dns(each.value.removeprefix("*."))
            kinds = [
                kind for route in routes if route.matches(bare, wildcard=wildcard) for kind in route.challenge_types
            ]
            # RFC 8555 §8.3 and RFC 8737 §3: other challenges prove no wildcard
            yield Subject(each.value, tuple(kind for kind in dict.fromkeys(kinds) if kind in BY_DNS or not wildcard))


def _identifiers(client: Client) -> Iterator[Identifier]:
    from acmez.csr import identifiers, load_request, request_identifiers

    for spec in client.certificates:
        if spec.csr is not None:
            yield from request_identifiers(load_request(spec.csr))
        else:
            yield from identifiers(spec.names)
