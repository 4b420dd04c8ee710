"""The built-in key providers: a file, a new key each time, a key in memory."""

from __future__ import annotations

import glob
import hashlib
import os
import shlex
import stat
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, ClassVar

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from . import files
from .acme.errors import AcmeError, InputError
from .acme.jws import PrivateKey, public_jwk
from .acme.problem import printable
from .errors import KeyFileError, KeyProviderError
from .options import AnyPath, Secret

if TYPE_CHECKING:
    from .protocols import KeyProvider

KEY_TYPES: Mapping[str, Callable[[], PrivateKey]] = MappingProxyType(
    {
        "ec-p256": lambda: ec.generate_private_key(ec.SECP256R1()),
        "ec-p384": lambda: ec.generate_private_key(ec.SECP384R1()),
        "rsa-2048": lambda: rsa.generate_private_key(65537, 2048),
        "rsa-3072": lambda: rsa.generate_private_key(65537, 3072),
        "rsa-4096": lambda: rsa.generate_private_key(65537, 4096),
    }
)

_MAX_FILE = 1 << 20  # bytes


def generate(key_type: str) -> PrivateKey:
    """Return a new private key.

    Raises:
        InputError: *key_type* is not one of `KEY_TYPES`.
    """
    make = KEY_TYPES.get(key_type)
    if make is None:
        raise InputError(f"key type {key_type!r} is none of {', '.join(KEY_TYPES)}")
    return make()


def key_of(provider: KeyProvider, purpose: str) -> PrivateKey:
    """Return the key that *provider* has for *purpose*.

    Raises:
        InputError: it provides something else.
        KeyProviderError: it failed, other than by an error of acmez.
    """
    try:
        key = provider.get(purpose)
    except AcmeError:
        raise
    except Exception as exc:
        told = printable(str(exc)) or type(exc).__name__
        reason = told if isinstance(exc, OSError) else f"{type(exc).__name__}: {told}"
        raise KeyProviderError(f"{provider.name!r}: provides no {purpose} key: {reason}") from exc
    if not isinstance(key, PrivateKey):
        raise InputError(f"key: {provider.name!r} provides no private key, but {type(key).__name__}")
    return key


@dataclass(frozen=True)
class GeneratedKey:
    """A new key for every certificate.

    Attributes:
        type: "ec-p256", "ec-p384", "rsa-2048", "rsa-3072" or "rsa-4096".
    """

    name: ClassVar[str] = "generated"

    type: str = "ec-p256"

    def __post_init__(self) -> None:
        if self.type not in KEY_TYPES:
            raise InputError(f"type: {self.type!r} is none of {', '.join(KEY_TYPES)}")

    def get(self, purpose: str) -> PrivateKey:
        """Return a new key."""
        return generate(self.type)


