from __future__ import annotations

import pytest

from acmez.acme import Identifier, InputError, MalformedAnswer
from acmez.acme.challenges import TxtRecord, dns_01
from tests.acme.challenges.making import make


@pytest.mark.parametrize(
    ("token", "thumbprint", "value"),
    [
        pytest.param(
            "pNvmJivs0WCko2suV7fhe-59oFqyYx_yB7tx6kIMAyE",
            "HnWjTDnyqlCrm6tZ-6wX-TrEXgRdeNu9G71gqxSO6o0",
            "rzMmotrIgsithyBYc0vgiLUEEKYx0WetQRgEF2JIozA",
            id="acme4j",
        ),
        pytest.param(
            "evaGxfADs6pSRb2LAv9IZf17Dt3juxGJ-PCt92wr-oA",
            "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs",
            "ZTRx1Ckl1-tM05o5zaizTTA0yUy5AGereMgSNWC6Ll8",
            id="RFC 7638",
        ),
    ],
)
def test_the_value_is_the_digest_of_the_key_authorization(token: str, thumbprint: str, value: str):
    record = dns_01.record(make("dns-01", token=token, thumbprint=thumbprint))
    assert record == TxtRecord("_acme-challenge.example.com", value)


def test_a_wildcard_is_proved_at_its_base_name():
    plain, wildcard = (dns_01.record(make("dns-01", "example.org", wildcard=flag)) for flag in (False, True))
    assert wildcard == plain
    assert wildcard.name == "_acme-challenge.example.org"


def test_the_record_goes_when_the_order_is_done():
    assert not dns_01.record(make("dns-01")).persistent


def test_addresses_have_no_dns_01():
    with pytest.raises(MalformedAnswer, match="of type 'ip', not a DNS name"):
        dns_01.record(make("dns-01", Identifier.ip("192.0.2.1")))


def test_a_name_that_leaves_no_room_for_the_label_is_refused():
    longest = ".".join(["a" * 63] * 3 + ["a" * 45])
    assert len(dns_01.record(make("dns-01", longest)).name) == 253
    with pytest.raises(InputError, match="253 octets"):
        dns_01.record(make("dns-01", longest + "b"))


def test_another_type_is_refused():
    with pytest.raises(InputError, match="'dns-01'"):
        dns_01.record(make("dns-account-01"))


def test_a_record_is_cut_into_strings_of_255_octets():
    assert TxtRecord("a.example", "x" * 255).strings == ("x" * 255,)
    assert TxtRecord("a.example", "x" * 255 + "y").strings == ("x" * 255, "y")
