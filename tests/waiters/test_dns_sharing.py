"""However many names wait, they share what they look up; each ends with its own scope."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import dns.flags
import dns.message
import dns.rdatatype
import pytest

from acmez.acme.errors import Cancelled, DeadlineExceeded
from acmez.acme.scope import CancelScope
from acmez.waiters.dns import DnsPropagation
from tests.dns.propagating import (
    CHALLENGE,
    ENOUGH,
    NAME,
    RECORD,
    SOA,
    VALUE,
    challenge_for,
    impatient,
    scope,
    shows,
    start,
)
from tests.dns.scripted import answer, silent

__all__ = ["impatient", "scope", "start"]


class TestSharing:
    def test_names_that_wait_at_once_ask_for_the_same_once(self, start, scope):
        served = threading.Event()

        def slow(query: dns.message.Message) -> list[dns.message.Message]:
            served.wait(0.2)
            return [answer(query, RECORD)]

        server = start(slow)
        waiter = DnsPropagation(nameservers=[server.where])
        with ThreadPoolExecutor(20) as pool:
            list(pool.map(lambda _: waiter.wait(CHALLENGE, scope), range(20)))
        assert server.asked == [f"{NAME} TXT"]

    def test_a_hundred_names_of_a_zone_share_all_lookups_but_their_own(self, start, scope):
        def zone(query: dns.message.Message) -> list[dns.message.Message]:
            name, kind = query.question[0].name, query.question[0].rdtype
            match dns.rdatatype.to_text(kind):
                case "TXT":
                    return [answer(query, f"{name} 60 IN TXT {VALUE}")]
                case "NS":
                    return [answer(query, f"{name} 60 IN NS ns1.example.test.")]
                case "A":
                    return [answer(query, f"{name} 60 IN A 127.0.0.1")]
            return [answer(query, authority=[SOA])]

        server = start(zone)
        waiter = DnsPropagation(resolvers=[server.where], port=server.port)
        with ThreadPoolExecutor(100) as pool:
            list(pool.map(lambda n: waiter.wait(challenge_for(f"n{n}.example.test"), scope), range(100)))
        kinds = [question.split()[1] for question in server.asked]
        assert {kind: kinds.count(kind) for kind in sorted({*kinds})} == {
            "A": 1,
            "AAAA": 1,
            "NS": 1,
            "SOA": 100,  # each name may be a zone of its own
            "TXT": 100,
        }

    def test_nothing_is_left_running(self, start, scope):
        before = threading.active_count()
        waiter = DnsPropagation(nameservers=[start(shows(RECORD)).where])
        started = threading.active_count() - before
        waiter.wait(CHALLENGE, scope)
        assert threading.active_count() == before + started


class TestCancelling:
    @pytest.mark.parametrize("over", ["udp", "tcp", "pause"])
    def test_it_ends_with_the_scope_wherever_it_waits(self, start, over):
        def truncated(query: dns.message.Message) -> list[dns.message.Message]:
            short = answer(query)
            short.flags |= dns.flags.TC
            return [short]

        hanging = threading.Event()

        def hang(_query: dns.message.Message) -> list[dns.message.Message]:
            hanging.wait(5)
            return []

        server = {
            "udp": lambda: start(silent),
            "tcp": lambda: start(truncated, hang),
            "pause": lambda: start(shows()),
        }[over]()
        scope = CancelScope(ENOUGH)
        cancelled: list[float] = []

        def cancel() -> None:
            cancelled.append(time.monotonic())
            scope.cancel()

        timer = threading.Timer(0.3, cancel)
        timer.start()
        try:
            with pytest.raises(Cancelled):
                DnsPropagation(nameservers=[server.where], interval=20.0).wait(CHALLENGE, scope)
            assert time.monotonic() - cancelled[0] < 2  # at once, on a busy machine too
        finally:
            timer.join()
            hanging.set()

    def test_it_ends_with_the_deadline(self, start):
        with pytest.raises(DeadlineExceeded):
            DnsPropagation(nameservers=[start(shows()).where]).wait(CHALLENGE, CancelScope(0.05))

    def test_one_that_is_cancelled_does_not_take_the_others_along(self, start, scope):
        release = threading.Event()

        def slow(query: dns.message.Message) -> list[dns.message.Message]:
            release.wait(5)
            return [answer(query, RECORD)]

        waiter = DnsPropagation(nameservers=[start(slow).where])
        with ThreadPoolExecutor(2) as pool:
            first = pool.submit(waiter.wait, CHALLENGE, CancelScope(0.1))
            second = pool.submit(waiter.wait, CHALLENGE, scope)
            with pytest.raises(DeadlineExceeded):
                first.result()
            release.set()
            second.result()
