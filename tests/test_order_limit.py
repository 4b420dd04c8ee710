"""A client makes no more new orders than its CA takes: it waits for its turn, or says when it comes."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from acmez_testkit import Drop

from acmez import Cancelled, CancelScope, Client, DefaultRetry, FileKey, OrderLimit, TryAgainLater
from acmez.acme.errors import TransportError
from tests.solvers import Lab, WebSolver, laboratory

Start = Callable[..., Lab]
NAME = "www.example.org"
ONE_IN_AN_HOUR = OrderLimit(1, 3600)


@pytest.fixture
def start() -> Iterator[Start]:
    with ExitStack() as stack:
        yield lambda **behaviour: stack.enter_context(laboratory(**behaviour))


def test_orders_beyond_the_limit_wait_for_their_turn(start: Start):
    lab = start()
    client = lab.client(WebSolver(web=lab.web), order_limit=OrderLimit(2, 0.4))
    began = time.monotonic()
    issued = list(client.obtain_many([f"{number}.example.org"] for number in range(5)))
    assert [each.error for each in issued] == [None] * 5
    assert time.monotonic() - began >= 0.6  # two at once, and three more with 0.2 s each


def test_whose_deadline_comes_first_is_told_when_to_come_back(start: Start, tmp_path: Path):
    lab = start()
    path = tmp_path / "acmez.journal"
    client = lab.client(WebSolver(web=lab.web), order_limit=ONE_IN_AN_HOUR, journal=path)
    client.obtain([NAME])
    with pytest.raises(TryAgainLater, match=r"1 new orders in 3600 s is reached; the next may be made at 2") as caught:
        client.obtain(["other.example.org"], timeout=30)
    assert caught.value.order_url is None
    assert timedelta(minutes=59) < caught.value.not_before - datetime.now(UTC) <= timedelta(hours=1)
    assert lab.requests()["new-order"] == 1
    assert [spec.names for spec in client.unfinished()] == []


def test_who_waits_can_be_cancelled_and_leaves_the_turn_to_others(start: Start):
    lab = start()
    client = lab.client(WebSolver(web=lab.web), order_limit=OrderLimit(1, 2.0))
    client.obtain([NAME])
    for _ in range(3):
        scope = CancelScope()
        timer = threading.Timer(0.05, scope.cancel)
        timer.start()
        with pytest.raises(Cancelled):
            client.obtain(["cancelled.example.org"], scope=scope)
        timer.join()
    client.obtain(["next.example.org"], timeout=2.0)  # which the turns of those three would have taken 8 s


def test_a_renewal_that_names_what_it_replaces_does_not_count(start: Start):
    lab = start()
    client = lab.client(WebSolver(web=lab.web), order_limit=ONE_IN_AN_HOUR)
    first = client.obtain([NAME])
    again = client.obtain([NAME], replaces=first.leaf, timeout=30)
    assert again.leaf != first.leaf


def test_an_order_that_is_resumed_does_not_count(start: Start, tmp_path: Path):
    lab = start()
    journal, key = tmp_path / "acmez.journal", FileKey(tmp_path / "account.pem")
    with lab.client(WebSolver(web=lab.web), journal=journal, account_key=key, retry=DefaultRetry(attempts=1)) as first:
        lab.ca.faults.add("finalize", Drop(), times=None)
        with pytest.raises(TransportError):
            first.obtain([NAME])
        lab.ca.faults.clear()
    second = lab.client(WebSolver(web=lab.web), journal=journal, account_key=key, order_limit=ONE_IN_AN_HOUR)
    second.obtain(["other.example.org"])
    second.obtain([NAME], timeout=30)
    assert lab.requests()["new-order"] == 2


def test_the_limit_is_off_unless_the_ca_is_known_to_have_one():
    with Client("https://ca.example/directory") as client:
        assert client._engine.order_limit is None
    with Client("letsencrypt") as client:
        assert client._engine.order_limit == OrderLimit(300, 10800)
    with Client("https://acme-v02.api.letsencrypt.org/directory", order_limit=OrderLimit(7, 1)) as client:
        assert client._engine.order_limit == OrderLimit(7, 1)
