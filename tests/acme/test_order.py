from __future__ import annotations

import contextlib
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given

from acmez.acme import AcmeError, AutoRenewal, Identifier, InputError, MalformedAnswer, Order, Problem
from acmez.acme.order import new_order_payload
from tests.acme.answers import URL, Raw, bodies, response

#: RFC 8555 §7.1.3, with what its extensions add
EXAMPLE: Raw = {
    "status": "valid",
    "expires": "2016-01-20T14:09:07.99Z",
    "identifiers": [{"type": "dns", "value": "www.example.org"}, {"type": "dns", "value": "example.org"}],
    "notBefore": "2016-01-01T00:00:00Z",
    "notAfter": "2016-01-08T00:00:00Z",
    "authorizations": ["https://example.com/acme/authz/PAniVnsZcis", "/acme/authz/r4HqLzrSrpI"],
    "finalize": "https://example.com/acme/order/TOlocE8rfgo/finalize",
    "certificate": "https://example.com/acme/cert/mAt3xBGaobw",
    "error": {"type": "urn:ietf:params:acme:error:caa", "detail": "no"},
    "profile": "shortlived",
    "replaces": "aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIdlQyE",
    "star-certificate": "/star/1",
}
START = datetime(2019, 1, 10, tzinfo=UTC)


def payload(*identifiers: Identifier, **members: Any) -> Raw:
    absent: dict[str, Any] = dict.fromkeys(
        ("not_before", "not_after", "replaces", "profile", "auto_renewal", "delegation")
    )
    return dict(new_order_payload(identifiers, **{**absent, "allow_certificate_get": False, **members}))


class TestReading:
    def test_an_order_is_read(self):
        order = Order.from_response(response(EXAMPLE, 201, location="/acme/order/TOlocE8rfgo", retry_after="3"))

        assert order == Order(
            url="https://ca.example/acme/order/TOlocE8rfgo",
            status="valid",
            identifiers=(Identifier.dns("www.example.org"), Identifier.dns("example.org")),
            authorizations=("https://example.com/acme/authz/PAniVnsZcis", "https://ca.example/acme/authz/r4HqLzrSrpI"),
            finalize="https://example.com/acme/order/TOlocE8rfgo/finalize",
            certificate="https://example.com/acme/cert/mAt3xBGaobw",
            expires=datetime(2016, 1, 20, 14, 9, 7, 990000, tzinfo=UTC),
            not_before=datetime(2016, 1, 1, tzinfo=UTC),
            not_after=datetime(2016, 1, 8, tzinfo=UTC),
            error=Problem("urn:ietf:params:acme:error:caa", "no"),
            profile="shortlived",
            replaces="aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIdlQyE",
            star_certificate="https://ca.example/star/1",
        )
        assert order.retry_after == 3.0
        assert order.problem is order.error
        assert order.raw == EXAMPLE

    @pytest.mark.parametrize(
        "raw", [{}, {"status": None, "expires": "soon", "finalize": 1, "error": "no", "certificate": ""}]
    )
    def test_every_member_may_be_missing(self, raw: Raw):
        assert Order.from_response(response(raw), URL) == Order(URL, "pending")

    def test_an_unknown_status_is_kept(self):
        assert Order.from_response(response({"status": "waiting"}), URL).status == "waiting"

    def test_a_new_order_must_say_where_it_is(self):
        with pytest.raises(MalformedAnswer, match="the answer to newOrder has no Location"):
            Order.from_response(response(EXAMPLE))

    def test_a_known_url_is_kept_whatever_the_answer_says(self):
        assert Order.from_response(response(EXAMPLE, location="/other"), URL).url == URL

    @pytest.mark.parametrize(("identifiers", "limit"), [(0, 1000), (1, 1000), (101, 1010)])
    def test_authorizations_are_read_up_to_a_limit_that_grows_with_the_identifiers(self, identifiers: int, limit: int):
        def read(authorizations: int) -> Order:
            raw: Raw = {
                "identifiers": [{"type": "dns", "value": f"{number}.example"} for number in range(identifiers)],
                "authorizations": [f"/{number}" for number in range(authorizations)],
            }
            return Order.from_response(response(raw), URL)

        assert len(read(limit).authorizations) == limit
        with pytest.raises(MalformedAnswer, match=rf"the order has {limit + 1} authorizations \(limit: {limit}\)"):
            read(limit + 1)

    def test_an_authorization_that_is_named_twice_is_one(self):
        raw = {"authorizations": ["/1", "/2", "https://ca.example/1"] * 1000}

        authorizations = Order.from_response(response(raw), URL).authorizations

        assert authorizations == ("https://ca.example/1", "https://ca.example/2")

    @given(bodies(*EXAMPLE))
    def test_reading_raises_nothing_else(self, body: bytes):
        with contextlib.suppress(AcmeError):
            Order.from_response(response(body, retry_after="x"), URL)


