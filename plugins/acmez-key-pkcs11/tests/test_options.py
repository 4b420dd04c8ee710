"""Which key is meant, by options or by a URI (RFC 7512)."""

from __future__ import annotations

from pathlib import Path

import pytest
from acmez_key_pkcs11 import Pkcs11Key
from acmez_key_pkcs11.address import Address

from acmez import options
from acmez.errors import ConfigError
from acmez.options import Secret
from acmez.protocols import KeyProvider

MODULE = Path("/usr/lib/softhsm/libsofthsm2.so")


def test_a_uri_says_all_that_options_say():
    address = Address.parse(
        "pkcs11:token=My%20Token;serial=0123;manufacturer=SoftHSM%20project;model=v2;object=acme%3bkey;id=%00%ff;"
        "type=private?module-path=/usr/lib/p11.so&pin-source=file:/etc/pin"
    )
    assert address == Address(
        {"label": "My Token", "serial": "0123", "manufacturer": "SoftHSM project", "model": "v2"},
        label="acme;key",
        id=b"\x00\xff",
        module=Path("/usr/lib/p11.so"),
        pin_file=Path("/etc/pin"),
    )


@pytest.mark.parametrize("source", ["/etc/pin", "file:/etc/pin", "file:///etc/pin", "file:%2Fetc%2Fpin"])
def test_a_pin_source_is_a_path_or_a_file_url(source):
    assert Address.parse(f"pkcs11:?pin-source={source}").pin_file == Path("/etc/pin")


@pytest.mark.parametrize(
    ("uri", "wrong"),
    [
        ("acme", "does not begin with 'pkcs11:'"),
        ("pkcs11:token=a;token=b", "token: given twice"),
        ("pkcs11:tokn=a", "'tokn': unknown or without a value"),
        ("pkcs11:token", "'token': unknown or without a value"),
        ("pkcs11:object=a;type=cert", "type: expected 'private', got 'cert'"),
        ("pkcs11:token=%ff", "token: is not UTF-8"),
        ("pkcs11:token=a?module-name=softhsm2", "'module-name': unknown"),
        ("pkcs11:token=a?pin-source=%7Ccommand", "pin-source: expected the path of a file"),
        ("pkcs11:token=a?pin-value=1234", "pin-value: a URI is no place for a PIN; use the option 'pin'"),
    ],
)
def test_a_uri_that_cannot_be_heeded_is_refused(uri, wrong):
    with pytest.raises(ValueError, match=f"^uri: {wrong}") as caught:
        Pkcs11Key(MODULE, uri=uri)
    assert "1234" not in str(caught.value)


@pytest.mark.parametrize(
    ("given", "wrong"),
    [
        ({}, "^token: give its label"),
        ({"token": "a"}, "^label: give the key's"),
        ({"token": "a", "label": "b"}, "^module: give the path"),
        ({"uri": "pkcs11:token=a;object=b", "label": "b"}, "^uri: it takes the place of 'token' and 'label'"),
        ({"uri": "pkcs11:token=a;object=b?module-path=/x", "module": MODULE}, "^uri: it has a module-path"),
        ({"uri": "pkcs11:token=a;object=b?module-path=/x&pin-source=/y", "pin": "z"}, "^pin: the 'uri' has one"),
        ({"module": MODULE, "token": "a", "label": "b", "type": "ec-p521"}, "^type: 'ec-p521' is none of ec-p256, "),
    ],
)
def test_options_that_are_missing_or_contradict_each_other_are_refused(given, wrong):
    with pytest.raises(ValueError, match=wrong):
        Pkcs11Key(**given)


def test_a_config_files_problem_is_told_with_its_path():
    with pytest.raises(ConfigError, match=r"^account_key\.options: token: give its label"):
        options.build(Pkcs11Key, {}, where="account_key.options")


def test_it_is_a_key_provider_and_shows_no_pin():
    provider: KeyProvider = Pkcs11Key(MODULE, "token", "key", pin=Secret("1234"))
    assert provider.name == "key-pkcs11"
    assert "1234" not in repr(provider)
