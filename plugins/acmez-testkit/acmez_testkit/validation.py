"""The CA's side of the challenges: http-01, dns-01, dns-account-01 and tls-alpn-01."""

from __future__ import annotations

import base64
import hashlib
import http.client
import ipaddress
import socket
import ssl
from collections.abc import Callable
from urllib.parse import SplitResult, urljoin, urlsplit

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.x509.oid import ExtensionOID

from acmez_testkit.issuing import general_name
from acmez_testkit.jws import base64url
from acmez_testkit.lookup import Lookup
from acmez_testkit.model import Authorization, Challenge, Identifier
from acmez_testkit.wire import Refusal

USER_AGENT = "acmez-testkit (an embedded test server, not a CA)"
ACME_IDENTIFIER = x509.ObjectIdentifier("1.3.6.1.5.5.7.1.31")
_DRAFT_ACME_IDENTIFIER = x509.ObjectIdentifier("1.3.6.1.5.5.7.1.30.1")
_MAX_REDIRECTS = 10
_MAX_BODY = 1024


class Validator:
    """Checks a challenge the way the CA would from the internet, but on loopback addresses."""

    def __init__(self, lookup: Lookup, *, http_port: int, tls_port: int, attempts: int, timeout: float) -> None:
        self._lookup = lookup
        self._ports = {"http": http_port, "https": tls_port}
        self._attempts = attempts
        self._timeout = timeout
        self._alpn = _unverified_context("acme-tls/1")
        self._web = _unverified_context("http/1.1")

    def check(self, authorization: Authorization, challenge: Challenge, thumbprint: str, account: str) -> None:
        """Raise Refusal with the reason if the challenge is not met, from each perspective."""
        key_authorization = f"{challenge.token}.{thumbprint}"
        identifier = authorization.identifier
        checks: dict[str, Callable[[], None]] = {
            "http-01": lambda: self._http(identifier, challenge.token, key_authorization),
            "tls-alpn-01": lambda: self._tls_alpn(identifier, key_authorization),
            "dns-01": lambda: self._dns(f"_acme-challenge.{identifier.value}", key_authorization),
            "dns-account-01": lambda: self._dns(
                f"{account_label(account)}._acme-challenge.{identifier.value}", key_authorization
            ),
        }
        check = checks[challenge.type]
        for attempt in range(self._attempts):
            try:
                check()
            except Refusal as refusal:
                if attempt:
                    refusal.detail = f"During secondary validation: {refusal.detail}"
                raise

    def _connect(self, identifier: Identifier, port: int) -> socket.socket:
        """Connect to the first address that answers; only a failing connect moves on to the next."""
        failure = ""
        for address in self._lookup.addresses(identifier):
            try:
                return socket.create_connection((address, port), timeout=self._timeout)
            except OSError as error:
                failure = f"{address} port {port}: {error}"
        raise Refusal("connection", f"{identifier.value}: cannot connect to {failure}")

    def _http(self, identifier: Identifier, token: str, key_authorization: str) -> None:
        """Check http-01 (RFC 8555 §8.3), following redirects."""
        url = f"http://{_host(identifier)}/.well-known/acme-challenge/{token}"
        for _ in range(_MAX_REDIRECTS + 1):
            status, location, body = self._fetch(url)
            if status in {301, 302, 303, 307, 308} and location:
                url = _redirected(url, location)
                continue
            if status != 200:
                raise Refusal("unauthorized", f"{url}: status {status}, not 200", 403)
            # the server SHOULD ignore white space at the end (RFC 8555 §8.3)
            if body.rstrip() != key_authorization.encode():
                raise Refusal("unauthorized", f"{url}: the body is not the key authorization", 403)
            return
        raise Refusal("connection", f"{identifier.value}: more than {_MAX_REDIRECTS} redirects")

    def _fetch(self, url: str) -> tuple[int, str | None, bytes]:
        parts = urlsplit(url)
        identifier = _identifier(parts.hostname or "")
        channel = self._connect(identifier, self._port(parts))
        try:
            if parts.scheme == "https":
                channel = self._web.wrap_socket(channel, server_hostname=identifier.value)
            connection = http.client.HTTPConnection(identifier.value)
            connection.sock = channel
            target = parts._replace(scheme="", netloc="").geturl()
            connection.request(
                "GET", target, headers={"Host": parts.netloc, "User-Agent": USER_AGENT, "Connection": "close"}
            )
            with connection.getresponse() as response:
                return response.status, response.getheader("Location"), response.read(_MAX_BODY)
        except (OSError, ValueError, http.client.HTTPException) as error:
            raise Refusal("connection", f"{url}: {type(error).__name__}: {error}") from None
        finally:
            channel.close()

    def _port(self, parts: SplitResult) -> int:
        port = self._ports.get(parts.scheme)
        if port is None:
            raise Refusal("connection", f"redirect to the scheme {parts.scheme!r}")
        if parts.port not in {None, port, {"http": 80, "https": 443}[parts.scheme]}:
            raise Refusal("connection", f"redirect to port {parts.port}")
        return port

    def _dns(self, name: str, key_authorization: str) -> None:
        """Check dns-01 (RFC 8555 §8.4) or dns-account-01 at `name`."""
        values = self._lookup.texts(name)
        if not values:
            raise Refusal("unauthorized", f"no TXT record at {name}", 403)
        if base64url(_digest(key_authorization)) not in values:
            raise Refusal("unauthorized", f"no TXT record at {name} has the right value", 403)

    def _tls_alpn(self, identifier: Identifier, key_authorization: str) -> None:
        """Check tls-alpn-01 (RFC 8737 §3, RFC 8738 §6) as strictly as Boulder does."""
        server_name = identifier.value
        if identifier.type == "ip":
            server_name = ipaddress.ip_address(server_name).reverse_pointer
        channel = self._connect(identifier, self._ports["https"])
        try:
            channel = self._alpn.wrap_socket(channel, server_hostname=server_name)
            protocol, der = channel.selected_alpn_protocol(), channel.getpeercert(binary_form=True)
        except OSError as error:
            raise Refusal("tls", f"{identifier.value}: TLS handshake failed: {error}") from None
        finally:
            channel.close()
        if protocol != "acme-tls/1":
            raise Refusal("unauthorized", f"{identifier.value}: the server did not choose ALPN acme-tls/1", 403)
        reason = _certificate_fault(der, identifier, _digest(key_authorization))
        if reason:
            raise Refusal("unauthorized", f"{identifier.value}: {reason}", 403)


