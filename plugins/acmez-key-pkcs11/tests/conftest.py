from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
from acmez_key_pkcs11 import Pkcs11Key

from acmez.options import Secret

MODULE = next(
    (
        path
        for path in map(Path, ("/usr/lib/softhsm/libsofthsm2.so", "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so"))
        if path.exists()
    ),
    None,
)
PIN = "12-pin-34"
SPARE = [f"spare {number}" for number in range(5)]


@dataclass(frozen=True)
class Token:
    """A token of SoftHSM."""

    module: Path
    label: str
    pin: Secret

    def key(self, label: str = "key", type_: str = "ec-p256", *, create: bool = True) -> Pkcs11Key:
        return Pkcs11Key(self.module, self.label, label, pin=self.pin, type=type_, create=create)


@pytest.fixture(scope="session")
def softhsm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The library of SoftHSM, whose tokens are in a folder of the test's own."""
    if MODULE is None or shutil.which("softhsm2-util") is None:
        pytest.skip("softhsm2 is not installed (Debian: softhsm2)")
    folder = tmp_path_factory.mktemp("softhsm")
    (folder / "tokens").mkdir()
    config = folder / "softhsm2.conf"
    config.write_text(f"directories.tokendir = {folder}/tokens\nobjectstore.backend = file\nlog.level = ERROR\n")
    before = os.environ.get("SOFTHSM2_CONF")
    os.environ["SOFTHSM2_CONF"] = str(config)
    for label in ("acme", "other", *SPARE):  # a library counts its tokens once, when it is loaded
        make_token(label)
    yield MODULE
    del os.environ["SOFTHSM2_CONF"]
    if before is not None:
        os.environ["SOFTHSM2_CONF"] = before


@pytest.fixture(scope="session")
def token(softhsm: Path) -> Token:
    return Token(softhsm, "acme", Secret(PIN))


@pytest.fixture(scope="session")
def other_token(softhsm: Path) -> Token:
    return Token(softhsm, "other", Secret(PIN))


@pytest.fixture
def own_token(softhsm: Path) -> Token:
    """A token that no test has used before."""
    return Token(softhsm, SPARE.pop(), Secret(PIN))


def make_token(label: str, environ: Mapping[str, str] | None = None) -> None:
    command = ["softhsm2-util", "--init-token", "--free", "--label", label, "--so-pin", "so-pin-0000", "--pin", PIN]
    subprocess.run(command, env=environ, check=True, capture_output=True, timeout=30)
