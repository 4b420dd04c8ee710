"""Every issuance is a trace: what it is made of, how long that took, what went wrong."""

from __future__ import annotations

import asyncio
import time

import pytest
from acmez_otel import Observer, instrument
from acmez_testkit import Problem
from opentelemetry.trace import SpanKind, StatusCode

from acmez import ChallengesFailed, PluginManager, ProblemError, Route, events
from acmez.acme.session import Exchange
from acmez.aio import Client as AsyncClient
from tests.solvers import BlindWebSolver, CallWaiter, Lab, TxtSolver, WebSolver, fail

from .conftest import Telemetry

NAMES = ["a.example.org", "b.example.org"]
STEPS = "issuance > order > authorization"


def test_an_issuance_is_a_tree(lab: Lab, telemetry: Telemetry):
    waiter = CallWaiter(lambda challenge, scope: scope.sleep(0.01))
    client = lab.client(Route(WebSolver(web=lab.web), waiter=waiter))
    instrument(client, **telemetry.providers)
    certificate = client.obtain(NAMES)
    paths = [telemetry.path(span) for span in telemetry.spans]
    assert paths.count("issuance") == paths.count("issuance > order") == paths.count("issuance > order > issue") == 1
    for step in ("present", "wait", "validate", "POST challenge"):
        assert paths.count(f"{STEPS} > {step}") == 2
    assert paths.count("issuance > order > POST authorization") == 2
    assert "issuance > POST newOrder" in paths
    assert {"issuance > order > POST finalize", "issuance > order > POST certificate"} <= set(paths)
    assert (telemetry.one("issuance").attributes or {})["acme.identifiers"] == tuple(NAMES)
    assert dict(telemetry.one("order").attributes or {}) == {"acme.order.url": certificate.order_url}
    assert {(span.attributes or {})["acme.identifier"] for span in telemetry.named("present")} == set(NAMES)
    assert {span.status.status_code for span in telemetry.spans} == {StatusCode.UNSET}


def test_each_lies_within_what_it_is_a_part_of(lab: Lab, telemetry: Telemetry):
    client = lab.client(WebSolver(web=lab.web))
    instrument(client, **telemetry.providers)
    before = time.time_ns()
    client.obtain(NAMES)
    issuance = telemetry.one("issuance")
    assert issuance.start_time is not None
    assert issuance.end_time is not None
    assert before - 10**7 <= issuance.start_time <= issuance.end_time <= time.time_ns() + 10**7
    for span in telemetry.spans:
        above = telemetry.parent(span)
        assert span.start_time is not None
        assert span.end_time is not None
        assert span.start_time <= span.end_time
        if above is not None and above.name != "authorization":
            assert (above.start_time or 0) <= span.start_time
            assert span.end_time <= (above.end_time or 0)


def test_a_request_is_as_the_http_conventions_have_it(lab: Lab, telemetry: Telemetry):
    client = lab.client(WebSolver(web=lab.web))
    instrument(client, **telemetry.providers)
    client.obtain(NAMES)
    span = telemetry.one("POST newOrder")
    assert span.kind is SpanKind.CLIENT
    url = lab.ca.directory_url.rpartition("/")[0] + "/new-order"
    assert dict(span.attributes or {}) == {
        "acme.operation": "newOrder",
        "http.request.method": "POST",
        "http.response.status_code": 201,
        "server.address": "localhost",
        "server.port": int(url.split(":")[2].split("/")[0]),
        "url.scheme": "https",
        "url.full": url,
    }


def test_a_retried_request_says_so_and_what_the_first_try_ended_with(lab: Lab, telemetry: Telemetry):
    lab.ca.faults.add("new-order", Problem("badNonce", "again", 400))
    client = lab.client(WebSolver(web=lab.web))
    instrument(client, **telemetry.providers)
    client.obtain(NAMES)
    first, second = telemetry.named("POST newOrder")
    assert (first.status.status_code, first.status.description) == (StatusCode.ERROR, "HTTP 400")
    assert (first.attributes or {})["error.type"] == "400"
    assert (second.attributes or {})["http.request.resend_count"] == 1
    assert second.status.status_code is StatusCode.UNSET


def test_a_request_without_an_answer_says_why(telemetry: Telemetry):
    exchange = Exchange("directory", "GET", "https://ca.test/directory", None, time.monotonic(), 0.5, 1, "no route")
    Observer(**telemetry.providers)(events.RequestFinished(exchange=exchange))
    span = telemetry.one("GET directory")
    assert span.status.description == "no route"
    assert (span.attributes or {})["error.type"] == "_OTHER"
    assert (span.attributes or {})["server.port"] == 443
    assert (span.end_time or 0) - (span.start_time or 0) == 5 * 10**8


