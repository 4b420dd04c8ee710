"""The key provider."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import ClassVar

import pkcs11
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from acmez.options import Secret
from acmez.remote_keys import Sign, ToSign, remote_key

from . import objects
from .address import Address
from .errors import Pkcs11Error
from .sessions import TokenSession, find_token


@dataclass(frozen=True)
class Pkcs11Key:
    """A key that lives in a PKCS #11 token, an HSM or a smart card, and never leaves it.

    Attributes:
        module: the token's PKCS #11 library, such as /usr/lib/softhsm/libsofthsm2.so.
        token: label of the token.
        label: of the key.
        uri: in place of the three above (RFC 7512).
        pin: the user's PIN; without one no login is tried.
        type: what to create: "ec-p256", "ec-p384", "rsa-2048", "rsa-3072" or "rsa-4096".
        create: whether to create a key that is not there.

    Raises:
        ValueError: options are missing or contradict each other.
    """

    name: ClassVar[str] = "key-pkcs11"

    module: Path | None = None
    token: str = ""
    label: str = ""
    uri: str = ""
    pin: Secret | None = field(default=None, repr=False)
    type: str = "ec-p256"
    create: bool = False

    def __post_init__(self) -> None:
        if self.type not in objects.TYPES:
            raise ValueError(f"type: {self.type!r} is none of {', '.join(objects.TYPES)}")
        address = self._address
        if not address.token:
            raise ValueError("token: give its label, or a 'uri' that has it")
        if address.label is None and address.id is None:
            raise ValueError("label: give the key's, or a 'uri' that has it")
        if address.module is None:
            raise ValueError("module: give the path of the token's PKCS #11 library, or a 'uri' with module-path")
        if self.pin is not None and address.pin_file is not None:
            raise ValueError("pin: the 'uri' has one already (pin-source)")

    def get(self, purpose: str) -> ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey:
        """Return the key, for whatever purpose.

        Raises:
            Pkcs11Error: module, token or key are not there or cannot be used, or the PIN is wrong.
        """
        address = self._address
        pin = self._read_pin(address)
        session = find_token(address.module or Path(), address)

        def read(opened: pkcs11.Session) -> ec.EllipticCurvePublicKey | rsa.RSAPublicKey | None:
            return objects.read_public(opened, address)

        public = session.run(read, pin)
        if public is None:
            if not self.create:
                raise Pkcs11Error(f"{address}: is not there (set 'create' to have it made)")
            session.change(lambda opened: objects.create(opened, address, self.type), pin)
            public = session.run(read, pin)
        if public is None:
            raise Pkcs11Error(f"{address}: was made, and is not there")
        return remote_key(public, _signing(session, address, pin), str(address))

    @property
    def _address(self) -> Address:
        if not self.uri:
            token = {"label": self.token} if self.token else {}
            return Address(token, label=self.label or None, module=self.module and Path(self.module))
        if self.token or self.label:
            raise ValueError("uri: it takes the place of 'token' and 'label'")
        try:
            address = Address.parse(self.uri)
        except ValueError as error:
            raise ValueError(f"uri: {error}") from None
        if self.module is None:
            return address
        if address.module is not None:
            raise ValueError("uri: it has a module-path, and 'module' is given too")
        return replace(address, module=Path(self.module))

    def _read_pin(self, address: Address) -> Secret | None:
        if address.pin_file is None:
            return self.pin
        try:
            return Secret(address.pin_file.read_text(encoding="utf-8").rstrip("\r\n"))
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
            raise Pkcs11Error(f"pin-source '{address.pin_file}': {reason}") from None


def _signing(session: TokenSession, address: Address, pin: Secret | None) -> Sign:
    def sign(wanted: ToSign) -> bytes:
        signature = session.run(lambda opened: objects.sign(opened, address, wanted), pin)
        if signature is None:
            raise Pkcs11Error(f"{address}: is not there any more")
        return signature

    return sign
