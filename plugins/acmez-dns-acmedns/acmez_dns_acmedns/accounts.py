"""Accounts at acme-dns servers, in the file that lego and other clients keep them in."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from acmez import files
from acmez.acme.wire import JSON
from acmez.dns import DnsError
from acmez.options import Secret


class AccountError(DnsError):
    """A name has no account at an acme-dns server, or none that can be used."""


@dataclass(frozen=True)
class Account:
    """One name's account.

    Attributes:
        username, password, subdomain: as the server's registration told them.
        fulldomain: what _acme-challenge must be an alias of.
        server_url: the server; by default the solver's.
    """

    username: str
    password: Secret
    subdomain: str
    fulldomain: str = ""
    server_url: str = ""

    @classmethod
    def from_json(cls, raw: JSON, where: str) -> Account:
        """Read what a server or a file tells.

        Raises:
            AccountError: something is missing; the message starts with *where*.
        """
        match raw:
            case {"username": str(username), "password": str(password), "subdomain": str(subdomain), **more}:
                texts = {name: str(more.get(name) or "") for name in ("fulldomain", "server_url")}
                return cls(username, Secret(password), subdomain, **texts)
        raise AccountError(f"{where}: expected an account with username, password and subdomain")


class AccountFile:
    """A JSON file: domain -> account; let one process write at a time.

    Args:
        path: need not exist yet; it is written readable for its owner only.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def get(self, domain: str) -> Account | None:
        """Return the account of a domain.

        Raises:
            AccountError: the file cannot be read.
        """
        raw = self._read().get(domain)
        return None if raw is None else Account.from_json(raw, f"{self._path}: {domain!r}")

    def put(self, domain: str, account: Account) -> None:
        """Keep an account; raises like `get`."""
        content = {**self._read(), domain: asdict(account)}
        try:
            text = json.dumps(content, indent=2) + "\n"
            files.write(self._path, text.encode(), mode=0o600)  # it holds passwords
        except OSError as error:
            raise AccountError(f"{self._path}: {error.strerror or error}") from error

    def _read(self) -> Mapping[str, JSON]:
        try:
            content = json.loads(self._path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        except (OSError, ValueError) as error:
            raise AccountError(f"{self._path}: cannot be read: {error}") from error
        if not isinstance(content, dict):
            raise AccountError(f"{self._path}: expected a table of accounts")
        return content
