"""Requests of one directory: signed afresh each time, repeated where that is safe."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import pytest

from acmez.acme import (
    AcmeError,
    BadNonce,
    Cancelled,
    CancelScope,
    Conflict,
    ConnectError,
    DeadlineExceeded,
    DefaultRetry,
    Exchange,
    LostAnswer,
    MalformedAnswer,
    ProblemError,
    RateLimited,
    SigningKey,
    Transport,
)
from acmez.acme.session import Session
from acmez.acme.transport import Response
from acmez.acme.wire import JSONObject, b64decode, parse_object
from tests.acme.server import NONCES, LoopbackServer, Peer, Request, problem, reply

pytestmark = pytest.mark.usefixtures("no_thread_is_left_behind")

IMPATIENT = DefaultRetry(attempts=4, nonce_attempts=4, first_delay=0.001, max_delay=0.002)
ACCOUNT = "https://ca.example/acct/1"


def close_after_reading(_: Request, peer: Peer) -> None:
    peer.sock.close()


def header(request: Request) -> dict[str, Any]:
    protected: dict[str, Any] = json.loads(b64decode(request.jws["protected"]))
    return protected


@pytest.fixture
def observed() -> list[Exchange]:
    return []


@pytest.fixture
def session(server: LoopbackServer, transport: Transport, observed: list[Exchange]) -> Session:
    url = server.acme()
    server.on("/thing", reply(200, {"status": "valid"}))
    return Session(url, transport, IMPATIENT, observe=observed.append, language="de")


@pytest.fixture
def post(session: Session, server: LoopbackServer, key: SigningKey) -> Callable[..., bytes]:
    def send(*, repeatable: bool = True, scope: CancelScope | None = None) -> bytes:
        return session.post(
            f"{server.url}/thing", {"a": 1}, "thing", key=key, key_id=ACCOUNT, repeatable=repeatable, scope=scope
        ).body

    return send


class TestPosting:
    def test_a_request_is_signed_for_its_url_with_a_fresh_nonce(self, server: LoopbackServer, post):
        assert post() == b'{"status": "valid"}'

        (request,) = server.asked("/thing")
        assert request.method == "POST"
        assert request.headers["content-type"] == "application/jose+json"
        assert request.headers["accept"] == "application/json"
        assert request.headers["accept-language"] == "de"
        assert request.headers["user-agent"].startswith("acmez/")
        assert set(request.jws) == {"protected", "payload", "signature"}
        assert header(request) == {"alg": "ES256", "kid": ACCOUNT, "nonce": "bm9uY2U", "url": f"{server.url}/thing"}

    def test_the_first_nonce_is_asked_for_and_the_next_ones_come_with_answers(self, server: LoopbackServer, post):
        server.on(
            "/thing",
            reply(200, replay_nonce="two"),
            reply(200, replay_nonce="not base64url"),
            reply(200, replay_nonce="four"),
            problem(400, "malformed", replay_nonce="five"),
            reply(200),
        )
        for _ in range(3):
            post()
        with pytest.raises(ProblemError):
            post()
        post()

        nonces = [header(request)["nonce"] for request in server.asked("/thing")]
        assert nonces == ["bm9uY2U", "two", "bm9uY2U", "four", "five"]
        assert [request.method for request in server.asked(NONCES)] == ["HEAD", "HEAD"]

    def test_post_as_get_has_an_empty_payload(self, server: LoopbackServer, session: Session, key: SigningKey):
        response = session.post_as_get(f"{server.url}/thing", "order", key=key, key_id=ACCOUNT, accept="a/b")

        assert response.ok
        (request,) = server.asked("/thing")
        assert request.jws["payload"] == ""
        assert request.headers["accept"] == "a/b"

    def test_without_account_the_key_is_sent(self, server: LoopbackServer, session: Session, key: SigningKey):
        session.post(f"{server.url}/thing", {}, "newAccount", key=key, key_id=None, repeatable=True)

        (request,) = server.asked("/thing")
        assert header(request)["jwk"] == key.jwk
        assert "kid" not in header(request)

    def test_nonces_of_the_directory_and_renewal_information_are_kept(
        self, server: LoopbackServer, session: Session, post
    ):
        server.on("/info", reply(200, {}, replay_nonce="info"))
        session.get(f"{server.url}/info", "renewalInfo")
        post()

        assert header(server.asked("/thing")[0])["nonce"] == "info"


class TestBadNonces:
    def test_the_nonce_of_the_error_is_taken(self, server: LoopbackServer, post):
        server.on("/thing", problem(400, "badNonce", replay_nonce="fresh"), reply(200, "ok"))

        assert post(repeatable=False) == b"ok"
        assert [header(request)["nonce"] for request in server.asked("/thing")] == ["bm9uY2U", "fresh"]
        first, second = (request.jws["signature"] for request in server.asked("/thing"))
        assert first != second

    def test_no_other_request_takes_the_nonce_of_the_error(self, server: LoopbackServer, session: Session, post):
        def refuse(_: Request, peer: Peer) -> None:
            peer.send(problem(400, "badNonce", replay_nonce="fresh"))
            for nonce in ("a", "b"):
                session.nonces.put(nonce)  # as other requests do meanwhile

        server.on("/thing", refuse, reply(200, "ok"))

        assert post() == b"ok"
        assert [header(request)["nonce"] for request in server.asked("/thing")] == ["bm9uY2U", "fresh"]

    def test_an_error_without_nonce_costs_another_one(self, server: LoopbackServer, post):
        server.on("/thing", problem(400, "badNonce"), reply(200, "ok"))

        assert post() == b"ok"
        assert len(server.asked(NONCES)) == 2

    def test_the_status_does_not_matter_and_the_content_type_neither(self, server: LoopbackServer, post):
        server.on("/thing", problem(403, "badNonce", content_type="text/plain"), reply(200, "ok"))

        assert post() == b"ok"

    def test_a_server_that_takes_none_is_given_up(self, server: LoopbackServer, post):
        server.on("/thing", problem(400, "badNonce", replay_nonce="again"))

        with pytest.raises(BadNonce):
            post()
        assert len(server.asked("/thing")) == 4

    def test_a_server_without_nonces_is_told(self, server: LoopbackServer, post):
        server.on(NONCES, reply(200, replay_nonce="not base64url"))

        with pytest.raises(MalformedAnswer, match="the answer to newNonce holds no usable Replay-Nonce"):
            post(repeatable=False)

    def test_trouble_with_nonces_is_overcome_also_for_what_must_not_be_repeated(self, server: LoopbackServer, post):
        server.on(NONCES, reply(500), close_after_reading, reply(200, replay_nonce="fresh"))

        post(repeatable=False)

        assert header(server.asked("/thing")[0])["nonce"] == "fresh"
        assert len(server.asked("/thing")) == 1

    def test_a_missing_nonce_is_asked_for_again_also_for_what_must_not_be_repeated(self, server: LoopbackServer, post):
        server.on(NONCES, reply(200), reply(200, replay_nonce="fresh"))

        post(repeatable=False)

        assert len(server.asked("/thing")) == 1

    def test_a_lost_nonce_leaves_no_doubt_about_the_request(self, server: LoopbackServer, post):
        server.on(NONCES, close_after_reading)

        with pytest.raises(ConnectError):
            post(repeatable=False)
        assert server.asked("/thing") == []


class TestRepeating:
    @pytest.mark.parametrize(
        "answer",
        [
            close_after_reading,
            lambda _, peer: peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n"),
            problem(400, "badNonce"),
            problem(409, "conflict"),
            problem(429, "rateLimited", retry_after="0"),
            reply(429, "<html>"),
            reply(500, "<html>"),
            problem(502, "serverInternal"),
            reply(503, "<html>"),
        ],
        ids=["closed", "truncated", "badNonce", "409", "429", "429-html", "500", "502", "503"],
    )
    def test_what_does_no_harm_twice_is_signed_and_sent_again(self, server: LoopbackServer, post, answer):
        server.on(NONCES, *(reply(replay_nonce=f"nonce-{number}") for number in range(9)))
        server.on("/thing", answer, answer, reply(200, "ok"))

        assert post() == b"ok"
        requests = server.asked("/thing")
        assert len(requests) == 3
        assert len({header(request)["nonce"] for request in requests}) == 3
        assert len({request.jws["signature"] for request in requests}) == 3

    @pytest.mark.parametrize(
        ("answer", "error"),
        [
            (close_after_reading, LostAnswer),
            (reply(500, "<html>"), ProblemError),
            (problem(501, "malformed"), ProblemError),
            (problem(409, "conflict"), Conflict),
        ],
    )
    def test_what_may_have_been_acted_on_is_not(self, server: LoopbackServer, post, answer, error: type[AcmeError]):
        server.on("/thing", answer)

        with pytest.raises(error):
            post(repeatable=False)
        assert len(server.asked("/thing")) == 1

    @pytest.mark.parametrize(
        "answer", [reply(503, "busy", retry_after="0"), problem(429, "rateLimited", retry_after="0")]
    )
    def test_who_is_asked_to_come_back_comes_back(self, server: LoopbackServer, post, answer):
        server.on("/thing", answer, reply(200, "ok"))

        assert post(repeatable=False) == b"ok"

    def test_an_answer_that_cannot_be_read_is_asked_for_again(
        self, server: LoopbackServer, session: Session, key: SigningKey
    ):
        server.on("/thing", reply(200, "<html>"), reply(200, {"a": 1}))

        def read(response: Response) -> JSONObject:
            return parse_object(response.body, response.url)

        send = partial(session.post_and_read, read, f"{server.url}/thing", None, "thing", key=key, key_id=ACCOUNT)
        assert send(repeatable=True) == {"a": 1}
        server.on("/thing", reply(200, "<html>"), reply(200, {"a": 1}))
        with pytest.raises(MalformedAnswer):
            send(repeatable=False)

    def test_who_is_asked_to_come_back_in_hours_does_not_wait(self, server: LoopbackServer, post):
        server.on("/thing", problem(429, "rateLimited", retry_after="86400"))

        with pytest.raises(RateLimited) as caught:
            post()
        assert caught.value.retry_after == 86400.0
        assert len(server.asked("/thing")) == 1

    def test_it_gives_up_in_the_end(self, server: LoopbackServer, post):
        server.on("/thing", close_after_reading)

        with pytest.raises(LostAnswer):
            post()
        assert len(server.asked("/thing")) == 4

    def test_a_refusal_is_final(self, server: LoopbackServer, post):
        server.on("/thing", problem(403, "unauthorized"))

        with pytest.raises(ProblemError):
            post()
        assert len(server.asked("/thing")) == 1

    def test_redirects_of_a_post_are_not_followed(self, server: LoopbackServer, post):
        server.on("/thing", reply(307, location="/elsewhere"))

        with pytest.raises(ProblemError, match="which is not followed"):
            post()
        assert server.asked("/elsewhere") == []


class TestDirectory:
    def test_it_is_fetched_once(self, server: LoopbackServer, session: Session):
        assert session.directory() is session.directory()
        assert len(server.asked("/directory")) == 1
        assert server.asked("/directory")[0].method == "GET"

    def test_it_is_fetched_again_when_asked_to(self, server: LoopbackServer, session: Session):
        before = session.directory()

        assert session.directory(refresh=True) is not before
        assert len(server.asked("/directory")) == 2

    def test_it_is_fetched_again_when_it_is_not_fresh_any_more(
        self, server: LoopbackServer, session: Session, monkeypatch: pytest.MonkeyPatch
    ):
        session.directory()
        monkeypatch.setattr("acmez.acme.directory.Directory.fresh", property(lambda _: False))
        session.directory()

        assert len(server.asked("/directory")) == 2

    def test_32_threads_share_one_fetch(self, server: LoopbackServer, session: Session):
        with ThreadPoolExecutor(32) as pool:
            found = list(pool.map(lambda _: session.directory(), range(32)))

        assert len(set(map(id, found))) == 1
        assert len(server.asked("/directory")) == 1

    def test_32_threads_share_one_failure(self, server: LoopbackServer, session: Session):
        arrived = threading.Barrier(32)
        server.on("/directory", reply(404))

        def fetch(_: int) -> str:
            arrived.wait(5)
            with pytest.raises(ProblemError) as caught:
                session.directory()
            return str(caught.value)

        with ThreadPoolExecutor(32) as pool:
            assert len(set(pool.map(fetch, range(32)))) == 1

        assert len(server.asked("/directory")) < 32
        server.acme()
        assert session.directory().get("newOrder")

    def test_a_failed_refresh_leaves_the_directory_that_is_known(self, server: LoopbackServer, session: Session):
        known = session.directory()
        server.on("/directory", reply(404))

        with pytest.raises(ProblemError):
            session.directory(refresh=True)
        assert session.directory() is known

    def test_who_waits_for_anothers_fetch_gives_up_at_its_own_deadline(self, server: LoopbackServer, session: Session):
        arrived = threading.Event()

        def hang(_: Request, peer: Peer) -> None:
            arrived.set()
            peer.hang()

        server.on("/directory", hang)
        patient = CancelScope()
        with ThreadPoolExecutor(1) as pool:
            leader = pool.submit(session.directory, patient)
            assert arrived.wait(5)
            with pytest.raises(DeadlineExceeded):
                session.directory(CancelScope(0.05))
            patient.cancel()
            with pytest.raises(Cancelled):
                leader.result(5)

    def test_the_cancellation_of_one_is_no_failure_for_the_others(self, server: LoopbackServer, session: Session):
        arrived = threading.Event()

        def hang(_: Request, peer: Peer) -> None:
            arrived.set()
            peer.hang()

        server.acme()
        good = server._answers["/directory"]
        server.on("/directory", hang, *good)
        scope = CancelScope()
        with ThreadPoolExecutor(2) as pool:
            leader = pool.submit(session.directory, scope)
            assert arrived.wait(5)
            follower = pool.submit(session.directory)
            scope.cancel()
            assert follower.result(5).get("newOrder")
            with pytest.raises(Cancelled):
                leader.result(5)

    def test_a_directory_that_cannot_be_had_is_tried_for_only_as_long_as_one_request(
        self, server: LoopbackServer, post
    ):
        server.on("/directory", close_after_reading)

        with pytest.raises(ConnectError):
            post(repeatable=False)
        assert len(server.asked("/directory")) == 4

    def test_a_get_is_repeated(self, server: LoopbackServer, session: Session):
        server.on("/info", reply(500), close_after_reading, reply(200, "ok"))

        assert session.get(f"{server.url}/info", "renewalInfo").body == b"ok"


class TestWarmingUp:
    def test_connections_are_opened_and_nonces_kept(self, server: LoopbackServer, session: Session, post):
        session.directory()
        arrived = threading.Barrier(4)

        def together(_: Request, peer: Peer) -> None:
            arrived.wait(5)
            peer.send(reply(200, replay_nonce="warm").partition(b"\r\n\r\n")[0] + b"\r\n\r\n")

        server.on(NONCES, together)
        session.warm_up(4, CancelScope())
        while len(session.nonces) < 4:
            CancelScope().sleep(0.001)

        assert len(server.asked(NONCES)) == 4
        session.warm_up(4, CancelScope())
        post()
        assert len(server.asked(NONCES)) == 4

    def test_a_failure_is_told_to_who_needs_the_nonce(self, server: LoopbackServer, session: Session, post):
        server.on(NONCES, reply(404))
        session.warm_up(1, CancelScope())
        while not server.asked(NONCES):
            CancelScope().sleep(0.001)

        assert len(session.nonces) == 0
        with pytest.raises(ProblemError):
            post()


class TestScopes:
    def test_a_request_ends_with_its_scope(self, server: LoopbackServer, post):
        server.on("/thing", lambda _, peer: peer.hang())

        with pytest.raises(DeadlineExceeded):
            post(scope=CancelScope(0.2))

    def test_a_pause_between_tries_ends_with_its_scope(self, server: LoopbackServer, post):
        server.on("/thing", reply(503, retry_after="30"))
        scope = CancelScope()
        timer = threading.Timer(0.2, scope.cancel)
        timer.start()

        with pytest.raises(Cancelled):
            post(scope=scope)
        timer.join()

    def test_a_pause_beyond_the_deadline_is_not_begun(self, server: LoopbackServer, post):
        server.on("/thing", reply(503, retry_after="30"))

        with pytest.raises(ProblemError):
            post(scope=CancelScope(10))


def test_who_watches_sees_every_try(server: LoopbackServer, post, observed: list[Exchange]):
    server.on("/thing", problem(400, "badNonce", replay_nonce="x"), close_after_reading, reply(200))

    post()

    assert [(e.operation, e.method, e.status, e.attempt) for e in observed] == [
        ("directory", "GET", 200, 1),
        ("newNonce", "HEAD", 200, 1),
        ("thing", "POST", 400, 1),
        ("thing", "POST", None, 2),
        ("newNonce", "HEAD", 200, 3),
        ("thing", "POST", 200, 3),
    ]
    assert observed[3].error is not None
    assert "thing" in observed[3].error
    assert all(e.seconds > 0 and e.started > 0 and e.url.startswith(server.url) for e in observed)
    assert [e.error for e in observed if e.status is not None] == [None] * 5


def test_32_threads_use_no_nonce_twice(server: LoopbackServer, session: Session, post):
    fresh = [reply(200, replay_nonce=f"nonce{number}") for number in range(1000)]
    server.on("/thing", *fresh[:500])
    server.on(NONCES, *fresh[500:])
    with ThreadPoolExecutor(32) as pool:
        list(pool.map(lambda _: post(), range(200)))

    nonces = [header(request)["nonce"] for request in server.asked("/thing")]
    assert len(set(nonces)) == 200


def test_the_application_is_named_in_front_of_the_library(server: LoopbackServer, authority):
    with Transport(trust=authority.cert_pem.bytes(), user_agent="shop/1.0") as transport:
        Session(server.acme(), transport, IMPATIENT, observe=None, language="en").directory()

    assert server.requests[0].headers["user-agent"].startswith("shop/1.0 acmez/")


def test_a_library_that_is_not_installed_is_named_without_version(monkeypatch: pytest.MonkeyPatch):
    from importlib import metadata

    from acmez.acme.session import _user_agent

    def absent(name: str) -> str:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr("importlib.metadata.version", absent)
    assert _user_agent.__wrapped__() == "acmez"
