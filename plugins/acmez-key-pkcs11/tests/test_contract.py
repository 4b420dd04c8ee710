"""The contract of key providers."""

from __future__ import annotations

from pathlib import Path

import pytest
from acmez_key_pkcs11 import Pkcs11Key
from acmez_testkit.contracts import KeyProviderContract

from acmez.options import Secret

from .conftest import PIN, Token


class TestPkcs11Key(KeyProviderContract[Pkcs11Key]):
    @pytest.fixture(autouse=True)
    def _token(self, token: Token) -> None:
        self.token = token

    def make(self) -> Pkcs11Key:
        return self.token.key("contract")

    def make_failing(self) -> Pkcs11Key:
        return Pkcs11Key(Path("/dev/null"), "acme", "contract", pin=Secret(PIN))
