from __future__ import annotations

import pytest

from acmez.acme import InputError
from acmez.acme.challenges import TxtRecord, dns_account_01
from tests.acme.challenges.making import make


@pytest.mark.parametrize(
    ("account_url", "label"),
    [
        pytest.param("https://example.com/acme/acct/ExampleAccount", "_ujmmovf2vn55tgye", id="draft"),
        pytest.param("https://example.com/acme/account/1", "_agozs7u2dml4wbyd", id="acme4j"),
    ],
)
def test_the_label_comes_from_the_account_url(account_url: str, label: str):
    assert dns_account_01.account_label(account_url) == label


def test_the_value_is_that_of_dns_01():
    challenge = make(
        "dns-account-01",
        "www.example.org",
        token="ODE4OWY4NTktYjhmYS00YmY1LTk5MDgtZTFjYTZmNjZlYTUx",
        thumbprint="HnWjTDnyqlCrm6tZ-6wX-TrEXgRdeNu9G71gqxSO6o0",
        account_url="https://example.com/acme/account/1",
        wildcard=True,
    )
    assert dns_account_01.record(challenge) == TxtRecord(
        "_agozs7u2dml4wbyd._acme-challenge.www.example.org", "MSB8ZUQOmbNfHors7PG580PBz4f9hDuOPDN_j1bNcXI"
    )


@pytest.mark.parametrize("url", ["", "https://ca.example/ü", "https://ca.example/\ud800"])
def test_there_is_no_label_without_an_account_url(url: str):
    with pytest.raises(InputError, match="account URL"):
        dns_account_01.record(make("dns-account-01", account_url=url))


def test_another_type_is_refused():
    with pytest.raises(InputError, match="'dns-account-01'"):
        dns_account_01.record(make("dns-01"))