def test_what_failed_is_an_error_all_the_way_up(lab: Lab, telemetry: Telemetry):
    client = lab.client(BlindWebSolver(web=lab.web, on_clean_up=fail))
    instrument(client, **telemetry.providers)
    with pytest.raises(ChallengesFailed) as raised:
        client.obtain(["a.example.org"])
    for name in ("validate", "authorization", "order", "issuance"):
        assert telemetry.one(name).status.status_code is StatusCode.ERROR
    issuance = telemetry.one("issuance")
    assert issuance.status.description == str(raised.value)
    assert (issuance.attributes or {})["error.type"] == "ChallengesFailed"
    assert [event.name for event in issuance.events] == ["exception"]
    told = {event.name: dict(event.attributes or {}) for event in telemetry.one("authorization").events}
    assert told["exception"]["acmez.step"] == "validate"
    assert told["not cleaned up"]["exception.message"] == "the disk is full"


def test_what_another_way_made_good_is_an_order_that_failed_and_one_that_did_not(lab: Lab, telemetry: Telemetry):
    client = lab.client(BlindWebSolver(web=lab.web), TxtSolver(zone=lab.zone))
    instrument(client, **telemetry.providers)
    client.obtain(["a.example.org"])
    assert [span.status.status_code for span in telemetry.named("order")] == [StatusCode.ERROR, StatusCode.UNSET]
    assert telemetry.one("issuance").status.status_code is StatusCode.UNSET


def test_an_order_that_is_refused_is_told(lab: Lab, telemetry: Telemetry):
    lab.ca.faults.add("new-order", Problem("rejectedIdentifier", "not here", 403))
    client = lab.client(WebSolver(web=lab.web))
    instrument(client, **telemetry.providers)
    with pytest.raises(ProblemError):
        client.obtain(NAMES)
    assert telemetry.named("order") == []
    assert (telemetry.one("issuance").attributes or {})["error.type"] == "RejectedIdentifier"


def test_it_goes_below_the_callers_span(lab: Lab, telemetry: Telemetry):
    client = lab.client(WebSolver(web=lab.web))
    instrument(client, **telemetry.providers)
    with telemetry.traces.get_tracer("test").start_as_current_span("renewal"):
        client.obtain(NAMES)
    assert telemetry.path(telemetry.one("issue")) == "renewal > issuance > order > issue"
    assert len({span.context.trace_id for span in telemetry.spans if span.context and span.name == "present"}) == 1


def test_that_goes_for_fleets_and_asyncio_too(lab: Lab, telemetry: Telemetry):
    client = lab.client(WebSolver(web=lab.web))
    instrument(client, **telemetry.providers)

    async def obtain() -> None:
        solvers, trust = [WebSolver(web=lab.web)], lab.ca.trust_pem
        async with AsyncClient(
            lab.ca.directory_url, solvers=solvers, trust=trust, terms_of_service_agreed=True
        ) as other:
            await other.register()
            instrument(other.sync, **telemetry.providers)
            await other.obtain(["b.example.org"])

    with telemetry.traces.get_tracer("test").start_as_current_span("renewal"):
        assert [each.error for each in client.obtain_many([["a.example.org"]])] == [None]
        asyncio.run(obtain())
    assert [telemetry.path(span) for span in telemetry.named("issue")] == ["renewal > issuance > order > issue"] * 2


def test_many_certificates_are_a_trace_each_and_nothing_is_kept_of_them(lab: Lab, telemetry: Telemetry):
    observer = Observer(**telemetry.providers)
    plugins = PluginManager(discover=False).register(observer)
    client = lab.client(WebSolver(web=lab.web), plugins=plugins)
    issued = list(client.obtain_many([[f"shop-{number}.example.org"] for number in range(12)], at_once=4))
    assert all(each.certificate for each in issued)
    traces = {span.context.trace_id for span in telemetry.named("issuance") if span.context}
    assert len(traces) == 12
    for name in ("order", "authorization", "present", "validate", "POST newOrder", "POST finalize"):
        assert {span.context.trace_id for span in telemetry.named(name) if span.context} == traces
    assert observer._tracing._running == {}
    assert observer._measuring._answered == {}


def test_no_secret_is_told(lab: Lab, telemetry: Telemetry):
    secrets: set[str] = set()
    solver = WebSolver(
        web=lab.web,
        on_present=lambda challenge, _: secrets.update(
            {challenge.token or "", challenge.key_authorization, challenge.thumbprint}
        ),
    )
    client = lab.client(solver)
    instrument(client, **telemetry.providers)
    client.obtain(NAMES)
    told = "".join(span.to_json() for span in telemetry.spans)
    assert NAMES[0] in told
    assert len(secrets) == 5
    assert [secret for secret in secrets if secret in told] == []
