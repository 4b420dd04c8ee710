"""Private keys from files, new ones, and what must never be shown of them."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import ClassVar, NoReturn

import pytest
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, rsa, x25519
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from acmez import Client
from acmez.acme.errors import InputError
from acmez.acme.jws import PrivateKey
from acmez.errors import KeyFileError, KeyProviderError
from acmez.keys import KEY_TYPES, FileKey, GeneratedKey, generate, key_of, load_private_key, private_pem
from acmez.options import Secret
from tests.unprivileged import unprivileged

PASSPHRASE = Secret("correct horse")
P256 = ec.generate_private_key(ec.SECP256R1())
RSA = rsa.generate_private_key(65537, 2048)
USABLE: dict[str, PrivateKey] = {
    "p256": P256,
    "p384": ec.generate_private_key(ec.SECP384R1()),
    "p521": ec.generate_private_key(ec.SECP521R1()),
    "rsa": RSA,
    "ed25519": ed25519.Ed25519PrivateKey.generate(),
}


class HsmKey:
    """A key that cannot leave where it lives."""

    def private_bytes(self, *_: object) -> NoReturn:
        raise RuntimeError("CKR_KEY_UNEXTRACTABLE")


def public(key: PrivateKey) -> bytes:
    return key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def key_file(path: Path, data: bytes, mode: int = 0o600) -> Path:
    path.write_bytes(data)
    path.chmod(mode)
    return path


def complaint(key: FileKey) -> str:
    with pytest.raises(KeyFileError) as caught:
        key.get("account")
    return str(caught.value)


# New keys


@pytest.mark.parametrize(
    ("key_type", "kind", "size"),
    [
        ("ec-p256", ec.EllipticCurvePrivateKey, 256),
        ("ec-p384", ec.EllipticCurvePrivateKey, 384),
        ("rsa-2048", rsa.RSAPrivateKey, 2048),
        ("rsa-3072", rsa.RSAPrivateKey, 3072),
        ("rsa-4096", rsa.RSAPrivateKey, 4096),
    ],
)
def test_a_new_key_is_of_the_type_that_was_asked_for(key_type: str, kind: type, size: int):
    key = generate(key_type)
    assert isinstance(key, kind)
    assert isinstance(key, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey)
    assert key.key_size == size


def test_a_generated_key_is_a_new_one_each_time():
    provider = GeneratedKey("ec-p384")
    first, second = provider.get("certificate"), provider.get("certificate")
    assert public(first) != public(second)
    assert isinstance(first, ec.EllipticCurvePrivateKey)
    assert first.curve.name == "secp384r1"


def test_an_unknown_type_is_refused_before_a_key_is_needed(tmp_path: Path):
    for make in (generate, GeneratedKey, lambda key_type: FileKey(tmp_path / "key.pem", type=key_type)):
        with pytest.raises(InputError, match="'dsa' is none of ec-p256, ec-p384, rsa-2048, rsa-3072, rsa-4096"):
            make("dsa")
    assert next(iter(KEY_TYPES)) == GeneratedKey().type == FileKey(tmp_path).type


# Files that are made


@pytest.mark.parametrize("mask", [0o000, 0o077, 0o777])
def test_a_missing_file_is_made_for_its_owner_alone_whatever_the_umask_is(tmp_path: Path, mask: int):
    path = tmp_path / "key.pem"
    before = os.umask(mask)
    try:
        made = FileKey(path).get("account")
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert public(FileKey(path).get("account")) == public(made)
    assert path.read_bytes().startswith(b"-----BEGIN PRIVATE KEY-----")
    assert [entry.name for entry in tmp_path.iterdir()] == ["key.pem"]


def test_a_path_can_be_text_and_the_type_a_wish(tmp_path: Path):
    made = FileKey(str(tmp_path / "key.pem"), type="ec-p384").get("account")
    assert isinstance(made, ec.EllipticCurvePrivateKey)
    assert made.curve.name == "secp384r1"


def test_a_file_is_made_encrypted_if_there_is_a_passphrase(tmp_path: Path):
    path = tmp_path / "key.pem"
    made = FileKey(path, passphrase=PASSPHRASE).get("account")
    assert path.read_bytes().startswith(b"-----BEGIN ENCRYPTED PRIVATE KEY-----")
    assert public(FileKey(path, passphrase=PASSPHRASE).get("account")) == public(made)
    assert complaint(FileKey(path)) == f"{path}: the key is encrypted: give its passphrase"


def test_a_passphrase_from_an_environment_in_another_encoding_is_its_bytes(tmp_path: Path):
    path = tmp_path / "key.pem"
    made = FileKey(path, passphrase=Secret(os.fsdecode(b"caf\xe9"))).get("account")
    assert public(load_private_key(path.read_bytes(), "key", "caf\udce9")) == public(made)


@pytest.mark.parametrize("passphrase", ["", "x" * 1024])
def test_a_passphrase_that_cannot_encrypt_is_refused(tmp_path: Path, passphrase: str):
    with pytest.raises(InputError, match="passphrase: must have 1 to 1023 bytes"):
        FileKey(tmp_path / "key.pem", passphrase=Secret(passphrase))


def test_a_missing_file_is_an_error_where_none_may_be_made(tmp_path: Path):
    path = tmp_path / "key.pem"
    assert complaint(FileKey(path, create=False)) == f"{path}: the account key file does not exist"
    assert list(tmp_path.iterdir()) == []


def test_a_file_cannot_be_made_in_a_directory_that_is_not_there(tmp_path: Path):
    path = tmp_path / "missing" / "key.pem"
    assert complaint(FileKey(path)) == f"{path}: cannot be created: No such file or directory"


def test_a_file_cannot_be_made_where_one_may_not_write():
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "key.pem"
        path.parent.chmod(0o555)
        with unprivileged():
            assert complaint(FileKey(path)) == f"{path}: cannot be created: Permission denied"


# Several creators


def test_threads_that_want_a_missing_file_get_one_key(tmp_path: Path):
    together = threading.Barrier(16)
    keys: list[bytes] = []

    def get() -> None:
        together.wait()
        keys.append(public(FileKey(tmp_path / "key.pem").get("account")))

    threads = [threading.Thread(target=get) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(keys) == 16
    assert set(keys) == {public(FileKey(tmp_path / "key.pem").get("account"))}
    assert [entry.name for entry in tmp_path.iterdir()] == ["key.pem"]


PROCESS = """
import sys
from acmez.acme.jws import SigningKey
from acmez.keys import FileKey
print("ready", flush=True)
sys.stdin.readline()
print(SigningKey(FileKey(sys.argv[1]).get("account")).thumbprint)
"""


def test_processes_that_want_a_missing_file_get_one_key(tmp_path: Path):
    command = [sys.executable, "-c", PROCESS, str(tmp_path / "key.pem")]
    processes = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    thumbprints = {process.communicate(timeout=30)[0] for process in processes}
    assert len(thumbprints) == 1
    assert len(thumbprints.pop().strip()) == 43


def test_a_file_made_by_another_a_moment_before_is_the_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = tmp_path / "key.pem"

    def slow(key_type: str) -> PrivateKey:
        key_file(path, private_pem(P256))
        return generate(key_type)

    monkeypatch.setattr("acmez.keys.generate", slow)
    assert public(FileKey(path).get("account")) == public(P256)


# Files that are there


@pytest.mark.parametrize("key", USABLE.values(), ids=USABLE.keys())
@pytest.mark.parametrize("encoding", [Encoding.PEM, Encoding.DER])
def test_pkcs_8_is_read(tmp_path: Path, key: PrivateKey, encoding: Encoding):
    data = key.private_bytes(encoding, PrivateFormat.PKCS8, NoEncryption())
    path = key_file(tmp_path / "key", data)
    assert public(FileKey(path).get("account")) == public(key)


@pytest.mark.parametrize("key", [P256, RSA], ids=["sec1", "pkcs1"])
@pytest.mark.parametrize("encoding", [Encoding.PEM, Encoding.DER])
def test_sec_1_and_pkcs_1_are_read(tmp_path: Path, key: PrivateKey, encoding: Encoding):
    data = key.private_bytes(encoding, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    assert public(FileKey(key_file(tmp_path / "key", data)).get("account")) == public(key)


def test_what_openssl_writes_in_front_of_a_key_does_no_harm(tmp_path: Path):
    parameters = b"-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n"
    sec1 = P256.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    for number, prefix in enumerate((parameters, b"Bag Attributes\n    friendlyName: x\n", b"\n\n")):
        path = key_file(tmp_path / f"{number}.pem", prefix + sec1)
        assert public(FileKey(path).get("account")) == public(P256)


@pytest.mark.parametrize("encoding", [Encoding.PEM, Encoding.DER])
def test_an_encrypted_key_needs_the_right_passphrase(tmp_path: Path, encoding: Encoding):
    data = P256.private_bytes(encoding, PrivateFormat.PKCS8, BestAvailableEncryption(PASSPHRASE.encode()))
    path = key_file(tmp_path / "key", data)
    assert public(FileKey(path, passphrase=PASSPHRASE).get("account")) == public(P256)
    wrong = FileKey(path, passphrase=Secret("wrong"))
    assert complaint(wrong) == f"{path}: no private key, or the passphrase is wrong"
    assert complaint(FileKey(path)) == f"{path}: the key is encrypted: give its passphrase"


def test_an_encrypted_key_in_the_old_format_is_read(tmp_path: Path):
    encryption = BestAvailableEncryption(PASSPHRASE.encode())
    path = key_file(tmp_path / "key", RSA.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, encryption))
    assert public(FileKey(path, passphrase=PASSPHRASE).get("account")) == public(RSA)


def test_a_passphrase_for_a_key_that_is_not_encrypted_is_an_error(tmp_path: Path):
    path = key_file(tmp_path / "key", private_pem(P256))
    key = FileKey(path, passphrase=PASSPHRASE)
    assert complaint(key) == f"{path}: the key is not encrypted: leave the passphrase out"


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o601, 0o666])
def test_a_key_that_others_have_access_to_is_refused_unless_they_may(tmp_path: Path, mode: int):
    path = key_file(tmp_path / "the key", private_pem(P256), mode)
    assert complaint(FileKey(path)) == (
        f"{path}: others have access to this key (mode 0{mode:o}): chmod 600 '{path}', or set allow_shared"
    )
    assert public(FileKey(path, allow_shared=True).get("account")) == public(P256)


def test_a_link_is_followed_and_the_mode_is_that_of_the_key(tmp_path: Path):
    path = key_file(tmp_path / "key", private_pem(P256))
    link = tmp_path / "link"
    link.symlink_to(path)
    assert public(FileKey(link).get("account")) == public(P256)
    path.chmod(0o644)
    assert "others have access" in complaint(FileKey(link))


def test_a_link_to_nothing_is_refused(tmp_path: Path):
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "nowhere")
    assert complaint(FileKey(link)) == f"{link}: a symbolic link to a file that does not exist"
    assert [entry.name for entry in tmp_path.iterdir()] == ["link"]


def test_what_cannot_be_read_is_an_error_with_its_cause(tmp_path: Path):
    loop = tmp_path / "loop"
    loop.symlink_to(loop)
    path = key_file(tmp_path / "file", private_pem(P256))
    assert complaint(FileKey(loop)) == f"{loop}: cannot be read: Too many levels of symbolic links"
    assert complaint(FileKey(tmp_path)) == f"{tmp_path}: cannot be read: Is a directory"
    assert complaint(FileKey(path / "key")) == f"{path / 'key'}: cannot be read: Not a directory"
    path.chmod(0o000)
    with unprivileged():
        assert complaint(FileKey(path)) == f"{path}: cannot be read: Permission denied"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"hello",
        b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
        P256.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
        private_pem(P256)[:80],
        b" " * 2_000_000 + private_pem(P256),
    ],
    ids=["empty", "text", "junk-in-pem", "public-key", "cut", "much-too-long"],
)
def test_a_file_without_key_is_refused(tmp_path: Path, data: bytes):
    path = key_file(tmp_path / "key", data)
    assert complaint(FileKey(path)) == f"{path}: no private key in PEM or DER"


@pytest.mark.parametrize(
    ("key", "wrong"),
    [
        (dsa.generate_private_key(2048), "a DSAPrivateKey cannot be used; use EC, RSA or Ed25519"),
        (x25519.X25519PrivateKey.generate(), "a X25519PrivateKey cannot be used; use EC, RSA or Ed25519"),
        (ed448.Ed448PrivateKey.generate(), "a Ed448PrivateKey cannot be used; use EC, RSA or Ed25519"),
        (ec.generate_private_key(ec.SECP256K1()), "key: 'EC secp256k1' has no JWS algorithm"),
    ],
    ids=["dsa", "x25519", "ed448", "secp256k1"],
)
def test_a_kind_of_key_that_acme_has_no_use_for_is_refused(
    tmp_path: Path,
    key: dsa.DSAPrivateKey | x25519.X25519PrivateKey | ed448.Ed448PrivateKey | ec.EllipticCurvePrivateKey,
    wrong: str,
):
    path = key_file(tmp_path / "key", key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    assert complaint(FileKey(path)).startswith(f"{path}: {wrong}")


def test_a_kind_of_key_that_nobody_knows_is_refused(tmp_path: Path):
    der = P256.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    p256 = bytes.fromhex("06082a8648ce3d030107")
    path = key_file(tmp_path / "key", der.replace(p256, p256[:-1] + b"\x7f"))
    # Older versions of cryptography cannot tell it from what is no key.
    assert complaint(FileKey(path)) in {
        f"{path}: a kind of key that cannot be used",
        f"{path}: no private key in PEM or DER",
    }


# What is never shown


def test_neither_passphrase_nor_key_is_in_a_repr_or_an_error(tmp_path: Path):
    path = key_file(tmp_path / "key", private_pem(P256, PASSPHRASE))
    wrong = FileKey(path, passphrase="wrong horse")  # type: ignore[arg-type]
    with pytest.raises(KeyFileError) as caught:
        wrong.get("account")
    shown = f"{wrong!r} {caught.value!r} {caught.value.__context__!r} {FileKey(path, passphrase=PASSPHRASE)!r}"
    assert "horse" not in shown
    assert "PRIVATE" not in shown


# Exporting


@pytest.mark.parametrize("passphrase", [None, "correct horse"])
@pytest.mark.parametrize("key", USABLE.values(), ids=USABLE.keys())
def test_an_exported_key_is_read_back(key: PrivateKey, passphrase: str | None):
    assert public(load_private_key(private_pem(key, passphrase), "key", passphrase)) == public(key)


def test_a_key_that_cannot_leave_where_it_lives_cannot_be_exported():
    with pytest.raises(KeyFileError, match="HsmKey: the private key cannot be exported"):
        private_pem(HsmKey())  # type: ignore[arg-type]


# Providers that fail


class Failing:
    """A provider whose key is not to be had."""

    name: ClassVar[str] = "company-hsm"

    def __init__(self, error: Exception) -> None:
        self.error = error

    def get(self, purpose: str) -> PrivateKey:
        raise self.error


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (ConnectionRefusedError(111, "Connection refused"), "[Errno 111] Connection refused"),
        (KeyError("slot"), "KeyError: 'slot'"),
        (RuntimeError(), "RuntimeError: RuntimeError"),
    ],
)
def test_whose_failure_it_is_is_told_with_its_cause(error: Exception, reason: str):
    with pytest.raises(KeyProviderError) as caught:
        key_of(Failing(error), "account")
    assert str(caught.value) == f"'company-hsm': provides no account key: {reason}"
    assert caught.value.__cause__ is error


def test_an_error_of_acmez_comes_out_as_it_is():
    error = KeyFileError("account.pem: is a directory")
    with pytest.raises(KeyFileError) as caught:
        key_of(Failing(error), "account")
    assert caught.value is error


def test_what_is_no_private_key_is_not_taken_for_one():
    class Wrong:
        name: ClassVar[str] = "wrong"

        def get(self, purpose: str) -> PrivateKey:
            return "key"  # type: ignore[return-value]

    with pytest.raises(InputError, match="'wrong' provides no private key, but str"):
        key_of(Wrong(), "certificate")


def test_a_client_tells_whose_failure_it_is():
    hsm = Failing(TimeoutError("no answer"))
    told = "'company-hsm': provides no {} key: no answer"
    with Client("https://ca.invalid/directory", account_key=hsm) as client:
        with pytest.raises(KeyProviderError, match=told.format("account")):
            client.register()
        with pytest.raises(KeyProviderError, match=told.format("certificate")):
            client.obtain(["example.org"], key=hsm)
