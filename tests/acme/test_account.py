from __future__ import annotations

import contextlib

import pytest
from hypothesis import given

from acmez.acme import Account, AcmeError, InputError, MalformedAnswer, SigningKey
from acmez.acme.account import check_contacts, listed_urls
from tests.acme.answers import Raw, bodies, response
from tests.acme.keys import P256

#: RFC 8555 §7.1.2
EXAMPLE: Raw = {
    "status": "valid",
    "contact": ["mailto:cert-admin@example.org", "mailto:admin@example.org"],
    "termsOfServiceAgreed": True,
    "orders": "https://example.com/acme/orders/rzGoeA",
    "delegations": "/acme/delegations/rzGoeA",
}
KEY = SigningKey(P256)


def test_an_account_is_read():
    account = Account.from_response(response(EXAMPLE, 201, location="https://example.com/acme/acct/evOfKhNU60wg"), KEY)

    assert account == Account(
        url="https://example.com/acme/acct/evOfKhNU60wg",
        key=KEY,
        status="valid",
        contact=("mailto:cert-admin@example.org", "mailto:admin@example.org"),
        terms_of_service_agreed=True,
        orders="https://example.com/acme/orders/rzGoeA",
        delegations="https://ca.example/acme/delegations/rzGoeA",
    )
    assert account.raw == EXAMPLE


@pytest.mark.parametrize(
    "body", [b"", b" \n", b"{}", b'{"status": 1, "contact": "x", "termsOfServiceAgreed": "yes", "orders": 1}']
)
def test_every_member_may_be_missing(body: bytes):
    account = Account.from_response(response(body, location="/acct/1"), KEY)

    assert account == Account("https://ca.example/acct/1", KEY)


def test_an_unknown_status_is_kept():
    assert Account.from_response(response({"status": "paused"}, location="/1"), KEY).status == "paused"


def test_a_new_account_must_say_where_it_is():
    with pytest.raises(MalformedAnswer, match="the answer to newAccount has no Location"):
        Account.from_response(response(EXAMPLE), KEY)


def test_a_known_url_is_kept_verbatim_whatever_the_answer_says():
    account = Account.from_response(response(EXAMPLE, location="/other"), KEY, "https://ca.example/acct/1")

    assert account.url == "https://ca.example/acct/1"


def test_its_repr_shows_no_key():
    account = Account.from_response(response(EXAMPLE, location="/1"), KEY)
    assert "SigningKey ES256" in repr(account)
    assert "private" not in repr(account)


@given(bodies(*EXAMPLE))
def test_reading_raises_nothing_else(body: bytes):
    with contextlib.suppress(AcmeError):
        Account.from_response(response(body, location="/1"), KEY)


class TestContacts:
    def test_urls_are_taken(self):
        contacts = ["mailto:a@example.com", "tel:+4930123456", "MAILTO:b@example.com", "x+y.z-1:1"]
        assert check_contacts(contacts) == tuple(contacts)
        assert check_contacts([]) == ()

    def test_one_text_is_no_list(self):
        with pytest.raises(
            InputError, match=r"expected a list of URLs, got the text 'mailto:a@b' \(did you mean \['mailto:a@b'\]\?\)$"
        ):
            check_contacts("mailto:a@b")

    def test_an_address_is_no_url(self):
        with pytest.raises(
            InputError, match=r"'a@example.com' is not a URL \(did you mean 'mailto:a@example.com'\?\)$"
        ):
            check_contacts(["a@example.com"])

    @pytest.mark.parametrize("contact", ["", "nobody", "mailto:", ":x"])
    def test_other_texts_are_no_urls(self, contact: str):
        with pytest.raises(InputError, match=r"is not a URL$"):
            check_contacts([contact])

    @pytest.mark.parametrize("contact", ["mailto:a@x.example,b@x.example", "mailto:a@x.example?subject=x", "mailto:a"])
    def test_mailto_holds_one_address_and_nothing_else(self, contact: str):
        with pytest.raises(InputError, match=r"a mailto: URL holds one address and no header fields$"):
            check_contacts([contact])


class TestLists:
    @pytest.mark.parametrize("body", [{"orders": ["/1", "https://b.example/2"]}, ["/1", "https://b.example/2"]])
    def test_they_are_objects_or_as_step_ca_has_it_bare_arrays(self, body: object):
        assert listed_urls(response(body), "orders") == ("https://ca.example/1", "https://b.example/2")

    def test_an_empty_one_may_have_no_member(self):
        assert listed_urls(response({}), "orders") == ()

    @pytest.mark.parametrize("body", ["x", "1", '{"orders": {}}', "[1]"])
    def test_other_answers_are_malformed(self, body: str):
        with pytest.raises(MalformedAnswer):
            listed_urls(response(body), "orders")

    @given(bodies("orders"))
    def test_reading_raises_nothing_else(self, body: bytes):
        with contextlib.suppress(AcmeError):
            listed_urls(response(body), "orders")
