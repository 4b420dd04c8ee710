"""The log tells every event, at a sensible level, with what it is about; nobody who did not ask hears it."""

from __future__ import annotations

import logging
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from acmez_testkit import Problem

from acmez import ChallengesFailed, ProblemError, events
from acmez.acme.session import Exchange
from acmez.logs import tell, tells_requests
from tests.solvers import BlindWebSolver, Lab, WebSolver, fail, laboratory

Start = Callable[..., Lab]
NAME = "www.example.org"
EXCHANGE = Exchange("newOrder", "POST", "https://ca.test/new-order", 201, 1.0, 0.25, 2)


@pytest.fixture
def start() -> Iterator[Start]:
    with ExitStack() as stack:
        yield lambda **behaviour: stack.enter_context(laboratory(**behaviour))


def ours(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    return [record for record in caplog.records if record.name == "acmez"]


def told(caplog: pytest.LogCaptureFixture, event: str) -> logging.LogRecord:
    return next(record for record in ours(caplog) if vars(record)["event"] == event)


def test_milestones_are_info_and_steps_debug(start: Start, caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.DEBUG, "acmez")
    lab = start()
    certificate = lab.client(WebSolver(web=lab.web)).obtain([NAME])
    levels = {vars(record)["event"]: record.levelname for record in ours(caplog)}
    assert levels == {
        "account-ready": "INFO",
        "issuance-started": "INFO",
        "order-created": "INFO",
        "authorization-valid": "INFO",
        "order-ready": "INFO",
        "order-finalized": "INFO",
        "certificate-issued": "INFO",
        "issuance-finished": "INFO",
        "request-finished": "DEBUG",
        "authorization-fetched": "DEBUG",
        "challenge-presented": "DEBUG",
        "challenge-answered": "DEBUG",
        "challenge-cleaned-up": "DEBUG",
    }
    proved = told(caplog, "authorization-valid")
    assert proved.getMessage() == f"{NAME}: proved (order {certificate.order_url})"


def test_every_record_says_what_it_is_about(start: Start, caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.DEBUG, "acmez")
    lab = start()
    order = lab.client(WebSolver(web=lab.web)).obtain([NAME]).order_url
    presented = vars(told(caplog, "challenge-presented"))
    assert (presented["order"], presented["identifier"]) == (order, NAME)
    assert (presented["challenge_type"], presented["solver"]) == ("http-01", "web")
    answering = next(r for r in ours(caplog) if vars(r).get("operation") == "challenge")
    assert (vars(answering)["order"], vars(answering)["identifier"]) == (order, NAME)
    assert answering.getMessage().startswith(f"{NAME}: challenge: HTTP 200 after ")
    of_issuance = [vars(r) for r in ours(caplog) if vars(r)["event"] not in {"account-ready", "request-finished"}]
    assert len({members["issuance"] for members in of_issuance}) == 1
    assert all(members["issuance"] for members in of_issuance)


def test_failures_are_warnings(start: Start, caplog: pytest.LogCaptureFixture):
    lab = start()
    with pytest.raises(ChallengesFailed):
        lab.client(BlindWebSolver(web=lab.web, on_clean_up=fail)).obtain([NAME])
    told_of = [(record.levelname, vars(record)["event"]) for record in ours(caplog)]
    assert told_of == [
        ("WARNING", name)
        for name in ("authorization-failed", "order-failed", "challenge-cleaned-up", "issuance-finished")
    ]
    failed = told(caplog, "authorization-failed")
    assert failed.getMessage().startswith(f"{NAME}: failed to validate: ")
    assert "incorrectResponse" in vars(failed)["problem"] or "unauthorized" in vars(failed)["problem"]
    cleaning = told(caplog, "challenge-cleaned-up").getMessage()
    assert cleaning.startswith(f"{NAME}: cleaning up with 'blind-web' failed: the disk is full")


def test_an_order_that_is_refused_is_told(start: Start, caplog: pytest.LogCaptureFixture):
    lab = start()
    lab.ca.faults.add("new-order", Problem("rejectedIdentifier", "not here", 403))
    with pytest.raises(ProblemError):
        lab.client(WebSolver(web=lab.web)).obtain([NAME])
    message = told(caplog, "issuance-finished").getMessage()
    assert message.startswith(f"{NAME}: no certificate: RejectedIdentifier after ")


def test_a_formatter_takes_the_fields(caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.DEBUG, "acmez")
    tell(events.RequestFinished(exchange=EXCHANGE, order="https://ca.test/order/1", identifier=NAME))
    formatter = logging.Formatter("%(event)s %(order)s %(identifier)s %(operation)s %(status)s %(attempt)s")
    (record,) = caplog.records
    assert formatter.format(record) == f"request-finished https://ca.test/order/1 {NAME} newOrder 201 2"
    assert record.getMessage() == (
        f"{NAME}: newOrder (try 2): HTTP 201 after 0.250 s: POST https://ca.test/new-order "
        "(order https://ca.test/order/1)"
    )


def test_many_names_are_not_all_told(caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.INFO, "acmez")
    tell(events.CertificateIssued(names=tuple("abcdefgh")))
    assert caplog.messages == ["a, b, c, d, e and 3 more: issued"]


def test_no_field_of_any_event_is_a_name_of_logging_itself():
    reserved = {*vars(logging.LogRecord("", 0, "", 0, "", None, None)), "message", "asctime"} - {"name"}
    fields = {
        field
        for event in vars(events).values()
        if isinstance(event, type) and issubclass(event, events.Event)
        for field in event.__dataclass_fields__
    }
    assert (fields | {"event", *Exchange.__dataclass_fields__}).isdisjoint(reserved)


def test_requests_are_not_even_made_events_unless_somebody_hears_them(
    caplog: pytest.LogCaptureFixture, start: Start, monkeypatch: pytest.MonkeyPatch
):
    made: list[events.RequestFinished] = []

    class Counted(events.RequestFinished):
        def __init__(self, **fields: Any) -> None:
            super().__init__(**fields)
            made.append(self)

    monkeypatch.setattr(events, "RequestFinished", Counted)
    lab = start()
    with caplog.at_level(logging.INFO, "acmez"):
        assert not tells_requests()
        lab.client(WebSolver(web=lab.web)).obtain([NAME])
        assert made == []
    with caplog.at_level(logging.DEBUG, "acmez"):
        lab.client(WebSolver(web=lab.web)).obtain([NAME])
        assert made


def test_nothing_is_printed_unless_logging_is_set_up():
    program = """
from acmez import events
from acmez.logs import tell
tell(events.OrderFailed(reason="no"))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("", "")
