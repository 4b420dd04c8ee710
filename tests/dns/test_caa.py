"""CAA records as RFC 8659 and RFC 8657 mean them."""

from __future__ import annotations

import dns.message
import dns.name
import pytest

from acmez.dns.caa import Applicant, Property, permission, properties_at
from tests.dns.scripted import answer

ACCOUNT = "https://ca.test/account/1"
US = Applicant(["ca.test"], ACCOUNT, ["dns-01"])


def said(*properties: tuple[str, str], wildcard: bool = False, applicant: Applicant = US) -> tuple[bool | None, str]:
    found = permission([Property(*each) for each in properties], applicant, wildcard=wildcard)
    return found.granted, found.says


@pytest.mark.parametrize(
    ("value", "granted", "says"),
    [
        ("ca.test", True, "ca.test may"),
        (" CA.Test ; ", True, "CA.Test may"),
        ("other.test", False, "only other.test may"),
        (";", False, "no CA may"),
        ("", False, "no CA may"),
        ("ca.test; unknown=1", True, "ca.test may"),
        (f"ca.test; accounturi={ACCOUNT}", True, "ca.test may"),
        (f"ca.test; accounturi={ACCOUNT}2", False, f"ca.test may only for the account {ACCOUNT}2"),
        ("ca.test; accounturi=", False, "ca.test may only for the account "),
        ("ca.test; validationmethods=http-01,dns-01", True, "ca.test may"),
        ("ca.test; validationmethods=http-01", False, "ca.test may only by http-01, which no solver answers"),
        (
            f"ca.test; accounturi={ACCOUNT}; accounturi=x",
            False,
            "ca.test may not: there are two parameters 'accounturi'",
        ),
        ("ca.test; a b", False, "ca.test may not: the parameter 'a b' is malformed"),
        ("bad\x1b[31m", False, "only bad\N{REPLACEMENT CHARACTER}[31m may"),
    ],
)
def test_one_record(value: str, granted: bool, says: str):
    assert said(("issue", value)) == (granted, says)


def test_no_record_of_the_kind_restricts_nothing():
    assert said(("iodef", "mailto:x@ca.test")) == (True, "no restriction")
    assert said(("issuewild", ";")) == (True, "no restriction")


def test_one_of_several_records_is_enough():
    assert said(("issue", "other.test"), ("issue", "ca.test")) == (True, "ca.test may")
    assert said(("issue", "a.test"), ("issue", "b.test")) == (False, "only a.test may; only b.test may")


def test_wildcards_have_records_of_their_own():
    assert said(("issue", "ca.test"), ("issuewild", ";"), wildcard=True) == (False, "no CA may")
    assert said(("issue", ";"), ("issuewild", "ca.test"), wildcard=True) == (True, "ca.test may")
    assert said(("issue", "ca.test"), wildcard=True) == (True, "ca.test may")


def test_a_critical_record_that_nobody_knows_forbids():
    found = permission([Property("issue", "ca.test"), Property("tbs", "x", critical=True)], US, wildcard=False)
    assert found.granted is False
    assert permission([Property("issue", "ca.test", critical=True)], US, wildcard=False).granted is True


def test_what_is_not_known_is_not_decided():
    bound = ("issue", f"ca.test; accounturi={ACCOUNT}")
    assert said(bound, applicant=Applicant(["ca.test"])) == (None, f"ca.test may only for the account {ACCOUNT}")
    assert said(("issue", "ca.test"), applicant=Applicant([]))[0] is None
    assert said(("issue", "ca.test; validationmethods=http-01"), applicant=Applicant(["ca.test"]))[0] is True


def test_only_the_records_at_the_name_are_read():
    name = dns.name.from_text("example.test.")
    query = dns.message.make_query(name, "CAA")
    message = answer(query, 'example.test. 60 IN CAA 128 ISSUE "ca.test"', 'other.test. 60 IN CAA 0 issue ";"')
    assert properties_at(message, name) == (Property("issue", "ca.test", critical=True),)
