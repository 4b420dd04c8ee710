"""A key of your own keeping: here a program signs, as your HSM, vault or signing service may.

In acmez.toml:

    plugins = ["./own_key.py"]
    [account_key]
    use = "key-program"
    options = { program = "./sign.sh", public_key = "public.pem" }
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import load_pem_public_key

import acmez
from acmez import KeyProvider, hookimpl
from acmez.remote_keys import ToSign, remote_key


@dataclass(frozen=True)
class ProgramKey:
    """A key by which a program signs.

    Attributes:
        program: gets the name of the hash as its argument and the digest as its input, and writes the signature.
        public_key: PEM file.
    """

    name: ClassVar[str] = "key-program"

    program: Path
    public_key: Path

    def get(self, purpose: str) -> ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey:
        """Return the key, whatever it is for."""
        public = load_pem_public_key(self.public_key.read_bytes())
        if not isinstance(public, ec.EllipticCurvePublicKey | rsa.RSAPublicKey):
            raise acmez.AcmezError(f"{self.public_key}: neither an EC nor an RSA key")
        return remote_key(public, self._sign, str(self.program))

    def _sign(self, wanted: ToSign) -> bytes:
        command = [str(self.program), wanted.algorithm.name]
        done = subprocess.run(command, input=wanted.digest, capture_output=True, timeout=30, check=False)
        if done.returncode:
            raise acmez.AcmezError(f"{self.program}: exit status {done.returncode}")
        return done.stdout


@hookimpl
def acmez_key_providers() -> Iterator[type[KeyProvider]]:
    """Offer the provider."""
    yield ProgramKey
