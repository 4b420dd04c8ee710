from __future__ import annotations

import pytest

from acmez.acme import InputError, Meta
from acmez.acme.challenges import dns_01, dns_account_01, dns_persist_01, txt_record
from tests.acme.challenges.making import make

META = Meta(account_hash_prefix="https://ca.example/account-hash/")


def test_each_type_gets_its_own_record():
    plain, of_account = make("dns-01"), make("dns-account-01")
    persistent = make("dns-persist-01", token=None, members={"issuerDomainNames": ["ca.example"]})
    assert txt_record(plain) == dns_01.record(plain)
    assert txt_record(of_account) == dns_account_01.record(of_account)
    assert txt_record(persistent, meta=META) == dns_persist_01.record(persistent, meta=META)


def test_only_a_persistent_record_stays():
    persistent = make("dns-persist-01", token=None, members={"issuer-domain-names": ["ca.example"]})
    assert [txt_record(each).persistent for each in (make("dns-01"), make("dns-account-01"), persistent)] == [
        False,
        False,
        True,
    ]


@pytest.mark.parametrize("kind", ["http-01", "wire-oidc-01", ""])
def test_what_is_not_answered_in_the_dns_is_refused(kind: str):
    challenge = make("dns-01")
    object.__setattr__(challenge, "type", kind)
    with pytest.raises(InputError, match="'dns-persist-01' or 'dns-01' or 'dns-account-01'"):
        txt_record(challenge)
