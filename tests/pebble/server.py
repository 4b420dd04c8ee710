"""Pebble, Let's Encrypt's test CA, as a context manager: a real ACME server on free loopback ports."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import ssl
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

import trustme

from tests.pebble.dns import ChallengeDNS
from tests.pebble.fetching import fetch
from tests.pebble.install import Binaries, find_or_build
from tests.pebble.ports import LOOPBACK, ReservedPorts
from tests.pebble.processes import LostPortError, ServerProcess

ATTEMPTS = 5


@dataclass(frozen=True, slots=True)
class Profile:
    """A certificate profile (draft-ietf-acme-profiles); `validity` is in seconds."""

    description: str = "a profile"
    validity: int = 7_776_000
    promote_common_name: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PebbleOptions:
    """How Pebble behaves; the defaults are Pebble's own, but for the VA's sleeps and the faster keys.

    `nonce_reject` and `authz_reuse` are percentages; tests that count requests set them to 0 or 100.
    `va_sleep` is the longest pause before a validation in seconds, None for no pause. With `eab_keys` (key id
    to base64url MAC key) an external account binding is required. With `profiles` and none asked for, Pebble
    takes one at random. `retry_after_*` are seconds, 0 for no header; Pebble writes them as a number or as a
    date, at random. `http_port` and `tls_port` are where http-01 and tls-alpn-01 are validated, by default
    free ones. `dns_server` is the "host:port" of another resolver for the validations.
    """

    nonce_reject: int = 5
    authz_reuse: int = 50
    va_sleep: int | None = None
    always_valid: bool = False
    strict: bool = False
    eab_keys: Mapping[str, str] = field(default_factory=dict)
    profiles: Mapping[str, Profile] = field(default_factory=dict)
    alternate_roots: int = 0
    chain_length: int = 1
    orders_per_page: int = 3
    key_algorithm: Literal["ecdsa", "rsa"] = "ecdsa"
    retry_after_authz: int = 0
    retry_after_order: int = 0
    domain_blocklist: tuple[str, ...] = ()
    caa_identities: tuple[str, ...] = ()
    http_port: int | None = None
    tls_port: int | None = None
    dns_server: str | None = None

    def environ(self) -> dict[str, str]:
        """Return the part that Pebble reads from its environment."""
        pause = {"PEBBLE_VA_NOSLEEP": "1"} if self.va_sleep is None else {"PEBBLE_VA_SLEEPTIME": str(self.va_sleep)}
        return pause | {
            "PEBBLE_VA_ALWAYS_VALID": str(int(self.always_valid)),
            "PEBBLE_WFE_NONCEREJECT": str(self.nonce_reject),
            "PEBBLE_AUTHZREUSE": str(self.authz_reuse),
            "PEBBLE_WFE_ORDERS_PER_PAGE": str(self.orders_per_page),
            "PEBBLE_ALTERNATE_ROOTS": str(self.alternate_roots),
            "PEBBLE_CHAIN_LENGTH": str(self.chain_length),
        }

    def config(self) -> dict[str, object]:
        """Return the part that Pebble reads from its configuration file."""
        return {
            "externalAccountBindingRequired": bool(self.eab_keys),
            "externalAccountMACKeys": dict(self.eab_keys),
            "caaIdentities": list(self.caa_identities),
            "domainBlocklist": list(self.domain_blocklist),
            "keyAlgorithm": self.key_algorithm,
            "retryAfter": {"authz": self.retry_after_authz, "order": self.retry_after_order},
            "profiles": {
                name: {
                    "description": profile.description,
                    "validityPeriod": profile.validity,
                    "promoteCommonName": profile.promote_common_name,
                }
                for name, profile in self.profiles.items()
            },
        }


class Pebble:
    """A running Pebble and the DNS server it asks, both stopped at the end of the `with` block.

    `directory_url` is the ACME directory, `trust` a PEM file with the CA of Pebble's own HTTPS certificate.
    Validations reach `127.0.0.1:http_port` (http-01) and `127.0.0.1:tls_port` (tls-alpn-01) for every name;
    nothing listens there until a test does. `dns` sets records for dns-01. `log` is Pebble's log.
    """

    directory_url: str
    trust: Path
    http_port: int
    tls_port: int
    dns: ChallengeDNS
    log: Path

    def __init__(self, directory: Path, options: PebbleOptions | None = None, binaries: Binaries | None = None) -> None:
        """Prepare a server that keeps its files in a new folder in `directory`; `with` starts it."""
        self.options = options or PebbleOptions()
        self._binaries = binaries
        self._parent = directory
        self._running = contextlib.ExitStack()

    def __enter__(self) -> Self:
        """Start; raise `StartError` with the end of the log if a program does not come up."""
        binaries = self._binaries or find_or_build()
        for attempt in range(ATTEMPTS):
            try:
                with contextlib.ExitStack() as stack:
                    self._start(binaries, stack)
                    self._running = stack.pop_all()
            except LostPortError:
                if attempt == ATTEMPTS - 1:
                    raise
            else:
                break
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._running.close()

    def root_pem(self, index: int = 0) -> str:
        """Return the root certificate of chain `index`: 0 is the default one, the alternates follow."""
        return self._manage(f"/roots/{index}").decode()

    def intermediate_pem(self, index: int = 0) -> str:
        """Return the intermediate certificate of chain `index`."""
        return self._manage(f"/intermediates/{index}").decode()

    def certificate_status(self, serial: int) -> dict[str, object]:
        """Return what Pebble knows of an issued certificate, such as its `Status`: "Valid" or "Revoked"."""
        status: dict[str, object] = json.loads(self._manage(f"/cert-status-by-serial/{serial:x}"))
        return status

    def set_renewal_info(self, certificate_pem: str, answer: str) -> None:
        """Answer renewalInfo requests (RFC 9773) for an issued certificate with any text, even malformed."""
        body = json.dumps({"Certificate": certificate_pem, "ARIResponse": answer})
        self._manage("/set-renewal-info/", body.encode())

    def _start(self, binaries: Binaries, stack: contextlib.ExitStack) -> None:
        directory = Path(tempfile.mkdtemp(prefix="pebble-", dir=self._parent))
        acme, management, dns, dns_management, http, tls = stack.enter_context(ReservedPorts(6)).numbers
        self.http_port = self.options.http_port or http
        self.tls_port = self.options.tls_port or tls
        self.directory_url = f"https://{LOOPBACK}:{acme}/dir"
        self.trust, self._tls = _issue_server_certificate(directory)
        self._management = (LOOPBACK, management)
        self.log = directory / "pebble.log"
        self._start_dns(binaries.challtestsrv, directory, dns, dns_management, stack)

        config = self.options.config() | {
            "listenAddress": f"{LOOPBACK}:{acme}",
            "managementListenAddress": f"{LOOPBACK}:{management}",
            "certificate": "server.pem",
            "privateKey": "server.key",
            "httpPort": self.http_port,
            "tlsPort": self.tls_port,
        }
        (directory / "pebble.json").write_text(json.dumps({"pebble": config}, indent=2))
        command = [str(binaries.pebble), "-config", "pebble.json", "-dnsserver"]
        command += [
            self.options.dns_server or f"{LOOPBACK}:{dns}",
            *(["-strict"] if self.options.strict else []),
        ]
        process = stack.enter_context(ServerProcess(command, self.log, self.options.environ(), directory))
        process.wait_until(lambda: fetch((LOOPBACK, acme), "/dir", tls=self._tls))
        process.wait_until(self.root_pem)

    def _start_dns(
        self, program: Path, directory: Path, port: int, management: int, stack: contextlib.ExitStack
    ) -> None:
        command = [
            str(program),
            "-management",
            f"{LOOPBACK}:{management}",
            "-dnsserver",
            f"{LOOPBACK}:{port}",
        ]
        command += ["-defaultIPv4", LOOPBACK, "-defaultIPv6", ""]
        for unused in ("-http01", "-https01", "-tlsalpn01", "-doh"):
            command += [unused, ""]
        self.dns = ChallengeDNS((LOOPBACK, port), (LOOPBACK, management))
        process = stack.enter_context(ServerProcess(command, directory / "dns.log", {}, directory))
        process.wait_until(self.dns.is_up)
        process.wait_until(lambda: socket.create_connection((LOOPBACK, port), timeout=5).close())

    def _manage(self, path: str, body: bytes | None = None) -> bytes:
        return fetch(self._management, path, body=body, tls=self._tls)


def _issue_server_certificate(directory: Path) -> tuple[Path, ssl.SSLContext]:
    authority = trustme.CA()
    certificate = authority.issue_cert(LOOPBACK, "localhost")
    key = directory / "server.key"
    key.touch(mode=0o600)
    certificate.private_key_pem.write_to_path(os.fspath(key))
    certificate.cert_chain_pems[0].write_to_path(os.fspath(directory / "server.pem"))
    trust = directory / "trust.pem"
    authority.cert_pem.write_to_path(os.fspath(trust))
    return trust, ssl.create_default_context(cafile=trust)
