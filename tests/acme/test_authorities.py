"""Short names stand for directory URLs."""

from __future__ import annotations

import pytest

from acmez.acme.authorities import authorities, directory_url, recognise
from acmez.acme.errors import InputError
from acmez.acme.pace import OrderLimit, Paces


def test_a_short_name_stands_for_the_directory_url():
    assert directory_url("letsencrypt") == "https://acme-v02.api.letsencrypt.org/directory"
    assert set(authorities()) == {
        "letsencrypt", "letsencrypt-staging", "google", "google-staging", "zerossl", "sslcom-rsa", "sslcom-ecc",
        "actalis",
    }  # fmt: skip


def test_every_directory_is_behind_tls_and_has_one_name():
    urls = [ca.directory for ca in authorities().values()]
    assert all(url.startswith("https://") for url in urls)
    assert len(urls) == len(set(urls))


def test_who_needs_an_external_account_says_where_to_get_it():
    needy = {ca.name for ca in authorities().values() if ca.external_account}
    assert needy == set(authorities()) - {"letsencrypt", "letsencrypt-staging"}
    assert all(ca.eab_hint.startswith("https://") == ca.external_account for ca in authorities().values())


def test_a_known_url_is_recognised():
    found = recognise("https://acme.zerossl.com/v2/DV90")
    assert found is not None
    assert (found.name, found.requests_per_second) == ("zerossl", 7.0)
    assert recognise("https://ca.example/dir") is None


def test_what_a_ca_bears_is_known():
    found = authorities()["letsencrypt"]
    assert found.order_limit == OrderLimit(300, 10800)
    assert isinstance(found.requests_per_second, dict)
    assert found.requests_per_second["newAccount"] == 5
    assert authorities()["google"].order_limit is None


@pytest.mark.parametrize("name", authorities())
def test_every_rate_is_one_that_can_be_kept_and_for_an_operation_that_there_is(name: str):
    rates = authorities()[name].requests_per_second
    Paces(rates)
    if isinstance(rates, dict):
        assert set(rates) <= {"directory", "newNonce", "newAccount", "newOrder", "revokeCert", "renewalInfo", "others"}


def test_a_url_stands_for_itself():
    assert directory_url("https://ca.example/dir") == "https://ca.example/dir"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("letsencript", "directory: unknown CA 'letsencript' (did you mean 'letsencrypt'? known: letsencrypt, "),
        ("zzz", "directory: unknown CA 'zzz' (known: letsencrypt, "),
        (
            "ca.example/dir",
            "directory: 'ca.example/dir' is not an https:// URL (did you mean 'https://ca.example/dir'?)",
        ),
        ("https:///dir", "directory: 'https:///dir' has no host"),
        ("https://[::1/dir", "directory: 'https://[::1/dir' is not a URL: Invalid IPv6 URL"),
        ("", "directory: unknown CA '' (known: "),
    ],
)
def test_what_is_neither(text: str, told: str):
    with pytest.raises(InputError) as caught:
        directory_url(text)
    assert str(caught.value).startswith(told)
