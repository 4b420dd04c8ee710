"""A certificate's parts, and its files on the disk."""

from __future__ import annotations

import pickle
import stat
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import NoReturn

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key
from cryptography.x509.oid import ExtensionOID, NameOID

from acmez.acme.certificate import Chain
from acmez.acme.jws import PrivateKey
from acmez.certificate import Certificate
from acmez.errors import KeyFileError
from acmez.keys import FileKey, private_pem

FILES = ["cert.pem", "chain.pem", "fullchain.pem", "privkey.pem"]
CA_KEY = ec.generate_private_key(ec.SECP256R1())


class HsmKey:
    """A key that cannot leave where it lives."""

    def __init__(self) -> None:
        self.public_key = new_key().public_key

    def private_bytes(self, *_: object) -> NoReturn:
        raise NotImplementedError


def new_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def san(*names: str) -> x509.SubjectAlternativeName:
    return x509.SubjectAlternativeName([x509.DNSName(name) for name in names])


def signed(subject: str, public_key: ec.EllipticCurvePublicKey, extension: x509.ExtensionType) -> x509.Certificate:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "CA")]))
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now)
        .not_valid_after(now + timedelta(days=1))
        .add_extension(extension, critical=False)
        .sign(CA_KEY, hashes.SHA256())
    )


@cache
def issuer() -> bytes:
    return signed("CA", CA_KEY.public_key(), san("ca.example")).public_bytes(Encoding.PEM)


def issued(*names: str, key: PrivateKey | None = None, brought: bool = False) -> Certificate:
    """Return a certificate; with *brought* the caller made the request, and keeps its key."""
    key = key or new_key()
    public_key = key.public_key()
    assert isinstance(public_key, ec.EllipticCurvePublicKey)
    leaf = signed("leaf", public_key, san(*names or ("example.com",)))
    chain = Chain("https://ca.example/cert/1", leaf.public_bytes(Encoding.PEM) + issuer())
    return Certificate(chain, None if brought else key)


def content(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in directory.iterdir()}


def belongs(key_pem: bytes, certificate_pem: bytes) -> bool:
    return (
        load_pem_private_key(key_pem, None).public_key() == x509.load_pem_x509_certificate(certificate_pem).public_key()
    )


def refused(certificate: Certificate, directory: Path) -> str:
    before = content(directory)
    with pytest.raises(KeyFileError) as caught:
        certificate.write(directory)
    assert content(directory) == before
    return str(caught.value)


# Its parts


def test_a_certificate_is_its_leaf_its_issuers_and_its_key():
    key = new_key()
    certificate = issued(key=key)
    assert certificate.fullchain_pem == certificate.certificate_pem + certificate.chain_pem
    assert certificate.chain_pem == issuer()
    assert x509.load_pem_x509_certificate(certificate.certificate_pem) == certificate.leaf
    assert certificate.private_key_pem == private_pem(key)
    assert belongs(private_pem(key), certificate.fullchain_pem)


def test_a_key_that_is_not_here_or_cannot_leave_its_hsm_has_no_pem():
    assert issued(brought=True).private_key_pem is None
    assert issued(key=HsmKey()).private_key_pem is None  # type: ignore[arg-type]


def test_the_key_is_not_in_the_repr():
    assert "EllipticCurve" not in repr(issued())
    assert "PRIVATE" not in repr(issued())


# Its files


def test_four_files_are_written_the_key_for_its_owner_alone(tmp_path: Path):
    certificate = issued()
    directory = certificate.write(tmp_path / "certs" / "example.com")
    assert directory == tmp_path / "certs" / "example.com"
    assert content(directory) == {
        "cert.pem": certificate.certificate_pem,
        "chain.pem": certificate.chain_pem,
        "fullchain.pem": certificate.fullchain_pem,
        "privkey.pem": certificate.private_key_pem,
    }
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in directory.iterdir()}
    assert modes == {"cert.pem": 0o644, "chain.pem": 0o644, "fullchain.pem": 0o644, "privkey.pem": 0o600}


