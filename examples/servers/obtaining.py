"""What the servers of this folder have in common: their arguments, and how they get their certificate."""

from __future__ import annotations

import argparse
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from acmez_testkit import Behaviour, EmbeddedCA
from cryptography import x509

import acmez


@dataclass(frozen=True)
class Site:
    """Which site is served, and who vouches for it.

    Attributes:
        directory: of the CA; "embedded": one in this process, which nobody trusts, for a first try.
        folder: account, certificate and key are kept here over a restart.
    """

    name: str
    directory: str
    email: str
    host: str
    http_port: int
    https_port: int
    folder: Path

    @classmethod
    def from_arguments(cls, about: str | None) -> Site:
        parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
        parser.add_argument("name", help="the site's, such as www.example.com")
        parser.add_argument("--directory", default="embedded", help="the CA, such as letsencrypt")
        parser.add_argument("--email", default="", help="where the CA may write to")
        parser.add_argument("--host", default="127.0.0.1", help="to listen on; for a public CA: 0.0.0.0 or ::")
        parser.add_argument("--http-port", type=int, default=8080, help="for a public CA: 80")
        parser.add_argument("--https-port", type=int, default=8443, help="for a public CA: 443")
        parser.add_argument("--folder", type=Path, default=Path("certs"))
        return cls(**vars(parser.parse_args()))

    @property
    def certificates(self) -> Path:
        """Where fullchain.pem and privkey.pem are."""
        return self.folder / self.name

    def obtain(self, solver: acmez.Solver) -> None:
        """Obtain a certificate, unless an earlier start did: CAs limit how many one may have."""
        if self._has_one():
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        with ExitStack() as stack:
            directory, trust = self.directory, None
            if directory == "embedded":
                ca = stack.enter_context(EmbeddedCA(Behaviour(http_port=self.http_port, tls_port=self.https_port)))
                directory, trust = ca.directory_url, ca.trust_pem
                (self.folder / "root.pem").write_bytes(ca.root_pem())
            account_key = acmez.FileKey(self.folder / "account.pem")
            client = stack.enter_context(
                acmez.Client(directory, solvers=[solver], account_key=account_key, trust=trust)
            )
            client.register([f"mailto:{self.email}"] if self.email else [], terms_of_service_agreed=True)
            client.obtain([self.name]).write(self.certificates)

    def _has_one(self) -> bool:
        path = self.certificates / "cert.pem"
        if not path.exists():
            return False
        certificate = x509.load_pem_x509_certificate(path.read_bytes())
        begins, ends = certificate.not_valid_before_utc, certificate.not_valid_after_utc
        return datetime.now(UTC) < begins + (ends - begins) * 2 / 3