class TestNewOrder:
    def test_only_what_was_asked_for_is_sent(self):
        assert payload(Identifier.dns("a.example")) == {"identifiers": [{"type": "dns", "value": "a.example"}]}

    def test_everything_can_be_asked_for(self):
        members = payload(
            Identifier.dns("a.example"),
            Identifier.dns("b.a.example", ancestor_domain="a.example"),
            not_before=START,
            not_after=START + timedelta(days=1),
            replaces="aki.serial",
            profile="shortlived",
            delegation="https://ca.example/delegation/1",
            allow_certificate_get=True,
        )

        assert members == {
            "identifiers": [
                {"type": "dns", "value": "a.example"},
                {"type": "dns", "value": "b.a.example", "ancestorDomain": "a.example"},
            ],
            "notBefore": "2019-01-10T00:00:00Z",
            "notAfter": "2019-01-11T00:00:00Z",
            "replaces": "aki.serial",
            "profile": "shortlived",
            "delegation": "https://ca.example/delegation/1",
            "allow-certificate-get": True,
        }

    def test_automatic_renewal_is_written_as_rfc_8739_says(self):
        renewal = AutoRenewal(
            end=datetime(2019, 1, 20, tzinfo=UTC),
            lifetime=timedelta(seconds=345600),
            start=START,
            lifetime_adjust=timedelta(seconds=259200),
            allow_certificate_get=True,
        )

        assert payload(Identifier.dns("a.example"), auto_renewal=renewal)["auto-renewal"] == {
            "end-date": "2019-01-20T00:00:00Z",
            "lifetime": 345600,
            "start-date": "2019-01-10T00:00:00Z",
            "lifetime-adjust": 259200,
            "allow-certificate-get": True,
        }
        assert AutoRenewal(end=START, lifetime=timedelta(days=1)).to_json() == {
            "end-date": "2019-01-10T00:00:00Z",
            "lifetime": 86400,
        }

    @pytest.mark.parametrize(
        ("members", "message"),
        [
            (
                {"auto_renewal": AutoRenewal(START, timedelta(days=1)), "not_after": START},
                r"^order: auto_renewal excludes not_before and not_after \(RFC 8739 §3\.1\.1\)$",
            ),
            (
                {"auto_renewal": AutoRenewal(START, timedelta(days=1)), "not_before": START},
                "^order: auto_renewal excludes not_before and not_after",
            ),
            (
                {"auto_renewal": AutoRenewal(START, timedelta(0))},
                "^auto_renewal.lifetime: '0:00:00' is less than a second$",
            ),
            (
                {"not_before": START, "not_after": START},
                "^order: not_before '2019-01-10T00:00:00Z' is not before not_after$",
            ),
            ({"not_before": datetime(2019, 1, 1), "not_after": START}, "has no time zone"),  # noqa: DTZ001
        ],
    )
    def test_what_contradicts_itself_is_refused(self, members: Raw, message: str):
        with pytest.raises(InputError, match=message):
            payload(Identifier.dns("a.example"), **members)

    def test_an_order_for_nothing_is_refused(self):
        with pytest.raises(InputError, match="at least one identifier is needed"):
            payload()
