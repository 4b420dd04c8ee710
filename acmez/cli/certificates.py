"""`acmez revoke` and `acmez renewal-info`."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from .completing import certificate_files, files_or
from .parameters import FILE, config_option, json_option

if TYPE_CHECKING:
    from cryptography import x509

    from acmez.acme.renewal import RenewalInfo
    from acmez.client import Client

_REASONS = {
    "unspecified": 0,
    "key-compromise": 1,
    "affiliation-changed": 3,
    "superseded": 4,
    "cessation-of-operation": 5,
    "privilege-withdrawn": 9,
}


@click.command(short_help="Revoke a certificate.")
@config_option
@click.argument("certificate", type=FILE, shell_complete=files_or(certificate_files))
@click.option("--reason", type=click.Choice(list(_REASONS)), help="Why (RFC 5280 §5.3.1).")
@click.option("--key", type=FILE, metavar="KEY.pem", help="Ask with the certificate's own key, not with the account.")
def revoke(config: Path, certificate: Path, reason: str | None, key: Path | None) -> None:
    """Revoke the CERTIFICATE in a PEM file."""
    from acmez.acme.certificate import RevocationReason
    from acmez.config import from_config
    from acmez.keys import load_private_key

    from .failing import interruptible

    leaf = _load(certificate)
    own = None if key is None else load_private_key(key.read_bytes(), str(key))
    why = None if reason is None else RevocationReason(_REASONS[reason])
    with from_config(config) as client, interruptible() as scope:
        client.revoke(leaf, key=own, reason=why, scope=scope)
    click.echo(f"{certificate}: revoked")


@click.command("renewal-info", short_help="Ask when to renew certificates.")
@config_option
@click.argument("certificates", type=FILE, nargs=-1, shell_complete=files_or(certificate_files))
@json_option
def renewal_info(config: Path, certificates: tuple[Path, ...], *, as_json: bool) -> int:
    """Ask the CA when it wants CERTIFICATES (PEM files) to be renewed (RFC 9773).

    Without CERTIFICATES it asks about those that `acmez obtain` wrote for the configuration.
    """
    from acmez.acme.errors import Cancelled
    from acmez.config import from_config

    from .failing import EXPECTED, FAILED, interruptible, report

    code = 0
    with from_config(config) as client, interruptible() as scope:
        for path in certificates or _written(client):
            try:
                _print(path, client.renewal_info(_load(path), scope=scope), as_json=as_json)
            except Cancelled:
                raise
            except EXPECTED as exc:
                report(exc, str(path))
                code = FAILED
    return code


def _written(client: Client) -> tuple[Path, ...]:
    return tuple(spec.directory / "cert.pem" for spec in client.certificates if spec.directory is not None)


def _print(path: Path, info: RenewalInfo, *, as_json: bool) -> None:
    due = info.start <= datetime.now(UTC)
    if as_json:
        described = {"certificate": str(path), "start": info.start.isoformat(), "end": info.end.isoformat()}
        click.echo(json.dumps({**described, "due": due, "explanation": info.explanation_url}))
        return
    verdict = "due now" if due else "not yet due"
    why = f" ({info.explanation_url})" if info.explanation_url else ""
    click.echo(f"{path}: {verdict}: between {info.start:%Y-%m-%d %H:%M} and {info.end:%Y-%m-%d %H:%M} UTC{why}")


def _load(path: Path) -> x509.Certificate:
    from cryptography import x509

    from acmez.acme.errors import InputError

    data = path.read_bytes()
    try:
        return x509.load_pem_x509_certificate(data)
    except ValueError as exc:
        raise InputError(f"{path}: no PEM certificate") from exc
