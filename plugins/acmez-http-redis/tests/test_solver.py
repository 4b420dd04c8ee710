"""What is in Redis, for how long, and what happens without it."""

from __future__ import annotations

import pickle
import socket
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import redis
from acmez_http_redis import HttpRedisSolver, RedisStore

from acmez.acme.errors import Cancelled, MalformedAnswer
from acmez.answer_store import AnswerStore, AnswerStoreError, find_tls_alpn
from acmez.options import Secret
from acmez.protocols import Solver, Versatile

from .conftest import PASSWORD


def test_it_is_a_solver_of_both_types(solver):
    as_protocol: Solver = solver
    assert (as_protocol.name, as_protocol.challenge_type) == ("http-redis", "http-01")
    assert isinstance(solver, Versatile)
    assert solver.other_types == ("tls-alpn-01",)


def test_another_node_has_the_answer_from_present_to_clean_up(solver, url, challenge, challenge_for, scope):
    node = HttpRedisSolver(url, prefix=solver.prefix)
    solver.present(challenge, scope)
    solver.present(challenge, scope)
    solver.present(challenge_for("tls-alpn-01", "192.0.2.1"), scope)
    assert node.find("tok-EN_1") == "tok-EN_1.thumb-PRINT_1"
    found = find_tls_alpn(node.store, "1.2.0.192.in-addr.arpa")
    assert found is not None
    assert found.key_authorization == "tok-EN_1.thumb-PRINT_1"
    node.clean_up(challenge, None, scope)
    node.clean_up(challenge, None, scope)
    assert node.find("tok-EN_1") is None
    node.clean_up(challenge_for("tls-alpn-01", "192.0.2.1"), None, scope)
    assert find_tls_alpn(node.store, "1.2.0.192.in-addr.arpa") is None
    node.store.close()


def test_cleaning_up_leaves_a_newer_answer_for_the_same_name(solver, challenge_for, scope):
    older, newer = (challenge_for("tls-alpn-01", token=token) for token in ("older", "newer"))
    solver.present(older, scope)
    solver.present(newer, scope)
    solver.clean_up(older, None, scope)
    found = find_tls_alpn(solver.store, "example.com")
    assert found is not None
    assert found.token == "newer"


def test_an_answer_vanishes_when_its_time_has_come(solver, challenge, scope):
    short = HttpRedisSolver(solver.url, prefix=solver.prefix, lifetime=0.05)
    short.present(challenge, scope)
    assert solver.find("tok-EN_1") is not None
    while solver.find("tok-EN_1") is not None:
        scope.sleep(0.01)
    short.store.close()


def test_it_lives_for_a_day_by_default(solver, url, challenge, scope):
    solver.present(challenge, scope)
    with redis.Redis.from_url(url) as plain:
        assert 86_000 < plain.ttl(f"{solver.prefix}http-01 tok-EN_1") <= 86_400
    solver.clean_up(challenge, None, scope)


def test_keys_with_another_prefix_are_other_keys(solver, url, challenge, scope):
    other = HttpRedisSolver(url, prefix="other:")
    solver.present(challenge, scope)
    assert other.find("tok-EN_1") is None
    other.clean_up(challenge, None, scope)
    assert solver.find("tok-EN_1") is not None
    other.store.close()


def test_many_threads_share_a_solver(solver, challenge_for, scope):
    def work(number: int) -> None:
        challenge = challenge_for(token=f"token-{number}")
        solver.present(challenge, scope)
        assert solver.find(f"token-{number}") == challenge.key_authorization
        solver.clean_up(challenge, None, scope)
        assert solver.find(f"token-{number}") is None

    with ThreadPoolExecutor(8) as pool:
        [*pool.map(work, range(100))]


def test_it_goes_to_another_process(solver, challenge, scope):
    solver.present(challenge, scope)
    elsewhere = pickle.loads(pickle.dumps(solver))  # noqa: S301 - our own bytes
    assert elsewhere == solver
    assert elsewhere.find("tok-EN_1") == "tok-EN_1.thumb-PRINT_1"
    elsewhere.clean_up(challenge, None, scope)
    elsewhere.store.close()


def test_a_connection_that_redis_closed_is_opened_again(solver, url, challenge, scope):
    solver.present(challenge, scope)
    with redis.Redis.from_url(url) as plain:
        plain.client_kill_filter(_type="normal", skipme=True)
    assert solver.find("tok-EN_1") == "tok-EN_1.thumb-PRINT_1"


