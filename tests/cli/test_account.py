"""`acmez account` shows the account, changes it, and ends it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.pebble.server import Pebble

from .conftest import Command, Home, configured_for
from .test_obtain import ONE


@pytest.fixture
def config(acmez: Command, home: Home) -> Path:
    file = home.configure(ONE)
    assert acmez("obtain", "-c", file, "--quiet").code == 0
    return file


def shown(acmez: Command, config: Path, *more: str) -> dict[str, object]:
    done = acmez("account", "-c", config, "--json", *more)
    assert (done.code, done.err) == (0, "")
    described: dict[str, object] = json.loads(done.out)
    return described


def test_it_is_shown(acmez: Command, home: Home, config: Path):
    (account,) = home.ca.accounts
    done = acmez("account", "-c", config)
    assert (done.code, done.err) == (0, "")
    lines = dict(line.split(":", 1) for line in done.out.splitlines()[:6])
    assert {name: value.strip() for name, value in lines.items()} == {
        "account": account.url,
        "status": "valid",
        "contact": "mailto:admin@example.test",
        "terms": "agreed to",
        "key": f"{account.key.thumbprint} (thumbprint)",
        "orders": "1",
    }
    assert done.out.splitlines()[6].strip() == home.ca.orders[0].url
    assert shown(acmez, config) == {
        "url": account.url,
        "status": "valid",
        "contact": ["mailto:admin@example.test"],
        "terms_of_service_agreed": True,
        "orders": [home.ca.orders[0].url],
        "key_thumbprint": account.key.thumbprint,
    }


def test_one_that_was_never_registered(acmez: Command, home: Home):
    done = acmez("account", "-c", home.configure(ONE))
    assert done.code == 1
    assert "register" in done.err
    assert not home.ca.accounts


def test_contacts(acmez: Command, home: Home, config: Path):
    two = ["mailto:a@example.test", "mailto:b@example.test"]
    assert shown(acmez, config, "--contact", two[0], "--contact", two[1])["contact"] == two
    assert home.ca.accounts[0].contact == tuple(two)
    assert shown(acmez, config, "--contact", "")["contact"] == []
    done = acmez("account", "-c", config, "--contact", "a@example.test")
    assert (done.code, "did you mean 'mailto:a@example.test'?" in done.err) == (2, True)


def test_new_terms(acmez: Command, home: Home, config: Path):
    home.ca.change_terms("https://example.test/terms/v2")
    done = acmez("obtain", "-c", config, "--quiet")
    assert (done.code, "https://example.test/terms/v2" in done.err) == (1, True)
    assert "to agree: acmez account --agree;" in done.err
    shown(acmez, config, "--agree")
    assert home.ca.accounts[0].terms_agreed == "https://example.test/terms/v2"
    assert acmez("obtain", "-c", config, "--quiet").code == 0


def test_another_key(acmez: Command, home: Home, config: Path):
    key = home.path / "account.pem"
    before = shown(acmez, config), key.read_bytes()
    after = shown(acmez, config, "--change-key"), key.read_bytes()
    assert after[0]["url"] == before[0]["url"]
    assert after[0]["key_thumbprint"] == home.ca.accounts[0].key.thumbprint != before[0]["key_thumbprint"]
    assert after[1] != before[1]
    assert key.stat().st_mode & 0o777 == 0o600
    assert acmez("obtain", "-c", config, "--quiet").code == 0


def test_the_end(acmez: Command, home: Home, config: Path):
    done = acmez("account", "-c", config, "--deactivate")
    assert (done.code, done.err.splitlines()[-1]) == (
        2,
        "Error: --deactivate asks first, and there is nobody to ask: add --yes",
    )
    assert acmez("account", "-c", config, "--deactivate", "--yes", "--agree").code == 2
    assert home.ca.accounts[0].status == "valid"
    assert shown(acmez, config, "--deactivate", "--yes")["status"] == "deactivated"
    assert home.ca.accounts[0].status == "deactivated"
    assert acmez("obtain", "-c", config, "--quiet").code == 1


def test_an_account_of_a_real_ca(acmez: Command, tmp_path: Path, pebble: Pebble):
    config = configured_for(pebble, tmp_path)
    url = acmez("register", "-c", config).out.strip()
    before = shown(acmez, config)
    assert (before["url"], before["status"], before["contact"]) == (url, "valid", ["mailto:admin@example.com"])
    changed = shown(acmez, config, "--contact", "mailto:other@example.com", "--change-key")
    assert (changed["url"], changed["contact"]) == (url, ["mailto:other@example.com"])
    assert changed["key_thumbprint"] != before["key_thumbprint"]
    assert shown(acmez, config, "--deactivate", "--yes")["status"] == "deactivated"
