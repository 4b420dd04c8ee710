"""A bare ACME client of one connection: it signs what it is told to and judges nothing."""

from __future__ import annotations

import base64
import hashlib
import http.client
import json
import ssl
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from acmez_testkit import EmbeddedCA
from cryptography import x509
from cryptography.hazmat.primitives import hashes, hmac, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.x509.oid import NameOID

from .responders import Http01

Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey
_CURVES: dict[str, tuple[str, str, hashes.HashAlgorithm, int]] = {
    "secp256r1": ("P-256", "ES256", hashes.SHA256(), 32),
    "secp384r1": ("P-384", "ES384", hashes.SHA384(), 48),
    "secp521r1": ("P-521", "ES512", hashes.SHA512(), 66),
}
_MACS: dict[str, hashes.HashAlgorithm] = {
    "HS256": hashes.SHA256(),
    "HS384": hashes.SHA384(),
    "HS512": hashes.SHA512(),
}


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def new_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def jwk_of(key: Key) -> dict[str, str]:
    if isinstance(key, rsa.RSAPrivateKey):
        numbers = key.public_key().public_numbers()
        n, e = (i.to_bytes((i.bit_length() + 7) // 8) for i in (numbers.n, numbers.e))
        return {"kty": "RSA", "n": b64(n), "e": b64(e)}
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return {"kty": "OKP", "crv": "Ed25519", "x": b64(key.public_key().public_bytes_raw())}
    curve, _, _, size = _CURVES[key.curve.name]
    point = key.public_key().public_numbers()
    return {"kty": "EC", "crv": curve, "x": b64(point.x.to_bytes(size)), "y": b64(point.y.to_bytes(size))}


def alg_of(key: Key) -> str:
    if isinstance(key, rsa.RSAPrivateKey):
        return "RS256"
    return "EdDSA" if isinstance(key, ed25519.Ed25519PrivateKey) else _CURVES[key.curve.name][1]


def thumbprint(key: Key) -> str:
    return b64(hashlib.sha256(json.dumps(jwk_of(key), sort_keys=True, separators=(",", ":")).encode()).digest())


def sign(key: Key, data: bytes) -> bytes:
    if isinstance(key, rsa.RSAPrivateKey):
        return key.sign(data, padding.PKCS1v15(), hashes.SHA256())
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return key.sign(data)
    _, _, digest, size = _CURVES[key.curve.name]
    r, s = decode_dss_signature(key.sign(data, ec.ECDSA(digest)))
    return r.to_bytes(size) + s.to_bytes(size)


def payload_bytes(payload: object) -> bytes:
    return b"" if payload == "" else json.dumps(payload).encode()


def jws(key: Key, header: Mapping[str, object], payload: object) -> dict[str, str]:
    protected, body = b64(json.dumps(header).encode()), b64(payload_bytes(payload))
    return {
        "protected": protected,
        "payload": body,
        "signature": b64(sign(key, f"{protected}.{body}".encode())),
    }


def mac_jws(secret: bytes, header: Mapping[str, object], payload: object) -> dict[str, str]:
    protected, body = b64(json.dumps(header).encode()), b64(payload_bytes(payload))
    mac = hmac.HMAC(secret, _MACS.get(str(header["alg"]), hashes.SHA256()))
    mac.update(f"{protected}.{body}".encode())
    return {"protected": protected, "payload": body, "signature": b64(mac.finalize())}


def csr(*names: str | x509.GeneralName, key: Any = None, common_name: str | None = None, digest: Any = None) -> str:
    """A CSR in base64url; names are DNS names unless they are a GeneralName."""
    attributes = [x509.NameAttribute(NameOID.COMMON_NAME, common_name)] if common_name else []
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name(attributes))
    if names:
        entries = [name if isinstance(name, x509.GeneralName) else x509.DNSName(name) for name in names]
        builder = builder.add_extension(x509.SubjectAlternativeName(entries), critical=False)
    request = builder.sign(key or new_key(), digest or hashes.SHA256())
    return b64(request.public_bytes(serialization.Encoding.DER))


@dataclass
class Reply:
    """An answer; `headers` keeps what is there several times."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def problem(self) -> str:
        """The last word of the problem type; fails for an answer that is no problem document."""
        assert self.headers["Content-Type"] == "application/problem+json"
        assert self.json["status"] == self.status
        prefix, _, word = self.json["type"].rpartition(":")
        assert prefix == "urn:ietf:params:acme:error"
        return str(word)

    def links(self, rel: str) -> list[str]:
        links = [link.partition(">;") for link in self.headers.get_all("Link", [])]
        return [url.removeprefix("<") for url, _, parameters in links if parameters == f'rel="{rel}"']


@dataclass
class Raw:
    """One account key and one connection."""

    ca: EmbeddedCA
    key: Key = field(default_factory=new_key)
    kid: str = ""
    nonce: str | None = None

    def __post_init__(self) -> None:
        context = ssl.create_default_context(cadata=self.ca.trust_pem.decode())
        self._connection = http.client.HTTPSConnection("localhost", self.ca.port, context=context, timeout=20)
        self.directory = self.get(self.ca.directory_url).json

    def close(self) -> None:
        self._connection.close()

    def send(self, method: str, url: str, body: bytes | None, headers: Mapping[str, str]) -> Reply:
        parts = urlsplit(url)
        try:
            self._connection.request(method, parts._replace(scheme="", netloc="").geturl(), body, dict(headers))
            answer = self._connection.getresponse()
            reply = Reply(answer.status, answer.headers, answer.read())
        except Exception:
            self._connection.close()
            raise
        self.nonce = reply.headers.get("Replay-Nonce", self.nonce)
        return reply

    def get(self, url: str, method: str = "GET", agent: str = "raw test client") -> Reply:
        return self.send(method, url, None, {"User-Agent": agent} if agent else {})

    def fresh_nonce(self) -> str:
        if self.nonce is None:
            self.get(self.directory["newNonce"], "HEAD")
        nonce, self.nonce = self.nonce, None
        assert nonce is not None
        return nonce

    def header(self, url: str, **changes: object) -> dict[str, object]:
        """The protected header of a request; a change to None removes a member."""
        signer = {"kid": self.kid} if self.kid else {"jwk": jwk_of(self.key)}
        header = {"alg": alg_of(self.key), "nonce": self.fresh_nonce(), "url": url, **signer, **changes}
        return {name: value for name, value in header.items() if value is not None}

    def post(
        self,
        url: str,
        payload: object = "",
        *,
        body: Mapping[str, object] | bytes | None = None,
        content_type: str = "application/jose+json",
        agent: str = "raw test client",
        **header: object,
    ) -> Reply:
        """POST a JWS of `payload`, or `body` as it is."""
        if body is None:
            body = jws(self.key, self.header(url, **header), payload)
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        headers = {"Content-Type": content_type, "User-Agent": agent}
        return self.send("POST", url, data, {name: value for name, value in headers.items() if value})

    def register(self, **members: object) -> Reply:
        reply = self.post(self.directory["newAccount"], {"termsOfServiceAgreed": True, **members})
        if reply.status in {200, 201}:
            self.kid = reply.headers["Location"]
        return reply

    def new_order(self, *names: str, **members: object) -> Reply:
        identifiers = [{"type": "dns", "value": name} for name in names]
        return self.post(self.directory["newOrder"], {"identifiers": identifiers, **members})

    def order(self, *names: str, **members: object) -> tuple[str, dict[str, Any]]:
        """A new order: its URL and its object."""
        reply = self.new_order(*names, **members)
        assert reply.status == 201, reply.body
        return reply.headers["Location"], reply.json

    def authorizations(self, order: Mapping[str, Any]) -> list[dict[str, Any]]:
        return [self.post(url).json for url in order["authorizations"]]

    def challenge(self, authorization: Mapping[str, Any], kind: str) -> dict[str, Any]:
        found: dict[str, Any] = next(c for c in authorization["challenges"] if c["type"] == kind)
        return found

    def key_authorization(self, challenge: Mapping[str, Any]) -> str:
        return f"{challenge['token']}.{thumbprint(self.key)}"

    def digest(self, challenge: Mapping[str, Any]) -> bytes:
        return hashlib.sha256(self.key_authorization(challenge).encode()).digest()

    def until(self, url: str, *states: str) -> dict[str, Any]:
        """Poll until the object has one of these states."""
        pause = threading.Event()
        for _ in range(2000):
            found: dict[str, Any] = self.post(url).json
            if found["status"] in states:
                return found
            pause.wait(0.005)
        raise AssertionError(f"{url} is still {found['status']}")

    def respond(self, authorization: Mapping[str, Any], kind: str) -> dict[str, Any]:
        """Have one challenge validated and return the decided authorization."""
        challenge = self.challenge(authorization, kind)
        assert self.post(challenge["url"], {}).status == 200
        url = self.post(challenge["url"]).links("up")[0]
        return self.until(url, "valid", "invalid")

    def authorize(self, http01: Http01, order: Mapping[str, Any]) -> None:
        """Have every pending authorization of an order validated by http-01."""
        for authorization in self.authorizations(order):
            if authorization["status"] == "pending":
                challenge = self.challenge(authorization, "http-01")
                http01.answers[challenge["token"]] = self.key_authorization(challenge)
                assert self.respond(authorization, "http-01")["status"] == "valid"

    def ready(self, http01: Http01, *names: str, **members: object) -> tuple[str, dict[str, Any]]:
        """An order that can be finalized: its URL and its object."""
        url, order = self.order(*names, **members)
        self.authorize(http01, order)
        return url, self.until(url, "ready")

    def obtain(self, http01: Http01, *names: str, key: Any = None, **members: object) -> x509.Certificate:
        """A certificate for DNS names."""
        _, order = self.ready(http01, *names, **members)
        done = self.post(order["finalize"], {"csr": csr(*names, key=key)}).json
        return x509.load_pem_x509_certificate(self.post(done["certificate"]).body)