class TestErrors:
    def test_a_server_that_is_down_is_named(self, challenge, scope):
        with socket.socket() as deaf:
            deaf.bind(("127.0.0.1", 0))
            port = deaf.getsockname()[1]
            solver = HttpRedisSolver(Secret(f"redis://:{PASSWORD}@127.0.0.1:{port}/0"))
            for call in (
                lambda: solver.present(challenge, scope),
                lambda: solver.clean_up(challenge, None, scope),
                lambda: solver.find("tok-EN_1"),
            ):
                with pytest.raises(AnswerStoreError) as caught:
                    call()
                assert str(caught.value).startswith(f"redis at 127.0.0.1:{port}: cannot be reached: ")
                assert PASSWORD not in str(caught.value)

    def test_a_server_that_is_silent_is_given_up(self, challenge, scope):
        with socket.create_server(("127.0.0.1", 0)) as silent:
            port = silent.getsockname()[1]
            solver = HttpRedisSolver(Secret(f"redis://127.0.0.1:{port}/0"), timeout=0.1)
            with pytest.raises(AnswerStoreError, match=rf"^redis at 127\.0\.0\.1:{port}: does not answer in time$"):
                solver.present(challenge, scope)

    def test_a_wrong_password_is_told_and_not_shown(self, redis_port, challenge, scope):
        solver = HttpRedisSolver(Secret(f"redis://:wr-ONG@127.0.0.1:{redis_port}/0"))
        with pytest.raises(AnswerStoreError, match=r"refuses user or password$") as caught:
            solver.present(challenge, scope)
        assert "wr-ONG" not in str(caught.value)

    def test_what_redis_refuses_is_passed_on(self, url, solver, challenge, scope):
        with redis.Redis.from_url(url) as plain:
            plain.rpush(f"{solver.prefix}http-01 tok-EN_1", "a list")
        with pytest.raises(AnswerStoreError, match="WRONGTYPE"):
            solver.find("tok-EN_1")

    def test_bytes_that_are_no_text_are_told(self, url, solver):
        with redis.Redis.from_url(url) as plain:
            plain.set(f"{solver.prefix}http-01 tok-EN_1", b"\xff")
        with pytest.raises(AnswerStoreError, match="can't decode"):
            solver.find("tok-EN_1")

    @pytest.mark.parametrize("url", ["", "http://127.0.0.1", "pass-WORD_1@nowhere", "redis://127.0.0.1:pass-WORD_1"])
    def test_an_url_that_is_none_is_refused_and_not_shown(self, url):
        with pytest.raises(ValueError, match=r"^url: is not redis://") as caught:
            HttpRedisSolver(Secret(url))
        assert PASSWORD not in str(caught.value)

    def test_options_out_of_range_are_refused(self):
        with pytest.raises(ValueError, match=r"^timeout: 0 is not above 0$"):
            HttpRedisSolver(Secret("redis://127.0.0.1"), timeout=0)
        with pytest.raises(ValueError, match=r"^lifetime: nan is not above 0$"):
            HttpRedisSolver(Secret("redis://127.0.0.1"), lifetime=float("nan"))

    def test_a_challenge_without_token_is_the_cas_mistake(self, solver, challenge_for, scope):
        with pytest.raises(MalformedAnswer, match="there is no token"):
            solver.present(challenge_for(token=None), scope)
        solver.clean_up(challenge_for(token=None), None, scope)

    def test_nothing_is_presented_after_the_end_of_the_scope(self, solver, challenge, scope):
        scope.cancel()
        with pytest.raises(Cancelled):
            solver.present(challenge, scope)

    def test_no_representation_shows_the_password(self, solver, challenge, scope):
        solver.present(challenge, scope)
        assert PASSWORD not in repr(solver) + repr(solver.store)


def test_a_solver_and_its_store_start_nothing_and_connect_nowhere():
    before = threading.active_count()
    store: AnswerStore = RedisStore(Secret("redis://192.0.2.1"))
    assert threading.active_count() == before
    assert isinstance(store, RedisStore)
    assert store.place == "192.0.2.1:6379"
    assert RedisStore(Secret("unix:///run/redis.sock")).place == "/run/redis.sock"
