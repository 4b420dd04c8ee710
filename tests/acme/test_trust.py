from __future__ import annotations

import hashlib
import ssl
from pathlib import Path

import pytest
import trustme
from cryptography import x509

from acmez.acme import InputError, Transport
from acmez.acme.trust import Trust, ssl_context
from tests.acme.server import LoopbackServer, reply


@pytest.fixture
def pem(authority: trustme.CA, tmp_path: Path) -> Path:
    path = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    return path


def trusts(trust: Trust, server: LoopbackServer) -> bool:
    server.on("/", reply(200, "x"))
    with Transport(trust=trust) as transport:
        return transport.request("GET", server.url, headers={}).ok


def test_a_file_may_be_named_by_text_or_path(pem: Path, server: LoopbackServer):
    assert trusts(pem, server)
    assert trusts(str(pem), server)


def test_the_certificates_may_be_given_themselves(pem: Path, server: LoopbackServer):
    assert trusts(pem.read_bytes(), server)


def test_a_directory_holds_certificates_by_hash(pem: Path, server: LoopbackServer, tmp_path: Path):
    hashed = tmp_path / "hashed"
    hashed.mkdir()
    (hashed / f"{subject_hash(pem)}.0").write_bytes(pem.read_bytes())

    assert trusts(hashed, server)


def subject_hash(pem: Path) -> str:
    """As `openssl rehash` names files: of the subject in canonical form, without the outer SEQUENCE."""
    subject = x509.load_pem_x509_certificate(pem.read_bytes()).subject
    canonical = x509.Name([x509.NameAttribute(part.oid, str(part.value).lower()) for part in subject]).public_bytes()
    assert canonical[1] == len(canonical) - 2
    digest = hashlib.sha1(canonical[2:]).digest()  # noqa: S324 - OpenSSL's choice
    return f"{int.from_bytes(digest[:4], 'little'):08x}"


def test_a_context_is_taken_as_it_is(pem: Path, server: LoopbackServer):
    context = ssl.create_default_context(cafile=str(pem))

    assert ssl_context(context) is context
    assert trusts(context, server)


def test_everything_else_verifies_and_speaks_tls_1_2_or_newer(pem: Path):
    for trust in (None, pem, pem.read_bytes(), pem.parent):
        context = ssl_context(trust)
        assert context.verify_mode is ssl.CERT_REQUIRED
        assert context.check_hostname
        assert context.minimum_version is ssl.TLSVersion.TLSv1_2


@pytest.mark.parametrize(
    ("trust", "named"),
    [
        ("", "''"),
        ("/does/not/exist.pem", "'/does/not/exist.pem'"),
        (Path(__file__), repr(__file__)),
        (b"", "PEM bytes"),
        (b"not PEM", "PEM bytes"),
        ("ä".encode(), "PEM bytes"),
        ("a\0b", r"'a\\x00b'"),
    ],
)
def test_what_holds_no_certificate_is_refused(trust: Trust, named: str):
    with pytest.raises(InputError, match=f"^trust: {named}: cannot be used as trust store: "):
        ssl_context(trust)


def test_a_trust_store_that_cannot_be_used_sends_nothing(server: LoopbackServer):
    with pytest.raises(InputError, match=r"^trust: "):
        trusts(b"", server)
    assert server.connections == 0


def test_a_system_without_trust_store_gets_the_one_of_certifi(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "absent.pem"))
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path / "absent"))

    assert ssl_context(None).cert_store_stats()["x509_ca"] > 50


def test_a_system_with_a_directory_only_is_left_alone(monkeypatch: pytest.MonkeyPatch, pem: Path, tmp_path: Path):
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "absent.pem"))
    monkeypatch.setenv("SSL_CERT_DIR", str(pem.parent))

    assert ssl_context(None).cert_store_stats()["x509_ca"] == 0


def test_a_system_with_a_file_is_left_alone(monkeypatch: pytest.MonkeyPatch, pem: Path, tmp_path: Path):
    monkeypatch.setenv("SSL_CERT_FILE", str(pem))
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path / "absent"))

    assert ssl_context(None).cert_store_stats()["x509_ca"] == 1
