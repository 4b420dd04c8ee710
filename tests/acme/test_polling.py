from __future__ import annotations

import math
from dataclasses import dataclass

import pytest

from acmez.acme import Cancelled, CancelScope, Polling, PollTimeout, Problem, StateError
from acmez.acme.polling import poll
from tests.acme.answers import URL

QUICK = Polling(first=0.0, longest=0.0)


@dataclass
class Thing:
    status: str
    retry_after: float | None = None
    problem: Problem | None = None
    url: str = URL


def polled(
    *things: Thing, until: set[str] | None = None, polling: Polling = QUICK, scope: CancelScope | None = None
) -> Thing:
    looks = iter(things[1:])
    return poll(
        lambda: next(looks),
        things[0],
        until=until or {"valid"},
        final={"valid", "invalid"},
        polling=polling,
        scope=scope,
    )


def test_it_looks_until_the_state_is_reached():
    assert polled(Thing("pending"), Thing("processing"), Thing("valid")).status == "valid"


def test_it_does_not_look_if_the_state_is_reached_already():
    assert polled(Thing("valid")).status == "valid"


def test_an_unknown_state_is_not_the_last_one():
    assert polled(Thing("pending"), Thing("thinking"), Thing("valid")).status == "valid"


def test_a_state_without_return_is_told_with_the_servers_words():
    problem = Problem("urn:ietf:params:acme:error:caa", "forbidden by CAA")
    with pytest.raises(StateError, match=f"^{URL}: is 'invalid': caa: forbidden by CAA$") as caught:
        polled(Thing("pending"), Thing("invalid", problem=problem))
    assert (caught.value.url, caught.value.status) == (URL, "invalid")


def test_a_state_beyond_the_one_waited_for_is_told():
    with pytest.raises(StateError, match=r"is 'valid' and will not become 'pending' or 'ready'$"):
        polled(Thing("valid"), until={"ready", "pending"})


def test_what_the_server_asks_for_is_waited_for():
    polling = Polling(first=0.0, longest=0.0)

    assert polling.pause(0, 3.0) == 3.0
    assert polling.pause(0, 0.0) == 0.0
    with pytest.raises(PollTimeout, match=r"is still 'pending' after 0.5 s$") as caught:
        polled(Thing("pending", retry_after=3.0), polling=Polling(timeout=0.5))
    assert caught.value.retry_after == 3.0


def test_a_server_that_asks_for_too_much_gets_no_further_look():
    with pytest.raises(PollTimeout, match=f"^{URL}: is 'pending'; the server asks to wait 86400 s$") as caught:
        polled(Thing("pending", retry_after=86400.0))
    assert (caught.value.status, caught.value.retry_after) == ("pending", 86400.0)


def test_pauses_grow_to_the_longest_with_jitter():
    polling = Polling(first=1.0, factor=2.0, longest=4.0)

    for looks, own in ((0, 1.0), (1, 2.0), (2, 4.0), (3, 4.0), (10_000, 4.0)):
        pauses = {polling.pause(looks, None) for _ in range(20)}
        assert len(pauses) == 20
        assert all(0.8 * own <= pause <= 1.2 * own for pause in pauses)
        assert math.isclose(sum(pauses) / 20, own, rel_tol=0.2)


def test_a_wait_is_given_up_after_its_timeout():
    with pytest.raises(PollTimeout, match=r"is still 'pending' after 0\.05 s$"):
        polled(*[Thing("pending")] * 1000, polling=Polling(first=0.01, timeout=0.05))


def test_a_wait_ends_with_the_scope():
    scope = CancelScope()
    scope.cancel()

    with pytest.raises(Cancelled):
        polled(Thing("pending"), scope=scope)
