"""Events become spans, each with what it was for."""

from __future__ import annotations

from acmez import events
from acmez.tracing import Kind, spans, summary
from tests.tracing.story import NAME, ORDER, failed_name, fleet, one_name, request


def test_what_took_time_is_a_span_from_its_begin_to_its_end():
    found = [(span.kind, span.label, span.start, span.end) for span in spans(one_name()) if span.end > span.start]
    assert found == [
        (Kind.REQUEST, "newOrder", 0.0, 1.0),
        (Kind.ISSUANCE, NAME, 0.0, 10.0),
        (Kind.REQUEST, "authorization", 1.0, 2.0),
        (Kind.PRESENT, "present http-01", 2.5, 3.0),
        (Kind.WAIT, "wait for http-01", 3.0, 5.0),
        (Kind.REQUEST, "challenge", 5.0, 5.5),
        (Kind.VALIDATE, "validate http-01", 5.5, 7.0),
        (Kind.ISSUE, "issue the certificate", 8.0, 9.0),
    ]


def test_every_change_of_state_is_an_instant():
    found = [(span.label, span.start) for span in spans(one_name()) if span.end == span.start]
    assert found == [
        ("ordered", 1),
        ("authorization pending", 2),
        ("proved", 7),
        ("order ready", 7),
        ("cleaned up", 7.5),
        ("finalized", 8),
        ("issued", 9),
    ]


def test_each_says_what_it_was_for():
    found = spans(one_name())
    assert {span.issuance for span in found} == {"a"}
    assert {span.order for span in found if span.label != "newOrder" and span.kind is not Kind.ISSUANCE} == {ORDER}
    with_name = {span.label for span in found if span.identifier == NAME}
    assert "authorization" in with_name  # though nobody knew whose it was when it was asked for
    assert {"challenge", "present http-01", "proved", "cleaned up"} <= with_name
    assert with_name.isdisjoint({"newOrder", "ordered", "finalized"})


def test_what_failed_says_why():
    found = {(span.kind, span.label): span for span in spans(failed_name("saw something else"))}
    assert all(span.failed for (kind, label), span in found.items() if label != "ordered")
    validated = found[Kind.VALIDATE, "validate http-01"]
    assert validated.details["problem"] == "unauthorized: saw something else"
    assert found[Kind.CLEAN_UP, "not cleaned up"].details["error"] == "the disk is full"
    assert found[Kind.ISSUANCE, NAME].details["error_type"] == "ChallengesFailed"
    assert found[Kind.REQUEST, "challenge"].details["error"] == "connection refused"


def test_what_has_not_ended_ends_with_the_last_event():
    seen = [event for event in one_name() if event.at < 6]
    (issuance,) = [span for span in spans(seen) if span.kind is Kind.ISSUANCE]
    (validating,) = [span for span in spans(seen) if span.kind is Kind.VALIDATE]
    assert (issuance.end, issuance.failed, issuance.details["state"]) == (5.5, True, "not finished")
    assert (validating.end, validating.failed) == (5.5, False)


def test_events_without_an_issuance_belong_to_that_of_their_order():
    seen = [
        *one_name(),
        events.ChallengeCleanedUp(
            at=11, order=ORDER, issuance="", identifier=NAME, challenge_type="http-01", solver="web"
        ),
    ]
    assert {span.issuance for span in spans(seen)} == {"a"}


def test_an_event_that_a_later_version_brings_is_an_instant():
    class OrderBlessed(events.Event):
        name = "order-blessed"

    (span,) = spans([OrderBlessed(at=1.0, order=ORDER)])
    assert (span.kind, span.label, span.start) == (Kind.STATE, "order blessed", 1.0)


def test_the_summary_counts():
    told = summary(spans([*one_name(), *failed_name("no", name="b.example.org")]))
    assert (told.requests, told.failed_requests) == (5, 2)
    assert (told.certificates, told.failed_certificates) == (2, 1)
    assert (told.names, told.failed_names) == (2, 1)
    assert told.seconds == 10
    assert told.slowest == ((NAME, 4.0), ("b.example.org", 2.0))


def test_connections_are_those_that_were_opened():
    opening = "https://ca.test/x", 200, True
    seen = [request("a", 0, 2, *opening), request("b", 1, 2, *opening), request("c", 3, 1)]
    assert summary(spans(seen)).connections == 2
    assert [span.details.get("connection") for span in spans(seen)] == ["opened", "opened", None]


def test_a_name_that_another_way_proved_has_not_failed():
    seen = [
        *one_name(),
        events.AuthorizationFailed(at=4, order=ORDER, issuance="a", identifier=NAME, step="present", reason="no"),
    ]
    told = summary(spans(seen))
    assert (told.names, told.failed_names) == (1, 0)


def test_only_the_slowest_names_are_told():
    assert len(summary(spans(fleet(20)), slowest=3).slowest) == 3


def test_nothing_is_a_timeline_too():
    assert spans([]) == []
    assert summary([]).seconds == 0
