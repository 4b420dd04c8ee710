from __future__ import annotations

import contextlib

import pytest
from hypothesis import given

from acmez.acme import AcmeError, Delegation, MalformedAnswer
from tests.acme.answers import URL, Raw, bodies, response

#: RFC 9115 §2.3.1.3
EXAMPLE: Raw = {
    "csr-template": {
        "keyTypes": [{"PublicKeyType": "ecPublicKey"}],
        "extensions": {"subjectAltName": {"DNS": ["a.example"]}},
    },
    "cname-map": {"abc.ido.example.": "abc.ndc.example.", "odd": 1},
}


def test_a_delegation_is_read():
    delegation = Delegation.from_response(response(EXAMPLE))

    assert delegation == Delegation(URL, EXAMPLE["csr-template"], {"abc.ido.example.": "abc.ndc.example."})
    assert delegation.raw == EXAMPLE


def test_the_map_may_be_missing_and_the_template_may_not():
    assert Delegation.from_response(response({"csr-template": {}})).cname_map == {}
    with pytest.raises(MalformedAnswer, match=r"delegation.csr-template: expected an object, got nothing"):
        Delegation.from_response(response({}))


@given(bodies(*EXAMPLE))
def test_reading_raises_nothing_else(body: bytes):
    with contextlib.suppress(AcmeError):
        Delegation.from_response(response(body))