@dataclass(frozen=True)
class FileKey:
    """A key in a file, which is created with mode 0600 if it is not there.

    Attributes:
        path: PEM or DER of PKCS#8, SEC1 or PKCS#1; its directory has to exist.
        type: what to create: "ec-p256", "ec-p384", "rsa-2048", "rsa-3072" or "rsa-4096".
        passphrase: encrypts the file; 1 to 1023 bytes in UTF-8.
        create: whether to create a file that is not there.
        allow_shared: whether group and others may have access to the file.
    """

    name: ClassVar[str] = "file"

    path: AnyPath
    type: str = "ec-p256"
    passphrase: Secret | None = field(default=None, repr=False)
    create: bool = True
    allow_shared: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "path", Path(self.path))
        if self.type not in KEY_TYPES:
            raise InputError(f"type: {self.type!r} is none of {', '.join(KEY_TYPES)}")
        if self.passphrase is not None and not 0 < len(_password(self.passphrase)) < 1024:
            raise InputError("passphrase: must have 1 to 1023 bytes")

    def get(self, purpose: str) -> PrivateKey:
        """Return the file's key, creating the file if need be.

        Raises:
            KeyFileError: the file cannot be read or made, others may read it, or it holds no usable key.
        """
        try:
            return self._load(Path(self.path))
        except FileNotFoundError:
            if not self.create:
                raise KeyFileError(f"{self.path}: the {purpose} key file does not exist") from None
        key = generate(self.type)
        try:
            files.create(Path(self.path), private_pem(key, self.passphrase), mode=0o600)
        except FileExistsError:
            return self._load_of_other()
        except OSError as exc:
            raise KeyFileError(f"{self.path}: cannot be created: {exc.strerror}") from exc
        return key

    # A change of the account's key, RFC 8555 §7.3.5: the next key waits in a file beside, and is renamed over.

    def next(self, ca: str) -> PrivateKey | None:
        """Return the key that an unfinished change of the account's key left; see `Replaceable`.

        Raises:
            KeyFileError: it is there and cannot be read.
        """
        try:
            return self._load(self._next_path(ca))
        except FileNotFoundError:
            return None

    def keep_next(self, ca: str, key: PrivateKey) -> None:
        """Write the next key beside the present one, with the same passphrase, mode and owner.

        Raises:
            KeyFileError: it cannot be written, or another change is under way, here or at another CA: each CA that
                takes a new key replaces the file for all that share it.
        """
        path = self._next_path(ca)
        try:
            for other in sorted(path.parent.glob(f"{glob.escape(self._next_name)}*")):
                if other != path:
                    raise KeyFileError(f"{other}: is there: the key is being changed at another CA, too")
            now = Path(self.path).stat()
            mode, owner = stat.S_IMODE(now.st_mode), (now.st_uid, now.st_gid)
            files.create(path, private_pem(key, self.passphrase), mode=mode, owner=owner)
        except FileExistsError:
            raise KeyFileError(f"{path}: is there: another change of the account's key is under way") from None
        except OSError as exc:
            raise KeyFileError(f"{path}: cannot be created: {exc.strerror}") from exc

    def take_next(self, ca: str) -> None:
        """Replace the present key by the next one.

        Raises:
            KeyFileError: it cannot be replaced; the next one stays where it is.
        """
        path = self._next_path(ca)
        try:
            with files.synced(path.parent):
                path.replace(self.path)
        except FileNotFoundError:
            return  # another process did it
        except OSError as exc:
            raise KeyFileError(f"{self.path}: cannot be replaced by {path}: {exc.strerror}") from exc

    def drop_next(self, ca: str) -> None:
        """Remove the next key."""
        path = self._next_path(ca)
        try:
            path.unlink(missing_ok=True)
        except OSError as exc:
            raise KeyFileError(f"{path}: cannot be removed: {exc.strerror}") from exc

    def _next_path(self, ca: str) -> Path:
        return Path(self.path).with_name(f"{self._next_name}{hashlib.sha256(ca.encode()).hexdigest()[:12]}")

    @property
    def _next_name(self) -> str:
        return f"{Path(self.path).name}.next-"

    def _load(self, path: Path) -> PrivateKey:
        try:
            with path.open("rb") as file:
                mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
                data = file.read(_MAX_FILE)
        except FileNotFoundError:
            raise
        except OSError as exc:
            raise KeyFileError(f"{path}: cannot be read: {exc.strerror}") from exc
        if mode & 0o077 and not self.allow_shared:
            raise KeyFileError(
                f"{path}: others have access to this key (mode {mode:04o}): "
                f"chmod 600 {shlex.quote(str(path))}, or set allow_shared"
            )
        return load_private_key(data, str(path), self.passphrase)

    def _load_of_other(self) -> PrivateKey:
        """Return the key of somebody who created the file a moment before: that one is in use."""
        try:
            return self._load(Path(self.path))
        except FileNotFoundError:
            raise KeyFileError(f"{self.path}: a symbolic link to a file that does not exist") from None


def load_private_key(data: bytes, where: str, passphrase: str | None = None) -> PrivateKey:
    """Return the private key in PEM or DER *data*.

    Args:
        where: what to call it in errors; the data itself is never shown.

    Raises:
        KeyFileError: there is none, the passphrase is missing or wrong, or ACME has no use for its kind.
    """
    password = None if passphrase is None else _password(passphrase)
    pem = b"-----BEGIN" in data
    load = serialization.load_pem_private_key if pem else serialization.load_der_private_key
    try:
        key = load(data, password)
    except TypeError:
        wrong = (
            "is encrypted: give its passphrase" if password is None else "is not encrypted: leave the passphrase out"
        )
        raise KeyFileError(f"{where}: the key {wrong}") from None
    except UnsupportedAlgorithm:
        raise KeyFileError(f"{where}: a kind of key that cannot be used") from None
    except ValueError:
        wrong = "no private key in PEM or DER" if password is None else "no private key, or the passphrase is wrong"
        raise KeyFileError(f"{where}: {wrong}") from None
    if not isinstance(key, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey):
        raise KeyFileError(f"{where}: a {type(key).__name__} cannot be used; use EC, RSA or Ed25519")
    try:
        public_jwk(key.public_key())
    except InputError as exc:
        raise KeyFileError(f"{where}: {exc}") from None
    return key


def private_pem(key: PrivateKey, passphrase: str | None = None) -> bytes:
    """Return a private key as PKCS#8 PEM.

    Raises:
        KeyFileError: the key cannot leave where it lives, as in an HSM.
    """
    encryption: serialization.KeySerializationEncryption = (
        serialization.NoEncryption()
        if passphrase is None
        else serialization.BestAvailableEncryption(_password(passphrase))
    )
    try:
        return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption)
    except Exception as exc:  # a key of a plugin's raises what it likes
        raise KeyFileError(f"{type(key).__name__}: the private key cannot be exported") from exc


def _password(passphrase: str) -> bytes:
    # An environment variable that is not UTF-8 comes with surrogates; these are its bytes again.
    return passphrase.encode("utf-8", "surrogateescape")
