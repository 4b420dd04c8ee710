"""Accounts that other clients left on the machine of a page's reader."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from acmez import Client
from acmez.acme.wire import b64encode

if TYPE_CHECKING:
    from tests.docs.player import Player

_CA = "acme-v02.api.letsencrypt.org"


def of_certbot(player: Player) -> None:
    """Leave certbot's account, with an RSA key as JSON."""
    key = rsa.generate_private_key(65537, 2048)
    numbers = key.private_numbers()
    public = numbers.public_numbers
    members = {"n": public.n, "e": public.e, "d": numbers.d, "p": numbers.p, "q": numbers.q}
    members |= {"dp": numbers.dmp1, "dq": numbers.dmq1, "qi": numbers.iqmp}
    jwk = {name: b64encode(value.to_bytes((value.bit_length() + 7) // 8)) for name, value in members.items()}
    folder = f"/etc/letsencrypt/accounts/{_CA}/directory/0123456789abcdef"
    player.place.write(f"{folder}/private_key.json", json.dumps({**jwk, "kty": "RSA"}))
    _register(key)


def of_lego(player: Player) -> None:
    """Leave lego's account, with an EC key as SEC1."""
    email = "admin@example.com"
    _leave(player, f"/var/lib/lego/accounts/{_CA}/{email}/keys/{email}.key")
    player.place.write("/var/lib/lego/acme-dns.json", "{}")


def of_acme_sh(player: Player) -> None:
    """Leave the account of acme.sh, with an EC key as SEC1."""
    _leave(player, f"/opt/acme.sh/ca/{_CA}/directory/account.key")
    for script in ("acme.sh", "dnsapi/dns_gandi_livedns.sh"):
        player.place.write(f"/opt/acme.sh/{script}", "#!/bin/sh\n")


LEFT = {"from-certbot.md": of_certbot, "from-lego.md": of_lego, "from-acme-sh.md": of_acme_sh}


def prepare(page: Path, player: Player) -> None:
    """Leave what a page about moving from another client begins with."""
    if page.name in LEFT:
        LEFT[page.name](player)


def _leave(player: Player, path: str) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    player.place.write(path, pem.decode())
    _register(key)


def _register(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> None:
    with Client("letsencrypt", account_key=key) as client:
        client.register(terms_of_service_agreed=True)
