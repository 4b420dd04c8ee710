from __future__ import annotations

import contextlib
import random
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from hypothesis import given

from acmez.acme import (
    AcmeError,
    InputError,
    LostAnswer,
    MalformedAnswer,
    RenewalInfo,
    certificate_id,
    due,
    refuses_replaces,
)
from acmez.acme.problem import PREFIX, problem_error
from tests.acme.answers import NOW, URL, Raw, bodies, response
from tests.acme.certificates import ARI_PEM, certificate

#: RFC 9773 §4.2
EXAMPLE: Raw = {
    "suggestedWindow": {"start": "2025-01-02T04:00:00Z", "end": "2025-01-03T04:00:00Z"},
    "explanationURL": "https://acme.example.com/docs/ari",
}


def read(raw: object, **fields: str) -> RenewalInfo:
    return RenewalInfo.from_response(response(raw, 200, **fields))


class TestReading:
    def test_a_window_is_read(self):
        info = read(EXAMPLE, retry_after="21600")

        assert info == RenewalInfo(
            start=datetime(2025, 1, 2, 4, tzinfo=UTC),
            end=datetime(2025, 1, 3, 4, tzinfo=UTC),
            explanation_url="https://acme.example.com/docs/ari",
            retry_after=21600.0,
        )
        assert info.raw == EXAMPLE

    @pytest.mark.parametrize(
        ("field", "seconds"),
        [(None, 21600.0), ("nonsense", 21600.0), ("0", 60.0), ("59", 60.0), ("86401", 86400.0), ("-1", 60.0)],
    )
    def test_retry_after_is_between_a_minute_and_a_day(self, field: str | None, seconds: float):
        assert read(EXAMPLE, **({} if field is None else {"retry_after": field})).retry_after == seconds

    @pytest.mark.parametrize(
        "window",
        [
            None,
            [],
            {},
            {"start": "2025-01-02T04:00:00Z"},
            {"start": "soon", "end": "2025-01-03T04:00:00Z"},
            {"start": 1, "end": 2},
        ],
    )
    def test_a_window_without_start_or_end_is_malformed(self, window: object):
        with pytest.raises(MalformedAnswer, match=r"suggestedWindow: start or end is missing$"):
            read({"suggestedWindow": window})

    @pytest.mark.parametrize("end", ["2025-01-02T04:00:00Z", "2025-01-02T03:59:59Z"])
    def test_a_window_that_ends_before_it_starts_is_malformed(self, end: str):
        with pytest.raises(MalformedAnswer, match=r"suggestedWindow: it ends before it starts$"):
            read({"suggestedWindow": {"start": "2025-01-02T04:00:00Z", "end": end}})

    @given(bodies(*EXAMPLE))
    def test_reading_raises_nothing_else(self, body: bytes):
        with contextlib.suppress(AcmeError):
            read(body)


class TestSelection:
    def test_a_moment_of_the_window_is_picked_uniformly(self):
        info = read(EXAMPLE)
        rng = random.Random(1)

        picked = [info.pick(rng) for _ in range(2000)]

        assert all(info.start <= moment <= info.end for moment in picked)
        for quarter in range(4):
            begins = info.start + timedelta(hours=6 * quarter)
            assert 400 < sum(begins <= moment < begins + timedelta(hours=6) for moment in picked) < 600

    def test_two_clients_do_not_pick_the_same_moment(self):
        assert read(EXAMPLE).pick() != read(EXAMPLE).pick()

    @pytest.mark.parametrize(
        ("moment", "renew"),
        [
            (NOW - timedelta(days=400), True),
            (NOW, True),
            (NOW + timedelta(hours=11), True),  # before the next look
            (NOW + timedelta(hours=13), False),
        ],
    )
    def test_what_falls_before_the_next_look_is_due(self, moment: datetime, *, renew: bool):
        assert due(moment, now=NOW, next_wake=timedelta(hours=12)) is renew


class TestCertificateIds:
    def test_the_published_one(self):
        # RFC 9773 §4.1
        assert certificate_id(x509.load_pem_x509_certificate(ARI_PEM)) == "aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIdlQyE"

    @pytest.mark.parametrize(("serial", "octets"), [(1, "AQ"), (0x7F, "fw"), (0x80, "AIA"), (0x0100, "AQA")])
    def test_a_leading_zero_keeps_the_serial_positive(self, serial: int, octets: str):
        assert certificate_id(certificate("a", serial)) == f"aXNzdWVy.{octets}"

    def test_a_certificate_without_authority_key_identifier_has_none(self):
        with pytest.raises(InputError, match="has no readable authority key identifier"):
            certificate_id(certificate("a", bare=True))
        with pytest.raises(InputError, match="authority key identifier is empty"):
            certificate_id(certificate("a", authority_key_identifier=b""))


class TestReplaces:
    @pytest.mark.parametrize(
        ("status", "code"),
        [
            (409, "alreadyReplaced"),  # RFC 9773 §5
            (409, "conflict"),  # Boulder, earlier
            (409, "about:blank"),
            (404, "malformed"),  # Boulder: unknown certificate
            (400, "malformed"),  # Boulder: no identifier in common; Actalis
            (403, "unauthorized"),  # Boulder: another account's
            (500, "serverInternal"),  # Pebble: unknown certificate
        ],
    )
    def test_refusals_that_may_be_for_its_sake(self, status: int, code: str):
        assert refuses_replaces(problem_error(response({"type": PREFIX + code}, status)))

    @pytest.mark.parametrize(
        ("status", "code"),
        [
            (429, "rateLimited"),
            (400, "rejectedIdentifier"),
            (400, "invalidProfile"),
            (403, "userActionRequired"),
            (400, "accountDoesNotExist"),
            (503, "about:blank"),
        ],
    )
    def test_refusals_that_are_not(self, status: int, code: str):
        assert not refuses_replaces(problem_error(response({"type": PREFIX + code}, status)))

    def test_a_lost_answer_refuses_nothing(self):
        assert not refuses_replaces(LostAnswer("x", method="POST", url=URL))
