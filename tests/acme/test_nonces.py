from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from acmez.acme.nonces import NoncePool, nonce_of
from tests.acme.answers import response


def test_the_newest_nonce_is_taken_first_and_once():
    pool = NoncePool()
    for nonce in ("one", "two", "three"):
        pool.keep(response(replay_nonce=nonce))

    assert len(pool) == 3
    assert [pool.take() for _ in range(4)] == ["three", "two", "one", None]


def test_errors_bring_nonces_too():
    pool = NoncePool()

    pool.keep(response(status=400, replay_nonce="one"))
    pool.put("two")

    assert [pool.take(), pool.take()] == ["two", "one"]


def test_the_pool_is_bounded_and_forgets_the_oldest():
    pool = NoncePool(size=2)
    for nonce in ("one", "two", "three"):
        pool.keep(response(replay_nonce=nonce))

    assert [pool.take() for _ in range(3)] == ["three", "two", None]


def test_old_nonces_are_not_tried():
    pool = NoncePool(max_age=-1.0)
    pool.keep(response(replay_nonce="one"))
    pool.keep(response(replay_nonce="two"))

    assert pool.take() is None
    assert not pool._nonces


def test_all_can_be_forgotten():
    pool = NoncePool()
    pool.keep(response(replay_nonce="one"))

    pool.clear()

    assert pool.take() is None


@pytest.mark.parametrize("nonce", ["", "a b", "a=", "ä", "a+b", "x" * 1025])
def test_a_nonce_outside_base64url_is_ignored(nonce: str):
    pool = NoncePool()

    pool.keep(response(replay_nonce=nonce))

    assert pool.take() is None


def test_an_answer_may_hold_none():
    assert nonce_of(response()) is None


def test_no_nonce_is_handed_out_twice():
    pool = NoncePool(size=10_000)
    for number in range(4000):
        pool.keep(response(replay_nonce=f"nonce{number}"))

    with ThreadPoolExecutor(16) as threads:
        taken = list(threads.map(lambda _: pool.take(), range(4000)))

    assert len(set(taken)) == 4000
    assert pool.take() is None