def _redirected(url: str, location: str) -> str:
    try:
        target = urljoin(url, location)
        _ = urlsplit(target).port
    except ValueError:
        raise Refusal("connection", f"redirect to the bad URL {location!r}") from None
    return target


def account_label(account_url: str) -> str:
    """Return the label of dns-account-01 for an account (draft-ietf-acme-dns-account-label §3)."""
    digest = hashlib.sha256(account_url.encode()).digest()[:10]
    return "_" + base64.b32encode(digest).decode().lower()


def _certificate_fault(der: bytes | None, identifier: Identifier, digest: bytes) -> str | None:
    """Return what is wrong with a certificate of tls-alpn-01, None if nothing is."""
    try:
        certificate = x509.load_der_x509_certificate(der or b"")
        certificate.verify_directly_issued_by(certificate)
        extensions = {extension.oid: extension for extension in certificate.extensions}
    except (ValueError, TypeError, InvalidSignature, x509.DuplicateExtension):
        return "certificate is not a valid self-signed one"
    names = extensions.get(ExtensionOID.SUBJECT_ALTERNATIVE_NAME)
    if names is None or list(names.value) != [general_name(identifier)]:
        return "certificate does not have exactly the identifier as its subjectAltName"
    extension = extensions.get(ACME_IDENTIFIER)
    if extension is None:
        draft = " (but the one of a draft)" if _DRAFT_ACME_IDENTIFIER in extensions else ""
        return f"certificate has no acmeIdentifier extension{draft}"
    if not extension.critical:
        return "acmeIdentifier extension is not critical"
    if extension.value.value != b"\x04\x20" + digest:
        return "acmeIdentifier extension has the wrong value"
    return None


def _digest(key_authorization: str) -> bytes:
    return hashlib.sha256(key_authorization.encode()).digest()


def _identifier(host: str) -> Identifier:
    try:
        return Identifier("ip", str(ipaddress.ip_address(host)))
    except ValueError:
        return Identifier("dns", host)


def _host(identifier: Identifier) -> str:
    return f"[{identifier.value}]" if ":" in identifier.value else identifier.value


def _unverified_context(protocol: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE  # the point of a challenge is that there is no certificate yet
    context.set_alpn_protocols([protocol])
    return context