def test_a_renewal_replaces_all_four(tmp_path: Path):
    issued("example.com", "www.example.com").write(str(tmp_path))
    renewed = issued("example.com", "api.example.com")
    renewed.write(tmp_path)
    assert content(tmp_path)["privkey.pem"] == renewed.private_key_pem
    assert content(tmp_path)["cert.pem"] == renewed.certificate_pem


def test_the_same_certificate_can_be_written_again(tmp_path: Path):
    certificate = issued()
    certificate.write(tmp_path)
    before = content(tmp_path)
    certificate.write(tmp_path)
    assert content(tmp_path) == before


def test_a_key_that_was_there_first_and_is_the_certificates_own_may_stay(tmp_path: Path):
    key = FileKey(tmp_path / "privkey.pem").get("certificate")
    issued(key=key).write(tmp_path)
    assert sorted(content(tmp_path)) == FILES


def test_a_key_of_another_name_is_not_replaced(tmp_path: Path):
    issued("example.org").write(tmp_path)
    assert refused(issued("example.com"), tmp_path).startswith(
        f"{tmp_path / 'privkey.pem'}: there is a key that belongs neither to this certificate nor to an earlier one"
    )


@pytest.mark.parametrize("key_pem", [private_pem(new_key()), private_pem(new_key(), "passphrase"), b"", b"no key"])
def test_a_key_of_no_certificate_is_not_replaced(tmp_path: Path, key_pem: bytes):
    (tmp_path / "privkey.pem").write_bytes(key_pem)
    assert "overwrite=True" in refused(issued(), tmp_path)
    issued().write(tmp_path / "beside")
    (tmp_path / "beside" / "privkey.pem").write_bytes(key_pem)
    assert "overwrite=True" in refused(issued(), tmp_path / "beside")


@pytest.mark.parametrize("broken", ["no certificate", "names that cannot be read", "unknown key"])
def test_a_certificate_that_cannot_be_read_vouches_for_no_key(tmp_path: Path, broken: str):
    earlier = issued()
    earlier.write(tmp_path)
    if broken == "names that cannot be read":
        odd = x509.UnrecognizedExtension(ExtensionOID.SUBJECT_ALTERNATIVE_NAME, b"\x30\x02\xa3\x00")
        public_key = earlier.leaf.public_key()
        assert isinstance(public_key, ec.EllipticCurvePublicKey)
        pem = signed("leaf", public_key, odd).public_bytes(Encoding.PEM)
    elif broken == "unknown key":
        p256 = bytes.fromhex("06082a8648ce3d030107")
        der = earlier.leaf.public_bytes(Encoding.DER).replace(p256, p256[:-1] + b"\x7f")
        pem = x509.load_der_x509_certificate(der).public_bytes(Encoding.PEM)
    else:
        pem = b"hello"
    (tmp_path / "fullchain.pem").write_bytes(pem)
    (tmp_path / "cert.pem").write_bytes(pem)
    refused(issued(), tmp_path)


def test_any_key_is_replaced_if_the_caller_says_so(tmp_path: Path):
    (tmp_path / "privkey.pem").write_bytes(b"no key")
    certificate = issued()
    certificate.write(tmp_path, overwrite=True)
    assert content(tmp_path)["privkey.pem"] == certificate.private_key_pem


# Without a key


def test_without_a_key_there_are_three_files(tmp_path: Path):
    issued(brought=True).write(tmp_path)
    assert sorted(content(tmp_path)) == FILES[:-1]


def test_the_key_of_an_own_request_stays_beside_its_certificate(tmp_path: Path):
    key = FileKey(tmp_path / "privkey.pem").get("certificate")
    before = content(tmp_path)["privkey.pem"]
    issued(key=key, brought=True).write(tmp_path)
    issued(key=key, brought=True).write(tmp_path)
    assert content(tmp_path)["privkey.pem"] == before


