"""What is counted and measured, and by what."""

from __future__ import annotations

import re

import pytest
from acmez_otel import instrument
from acmez_testkit import Problem

from acmez import ChallengesFailed, Route
from tests.solvers import BlindWebSolver, CallWaiter, Lab, WebSolver, fail

from .conftest import Telemetry

NAMES = ["a.example.org", "b.example.org"]


def test_certificates_and_how_long_they_took(lab: Lab, telemetry: Telemetry):
    good, bad = lab.client(WebSolver(web=lab.web)), lab.client(BlindWebSolver(web=lab.web, on_clean_up=fail))
    instrument(good, **telemetry.providers)
    instrument(bad, **telemetry.providers)
    good.obtain(NAMES)
    good.obtain(NAMES)
    with pytest.raises(ChallengesFailed):
        bad.obtain(["c.example.org"])
    expected = {("issued", None): 2, ("failed", "ChallengesFailed"): 1}
    assert telemetry.counts("acmez.certificates", "acmez.outcome", "error.type") == expected
    assert telemetry.counts("acmez.issuance.duration", "acmez.outcome", "error.type") == expected
    assert telemetry.counts("acmez.clean_up.failures", "acme.challenge.type", "acmez.solver") == {
        ("http-01", "blind-web"): 1
    }


def test_the_steps_of_challenges(lab: Lab, telemetry: Telemetry):
    waiter = CallWaiter(lambda challenge, scope: scope.sleep(0.02))
    client = lab.client(Route(WebSolver(web=lab.web), waiter=waiter))
    instrument(client, **telemetry.providers)
    client.obtain(NAMES)
    assert telemetry.counts("acmez.challenge.duration", "acmez.step", "acme.challenge.type", "acmez.solver") == {
        (step, "http-01", "web"): 2 for step in ("present", "wait", "validate")
    }
    (waited,) = [p for p in telemetry.points("acmez.challenge.duration") if p.attributes["acmez.step"] == "wait"]
    assert waited.sum >= 0.04


def test_a_validation_that_fails_says_how(lab: Lab, telemetry: Telemetry):
    client = lab.client(BlindWebSolver(web=lab.web))
    instrument(client, **telemetry.providers)
    with pytest.raises(ChallengesFailed):
        client.obtain(["a.example.org"])
    assert telemetry.counts("acmez.challenge.duration", "acmez.step", "error.type")["validate", "unauthorized"] == 1


def test_requests_and_retries(lab: Lab, telemetry: Telemetry):
    lab.ca.faults.add("new-order", Problem("badNonce", "again", 400))
    client = lab.client(WebSolver(web=lab.web))
    instrument(client, **telemetry.providers)
    before = len(lab.ca.requests)
    client.obtain(NAMES)
    by_status = telemetry.counts("acmez.requests", "acme.operation", "http.response.status_code")
    assert by_status["newOrder", 201] == by_status["newOrder", 400] == by_status["finalize", 200] == 1
    assert sum(by_status.values()) == len(lab.ca.requests) - before
    assert telemetry.counts("acmez.retries", "acme.operation") == {("newOrder",): 1}
    durations = telemetry.counts("http.client.request.duration", "acme.operation", "http.response.status_code")
    assert durations == by_status


def test_no_metric_grows_with_the_names(lab: Lab, telemetry: Telemetry):
    client = lab.client(WebSolver(web=lab.web))
    instrument(client, **telemetry.providers)
    client.obtain(NAMES)
    data = telemetry.reader.get_metrics_data()
    assert data is not None
    assert re.search(r"example\.org|/order/|/authz/", data.to_json()) is None
