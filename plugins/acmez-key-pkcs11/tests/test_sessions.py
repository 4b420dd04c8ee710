"""Wrong PINs lock no token, and lost sessions come back."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pkcs11
import pytest
from acmez_key_pkcs11 import Pkcs11Error, Pkcs11Key, sessions
from pkcs11 import TokenFlag

from acmez.acme.jws import SigningKey
from acmez.options import Secret

from .conftest import PIN, Token, make_token

WRONG = "wr-ONG-pin"


def test_a_wrong_pin_is_tried_once_in_a_process(own_token: Token, monkeypatch):
    wrong = replace(own_token.key(), pin=Secret(WRONG))
    with pytest.raises(Pkcs11Error, match=rf"^token '{own_token.label}': the PIN is wrong$") as caught:
        wrong.get("account")
    assert WRONG not in str(caught.value)
    tried: list[object] = []
    monkeypatch.setattr(sessions, "refuse_last_try", lambda *_: tried.append("a login"))
    for provider in (wrong, replace(wrong, label="another key")):
        with pytest.raises(Pkcs11Error, match="the PIN was wrong; it is not tried again, lest the token locks"):
            provider.get("certificate")
    assert tried == []
    assert SigningKey(own_token.key().get("account")).algorithm == "ES256"


def test_the_last_try_is_left_to_a_human():
    with pytest.raises(Pkcs11Error, match=r"^token 'acme': one more wrong PIN locks it, so none is tried: log in by"):
        sessions.refuse_last_try("acme", TokenFlag.LOGIN_REQUIRED | TokenFlag.USER_PIN_FINAL_TRY)
    with pytest.raises(Pkcs11Error, match=r"^token 'acme': the PIN is locked: the security officer has to set a new"):
        sessions.refuse_last_try("acme", TokenFlag.USER_PIN_LOCKED)
    sessions.refuse_last_try("acme", TokenFlag.LOGIN_REQUIRED | TokenFlag.USER_PIN_COUNT_LOW)


def session_of(token: Token) -> pkcs11.Session:
    """Return the session that the keys of *token* share."""
    (found,) = [each for key, each in sessions._tokens.items() if key[2] == token.label]
    assert found._session is not None
    return found._session


#: python-pkcs11 cannot end the search in a session that is gone, and says so.
lost = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


@lost
def test_a_session_that_was_lost_is_opened_again(own_token: Token):
    key = SigningKey(own_token.key().get("account"))
    session_of(own_token).close()  # logs out as well
    assert len(key.sign(b"data")) == 64


@lost
def test_a_session_that_is_lost_for_good_is_told(own_token: Token, monkeypatch):
    key = SigningKey(own_token.key().get("account"))

    def gone(*_: object) -> None:
        raise pkcs11.TokenNotPresent

    session_of(own_token).close()
    monkeypatch.setattr(sessions.TokenSession, "_open", gone)
    with pytest.raises(Pkcs11Error, match=rf"^token '{own_token.label}': the token is not there any more$"):
        key.sign(b"data")
    monkeypatch.undo()
    assert len(key.sign(b"data")) == 64


TAKEN_AWAY = """
import subprocess, sys
from pathlib import Path
from acmez.acme.jws import SigningKey
from acmez.options import Secret
from acmez_key_pkcs11 import Pkcs11Error, Pkcs11Key

module, label, pin = sys.argv[1:]
key = SigningKey(Pkcs11Key(Path(module), label, "key", pin=Secret(pin), create=True).get("account"))
assert len(key.sign(b"data")) == 64
subprocess.run(["softhsm2-util", "--delete-token", "--token", label], check=True, capture_output=True, timeout=30)
for _ in range(2):
    try:
        key.sign(b"data")
    except Pkcs11Error as error:
        print(error)
"""


def test_a_token_that_was_taken_away_is_told(softhsm: Path, tmp_path: Path):
    """Another process and other tokens, as SoftHSM works no more in one that has lost a token."""
    config = tmp_path / "softhsm2.conf"
    config.write_text(f"directories.tokendir = {tmp_path}\nobjectstore.backend = file\nlog.level = ERROR\n")
    environ = {**os.environ, "SOFTHSM2_CONF": str(config)}
    make_token("lone", environ)
    command = [sys.executable, "-c", TAKEN_AWAY, str(softhsm), "lone", PIN]
    done = subprocess.run(command, env=environ, check=False, capture_output=True, text=True, timeout=60)
    assert (
        done.stdout.splitlines()
        == ["token 'lone': the token's library fails without saying why (was the token taken away?)"] * 2
    )
    assert done.stderr == ""


@lost
def test_somebody_elses_login_in_the_same_process_is_shared(own_token: Token):
    theirs = pkcs11.lib(str(own_token.module)).get_token(token_label=own_token.label).open(user_pin=PIN)
    key = SigningKey(own_token.key().get("account"))
    assert len(key.sign(b"data")) == 64
    theirs.close()  # logs everybody out
    assert len(key.sign(b"data")) == 64


def test_without_a_pin_private_keys_are_not_seen_and_the_login_is_missed(softhsm: Path, token: Token):
    """Another process, as in this one somebody is logged in."""
    program = (
        "import sys; from pathlib import Path; from acmez_key_pkcs11 import Pkcs11Key\n"
        "Pkcs11Key(Path(sys.argv[1]), 'acme', 'no login', create=True).get('account')"
    )
    done = subprocess.run([sys.executable, "-c", program, str(softhsm)], check=False, capture_output=True, text=True)
    assert done.stderr.splitlines()[-1].endswith("Pkcs11Error: token 'acme': a login is needed: give the 'pin'")


def test_a_pin_from_a_file_is_read_when_it_is_needed(token: Token, tmp_path: Path):
    pin = tmp_path / "pin"
    uri = f"pkcs11:token=acme;object=from%20file?module-path={token.module}&pin-source=file:{pin}"
    provider = Pkcs11Key(uri=uri, create=True)
    with pytest.raises(Pkcs11Error, match=rf"^pin-source '{pin}': No such file or directory$"):
        provider.get("account")
    pin.write_text(f"{PIN}\n")
    assert provider.get("account").public_key() == token.key("from file", create=False).get("account").public_key()