def test_without_a_key_no_certificate_is_put_beside_another_key(tmp_path: Path):
    issued("example.com").write(tmp_path)
    refused(issued("example.com", brought=True), tmp_path)
    before = content(tmp_path)["privkey.pem"]
    issued("example.com", brought=True).write(tmp_path, overwrite=True)
    assert content(tmp_path)["privkey.pem"] == before


# Trouble


def test_a_crash_between_two_files_does_not_stop_the_next_renewal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    really_replace = Path.replace
    for number in range(5):
        directory = tmp_path / str(number)
        issued().write(directory)
        left = number

        def crash(source: Path, target: Path) -> Path:
            nonlocal left
            if not left:
                raise KeyboardInterrupt
            left -= 1
            return really_replace(source, target)

        monkeypatch.setattr(Path, "replace", crash)
        if number < 4:
            with pytest.raises(KeyboardInterrupt):
                issued().write(directory)
        else:
            issued().write(directory)
        monkeypatch.setattr(Path, "replace", really_replace)
        assert sorted(content(directory)) == FILES

        renewed = issued()
        renewed.write(directory)
        assert content(directory)["privkey.pem"] == renewed.private_key_pem


def test_who_reads_in_between_sees_the_key_of_one_of_the_two_certificates(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    issued().write(tmp_path)
    really_replace = Path.replace
    pairs: list[tuple[bool, bool]] = []

    def look() -> None:
        now = content(tmp_path)
        pairs.append((belongs(now["privkey.pem"], now["fullchain.pem"]), belongs(now["privkey.pem"], now["cert.pem"])))

    def replace_and_look(source: Path, target: Path) -> Path:
        really_replace(source, target)
        look()
        return target

    monkeypatch.setattr(Path, "replace", replace_and_look)
    issued().write(tmp_path)
    assert pairs == [(True, True), (False, True), (True, False), (True, True)]


def test_what_cannot_be_written_leaves_the_old_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    issued().write(tmp_path)
    before = content(tmp_path)
    monkeypatch.setattr("os.fsync", lambda descriptor: (_ for _ in ()).throw(OSError(5, "Input/output error")))
    with pytest.raises(OSError, match="Input/output error"):
        issued().write(tmp_path)
    assert content(tmp_path) == before


def test_the_directory_must_not_be_a_file(tmp_path: Path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(FileExistsError):
        issued().write(tmp_path / "file")
    (tmp_path / "directory" / "privkey.pem").mkdir(parents=True)
    with pytest.raises(IsADirectoryError):
        issued().write(tmp_path / "directory")


# What others do with it


def test_who_wants_to_know_is_told_when_the_files_are_written(tmp_path: Path):
    told: list[tuple[Path, list[str]]] = []
    certificate = replace(issued(), written=lambda directory: told.append((directory, sorted(content(tmp_path)))))
    certificate.write(str(tmp_path))
    assert told == [(tmp_path, FILES)]
    with pytest.raises(KeyFileError):
        replace(issued("example.org"), written=lambda directory: told.append((directory, []))).write(tmp_path)
    assert told == [(tmp_path, FILES)]


def test_a_certificate_crosses_processes_with_a_key_that_can_leave():
    certificate = replace(issued(), order_url="https://ca.example/order/1", written=lambda _: None)
    assert certificate.leaf.serial_number
    copy = pickle.loads(pickle.dumps(certificate))  # noqa: S301 - made right here
    assert copy.fullchain_pem == certificate.fullchain_pem
    assert copy.private_key_pem == certificate.private_key_pem
    assert copy.order_url == certificate.order_url
    assert copy.written is None
    assert pickle.loads(pickle.dumps(issued(key=HsmKey()))).private_key is None  # type: ignore[arg-type]  # noqa: S301
    assert pickle.loads(pickle.dumps(issued(brought=True))).private_key is None  # noqa: S301
