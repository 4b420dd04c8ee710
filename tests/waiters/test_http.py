"""The self-check sees what a CA would see, and says what is wrong."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import trustme

from acmez import options
from acmez.acme.challenge import Challenge
from acmez.acme.errors import Cancelled, DeadlineExceeded, MalformedAnswer
from acmez.acme.identifier import Identifier
from acmez.acme.scope import CancelScope
from acmez.protocols import Waiter
from acmez.waiters.http import HttpSelfCheck, SelfCheckError
from tests.pebble.ports import ReservedPorts

PATH = "/.well-known/acme-challenge/tok-EN_1"
KEY_AUTHORIZATION = b"tok-EN_1.thumb-PRINT_1"
ENOUGH = 30.0  # seconds within which everything here comes to its end by far

Reply = tuple[int, dict[str, str], bytes]


class _Server(ThreadingHTTPServer):
    daemon_threads = False
    request_queue_size = 64

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that hangs up is no error of the test."""


@dataclass
class Site:
    """A web server on one loopback address that answers as a test wants."""

    host: str
    port: int = 0
    replies: dict[str, Reply] = field(default_factory=lambda: {PATH: (200, {}, KEY_AUTHORIZATION)})
    tls: ssl.SSLContext | None = None
    seen: list[tuple[str, str]] = field(default_factory=list)

    @contextlib.contextmanager
    def running(self) -> Iterator[Site]:
        site = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                site.seen.append((self.path, self.headers["Host"]))
                status, fields, body = site.replies.get(self.path, (404, {}, b"not here"))
                self.send_response(status)
                for name, value in fields.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Stay silent."""

        class Server(_Server):
            address_family = socket.AF_INET6 if ":" in site.host else socket.AF_INET

        with Server((self.host, self.port), Handler) as server:
            self.port = server.server_address[1]
            if self.tls is not None:
                server.socket = self.tls.wrap_socket(server.socket, server_side=True)
            thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
            thread.start()
            try:
                yield self
            finally:
                server.shutdown()
                thread.join()


@pytest.fixture
def start() -> Iterator[Callable[..., Site]]:
    with contextlib.ExitStack() as stack:
        yield lambda *args, **options: stack.enter_context(Site(*args, **options).running())


@pytest.fixture
def site(start: Callable[..., Site]) -> Site:
    return start("127.0.0.1")


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[str]]:
    """Name -> addresses, in the system's order of preference."""
    known: dict[str, list[str]] = {}
    real = socket.getaddrinfo

    def getaddrinfo(host: str, port: int, *args: int, **options: int) -> list[object]:
        return [row for one in known.get(host, [host]) for row in real(one, port, *args, **options)]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    return known


@pytest.fixture
def scope() -> CancelScope:
    return CancelScope(ENOUGH)


@pytest.fixture
def challenge() -> Challenge:
    return challenge_for(Identifier.ip("127.0.0.1"))


def challenge_for(identifier: Identifier, token: str | None = "tok-EN_1") -> Challenge:  # noqa: S107
    return Challenge(
        type="http-01",
        url="https://ca.test/challenge/1",
        status="pending",
        identifier=identifier,
        token=token,
        thumbprint="thumb-PRINT_1",
    )


def failure(check: HttpSelfCheck, challenge: Challenge) -> str:
    """Return what the check says, which must not be that the answer is there, and must not tell a secret."""
    with pytest.raises(SelfCheckError) as caught:
        check.wait(challenge, CancelScope(ENOUGH))
    message = str(caught.value)
    assert "tok-EN_1" not in message
    assert "thumb-PRINT_1" not in message
    return message


def impatient(port: int, **options: object) -> HttpSelfCheck:
    """Return a check that looks once."""
    return HttpSelfCheck(port=port, timeout=2.0, interval=2.0, **options)  # type: ignore[arg-type]


@contextlib.contextmanager
def raw_server(serve: Callable[[socket.socket], None]) -> Iterator[int]:
    """Let *serve* have the first connection to the port that is yielded."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(ENOUGH)

        def accept() -> None:
            with contextlib.suppress(OSError), listener.accept()[0] as connection:
                serve(connection)

        thread = threading.Thread(target=accept)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            thread.join()


@contextlib.contextmanager
def black_hole(host: str, port: int = 0) -> Iterator[int]:
    """Let nobody connect to the port that is yielded, and tell nobody."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as full, contextlib.ExitStack() as stack:
        full.bind((host, port))
        full.listen(0)
        for _ in range(3):  # connections that nobody accepts; the next one hears nothing
            filler = stack.enter_context(socket.socket(family))
            filler.setblocking(False)
            filler.connect_ex(full.getsockname())
        yield full.getsockname()[1]


def test_it_is_a_waiter():
    as_protocol: Waiter = HttpSelfCheck()
    assert as_protocol.name == "http-self-check"


class TestSeen:
    def test_it_returns_when_the_answer_is_there(self, site, challenge, scope):
        HttpSelfCheck(port=site.port).wait(challenge, scope)
        assert site.seen == [(PATH, "127.0.0.1")]

    def test_white_space_at_the_end_does_not_count(self, site, challenge, scope):
        site.replies[PATH] = (200, {}, KEY_AUTHORIZATION + b" \r\n")
        HttpSelfCheck(port=site.port).wait(challenge, scope)

    def test_it_asks_again_until_the_answer_is_there(self, site, challenge, scope):
        late = site.replies.pop(PATH)

        class Replies(dict[str, Reply]):
            def get(self, path: str, default: Reply) -> Reply:  # type: ignore[override]
                return default if len(site.seen) < 3 else late

        site.replies = Replies()
        HttpSelfCheck(port=site.port, interval=0.01).wait(challenge, scope)
        assert len(site.seen) == 3

    def test_it_waits_for_a_server_that_is_not_up_yet(self, challenge, scope):
        with ReservedPorts(1) as reserved:
            (port,) = reserved.numbers
            check = HttpSelfCheck(port=port, interval=0.02)
            waiting = threading.Thread(target=check.wait, args=(challenge, scope))
            waiting.start()
            scope.sleep(0.05)
            with Site("127.0.0.1", port).running() as site:
                waiting.join()
                assert site.seen == [(PATH, "127.0.0.1")]

    def test_an_ipv6_address_is_asked_with_brackets(self, start, scope):
        site = start("::1")
        HttpSelfCheck(port=site.port).wait(challenge_for(Identifier.ip("::1")), scope)
        assert site.seen == [(PATH, "[::1]")]

    def test_a_name_is_asked_as_a_ca_asks_it(self, site, names, scope):
        names["shop.example.test"] = ["127.0.0.1"]
        HttpSelfCheck(port=site.port).wait(challenge_for(Identifier.dns("Shop.Example.test")), scope)
        assert site.seen == [(PATH, "shop.example.test")]


class TestNotSeen:
    def test_a_refused_connection_names_the_address(self, challenge):
        with ReservedPorts(1) as deaf:
            (port,) = deaf.numbers
            assert failure(impatient(port), challenge) == (
                f"127.0.0.1: the answer is not there after 2 s: 127.0.0.1:{port}: connection refused"
            )

    def test_a_status_is_told(self, site, challenge):
        site.replies[PATH] = (403, {}, KEY_AUTHORIZATION)
        assert failure(impatient(site.port), challenge).endswith(f"127.0.0.1:{site.port}: status 403")

    def test_the_beginning_of_another_answer_is_told(self, site, challenge):
        site.replies[PATH] = (200, {}, b"<html>\n" + b"x" * 1000)
        shown = "'<html>\\n" + "x" * 93 + "'"
        assert failure(impatient(site.port), challenge).endswith(f": another answer: {shown}")

    def test_an_empty_answer_is_told(self, site, challenge):
        site.replies[PATH] = (200, {}, b"")
        assert failure(impatient(site.port), challenge).endswith(": an empty answer")

    @pytest.mark.parametrize(
        ("body", "shown"),
        [
            (KEY_AUTHORIZATION + b" and more", "<key authorization> and more"),
            (b"no such file: " + PATH.encode(), "no such file: /.well-known/acme-challenge/<token>"),
            (b"tok-EN_1.another-account", "<token>.another-account"),
            (b"x" * 95 + KEY_AUTHORIZATION, "x" * 95 + "<key "),
        ],
    )
    def test_what_we_keep_secret_is_cut_out(self, site, challenge, body, shown):
        site.replies[PATH] = (200, {}, body)
        assert failure(impatient(site.port), challenge).endswith(f": another answer: '{shown}'")

    def test_an_answer_without_end_is_read_to_a_limit(self, challenge):
        stop = threading.Event()

        def serve(connection: socket.socket) -> None:
            connection.recv(4096)
            connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
            while not stop.is_set():
                connection.sendall(b"y" * 65536)

        with raw_server(serve) as port:
            message = failure(impatient(port), challenge)
            stop.set()
        assert message.endswith(f": another answer: '{'y' * 100}'")

    def test_a_drip_does_not_outlast_the_timeout(self, challenge):
        stop = threading.Event()

        def serve(connection: socket.socket) -> None:
            while not stop.wait(0.02):
                connection.sendall(b"H")

        check = HttpSelfCheck(timeout=0.3, interval=0.3)
        with raw_server(serve) as check.port:
            message = failure(check, challenge)
            stop.set()
        assert message.endswith(": no answer in time")

    @pytest.mark.parametrize(
        ("answer", "reason"),
        [
            (b"", "the connection was closed without an answer"),
            (b"SSH-2.0-server\r\n", "not an answer in HTTP (BadStatusLine)"),
            (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "not an answer in HTTP (IncompleteRead)"),
        ],
    )
    def test_what_is_not_http_is_told(self, challenge, answer, reason):
        def serve(connection: socket.socket) -> None:
            connection.recv(4096)
            connection.sendall(answer)

        with raw_server(serve) as port:
            assert failure(impatient(port), challenge).endswith(f"127.0.0.1:{port}: {reason}")

    def test_a_name_without_address_is_told(self):
        message = failure(HttpSelfCheck(timeout=0.1), challenge_for(Identifier.dns("a" * 60 + ".invalid")))
        assert ".invalid: the answer is not there after 0.1 s: the name does not resolve: " in message

    @pytest.mark.parametrize("name", ["a b.test", "a\r\nb.test", "bücher.test", "a/b.test", ""])
    def test_what_is_not_a_name_is_asked_of_nobody(self, name, scope):
        with pytest.raises(MalformedAnswer):
            HttpSelfCheck().wait(challenge_for(Identifier.dns(name)), scope)

    def test_a_challenge_without_token_is_the_cas_mistake(self, scope):
        with pytest.raises(MalformedAnswer, match="there is no token"):
            HttpSelfCheck().wait(challenge_for(Identifier.ip("127.0.0.1"), None), scope)


class TestAddresses:
    """A CA tries one family, and the other if it cannot connect."""

    name = challenge_for(Identifier.dns("both.example.test"))

    @pytest.fixture
    def both(self, start: Callable[..., Site], names: dict[str, list[str]]) -> Iterator[tuple[Site, Site]]:
        """IPv6 and IPv4 servers of one name, on one port."""
        names["both.example.test"] = ["::1", "127.0.0.1"]
        with ReservedPorts(1) as reserved:  # for IPv4, which has many more users
            (port,) = reserved.numbers
            yield start("::1", port), start("127.0.0.1", port)

    def test_both_families_are_asked(self, both, scope):
        HttpSelfCheck(port=both[0].port).wait(self.name, scope)
        assert [len(site.seen) for site in both] == [1, 1]

    @pytest.mark.parametrize("wrong", [0, 1])
    def test_a_wrong_answer_in_one_family_is_fatal(self, both, wrong):
        both[wrong].replies[PATH] = (200, {}, b"the old server")
        address = ["[::1]", "127.0.0.1"][wrong]
        message = failure(impatient(both[0].port), self.name)
        assert message.endswith(f" s: {address}:{both[0].port}: another answer: 'the old server'")

    def test_a_wrong_answer_counts_not_where_one_right_answer_is_enough(self, both, scope):
        both[0].replies[PATH] = (200, {}, b"the old server")
        HttpSelfCheck(port=both[0].port, both_families=False).wait(self.name, scope)
        assert [len(site.seen) for site in both] == [1, 1]

    @pytest.mark.parametrize("host", ["::1", "127.0.0.1"])
    def test_one_family_may_be_out_of_reach(self, start, names, scope, host):
        names["both.example.test"] = ["::1", "127.0.0.1"]
        site = start(host)
        HttpSelfCheck(port=site.port).wait(self.name, scope)
        assert len(site.seen) == 1

    def test_a_family_that_swallows_everything_leaves_time_for_the_other(self, site, names, scope):
        names["both.example.test"] = ["::1", "127.0.0.1"]
        with black_hole("::1", site.port):
            HttpSelfCheck(port=site.port, timeout=0.6).wait(self.name, scope)
        assert len(site.seen) == 1

    def test_an_address_that_swallows_everything_is_told(self, challenge):
        check = HttpSelfCheck(timeout=0.2, interval=0.2)
        with black_hole("127.0.0.1") as check.port:
            assert failure(check, challenge).endswith(f"127.0.0.1:{check.port}: no answer in time")

    def test_no_single_address_of_the_only_family_may_be_out_of_reach(self, site, names):
        names["both.example.test"] = ["127.0.0.1", "127.0.0.2"]
        message = failure(impatient(site.port), self.name)
        assert message.endswith(f" s: 127.0.0.2:{site.port}: connection refused")

    def test_all_of_what_is_wrong_is_told(self, both, names):
        names["both.example.test"].append("127.0.0.2")
        both[0].replies[PATH] = (200, {}, b"")
        message = failure(impatient(both[0].port), self.name)
        assert f"[::1]:{both[0].port}: an empty answer; 127.0.0.2:{both[0].port}: connection refused" in message


class TestRedirects:
    def test_they_are_followed_as_a_ca_does(self, site, names, challenge, scope):
        names["other.example.test"] = ["127.0.0.1"]
        site.replies[PATH] = (301, {"Location": "/here"}, b"")
        site.replies["/here"] = (302, {"Location": "http://other.example.test/there?x=1"}, b"")
        site.replies["/there?x=1"] = (308, {"Location": "//other.example.test:80/last"}, b"")
        site.replies["/last"] = (200, {}, KEY_AUTHORIZATION)
        HttpSelfCheck(port=site.port).wait(challenge, scope)
        assert site.seen == [
            (PATH, "127.0.0.1"),
            ("/here", "127.0.0.1"),
            ("/there?x=1", "other.example.test"),
            ("/last", "other.example.test:80"),
        ]

    def test_https_is_followed_whatever_the_certificate(self, site, start, challenge, scope):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        trustme.CA().issue_cert("expired.example.test").configure_cert(context)
        secure = start("127.0.0.1", tls=context)
        site.replies[PATH] = (301, {"Location": f"https://127.0.0.1{PATH}"}, b"")
        HttpSelfCheck(port=site.port, https_port=secure.port).wait(challenge, scope)
        assert secure.seen == [(PATH, "127.0.0.1")]

    def test_what_is_wrong_at_the_end_is_told_with_the_way(self, site, challenge):
        site.replies[PATH] = (301, {"Location": f"/moved{PATH}"}, b"")
        assert failure(impatient(site.port), challenge).endswith(
            ": redirects to 'http://127.0.0.1/moved/.well-known/acme-challenge/<token>': status 404"
        )

    def test_a_place_out_of_reach_is_told_with_the_way(self, site, challenge):
        site.replies[PATH] = (301, {"Location": f"http://127.0.0.2{PATH}"}, b"")
        message = failure(impatient(site.port), challenge)
        assert message.endswith(f"<token>': 127.0.0.2:{site.port}: connection refused")
        assert f"127.0.0.1:{site.port}: redirects to 'http://127.0.0.2/" in message

    @pytest.mark.parametrize("count", [10, 11])
    def test_ten_are_followed_and_no_more(self, site, challenge, scope, count):
        site.replies = {f"/{number}": (301, {"Location": f"/{number + 1}"}, b"") for number in range(1, count)}
        site.replies[PATH] = (301, {"Location": "/1"}, b"")
        site.replies[f"/{count}"] = (200, {}, KEY_AUTHORIZATION)
        if count == 10:
            HttpSelfCheck(port=site.port).wait(challenge, scope)
        else:
            assert "more than 10 redirects" in failure(impatient(site.port), challenge)

    @pytest.mark.parametrize(
        ("location", "reason"),
        [
            ("ftp://127.0.0.1/", "'ftp://127.0.0.1/': not an http or https URL"),
            ("http://127.0.0.1:8080/", "'http://127.0.0.1:8080/': port 8080 is none that CAs go to"),
            ("http://127.0.0.1/x y", "'http://127.0.0.1/x y': not a URL that can be asked for"),
            ("http://a b/", "'http://a b/': not a URL that can be asked for"),
            ("http://127.0.0.1:x/", "'http://127.0.0.1:x/': not an http or https URL"),
            ("http://[::1/", "redirects to what is not a URL"),
            ("", "redirects to nowhere: there is no Location"),
        ],
    )
    def test_where_a_ca_would_not_go_is_told(self, site, challenge, location, reason):
        site.replies[PATH] = (302, {"Location": location}, b"")
        assert failure(impatient(site.port), challenge).endswith(reason)

    @pytest.mark.parametrize("status", [300, 303, 304])
    def test_other_redirects_are_answers_that_no_ca_takes(self, site, challenge, status):
        site.replies[PATH] = (status, {"Location": "/right"}, b"")
        site.replies["/right"] = (200, {}, KEY_AUTHORIZATION)
        assert failure(impatient(site.port), challenge).endswith(f": status {status}")

    def test_they_can_be_refused(self, site, challenge):
        site.replies[PATH] = (301, {"Location": "/right"}, b"")
        site.replies["/right"] = (200, {}, KEY_AUTHORIZATION)
        check = impatient(site.port, follow_redirects=False)
        assert failure(check, challenge).endswith(": status 301")


class Running:
    """A check in a thread of its own, which is to end long before it would by itself."""

    def __init__(self, check: HttpSelfCheck, challenge: Challenge, scope: CancelScope) -> None:
        self._ended: list[BaseException] = []
        self._thread = threading.Thread(target=self._run, args=(check, challenge, scope))
        self._thread.start()

    def _run(self, check: HttpSelfCheck, challenge: Challenge, scope: CancelScope) -> None:
        try:
            check.wait(challenge, scope)
        except BaseException as error:  # noqa: BLE001
            self._ended.append(error)

    def ended(self) -> list[type[BaseException]]:
        self._thread.join(5.0)  # left to itself, a look takes ten seconds
        return [type(error) for error in self._ended]


class TestScope:
    @contextlib.contextmanager
    def cancelled_while(self, check: HttpSelfCheck, challenge: Challenge) -> Iterator[CancelScope]:
        scope = CancelScope()
        running = Running(check, challenge, scope)
        yield scope
        scope.cancel()
        assert running.ended() == [Cancelled]

    def test_a_cancellation_ends_a_connect(self, challenge):
        with black_hole("127.0.0.1") as port, self.cancelled_while(HttpSelfCheck(port=port), challenge) as scope:
            scope.sleep(0.1)

    def test_a_cancellation_ends_a_read(self, challenge):
        asked, done = threading.Event(), threading.Event()

        def serve(connection: socket.socket) -> None:
            connection.recv(4096)
            asked.set()
            done.wait(ENOUGH)

        with raw_server(serve) as port:
            with self.cancelled_while(HttpSelfCheck(port=port), challenge):
                assert asked.wait(ENOUGH)
            done.set()

    def test_a_cancellation_ends_a_tls_handshake(self, site, challenge):
        asked, done = threading.Event(), threading.Event()

        def serve(connection: socket.socket) -> None:
            connection.recv(4096)
            asked.set()
            done.wait(ENOUGH)

        site.replies[PATH] = (301, {"Location": "https://127.0.0.1/"}, b"")
        with raw_server(serve) as port:
            with self.cancelled_while(HttpSelfCheck(port=site.port, https_port=port), challenge):
                assert asked.wait(ENOUGH)
            done.set()

    def test_a_cancellation_ends_a_name_lookup(self, monkeypatch: pytest.MonkeyPatch):
        asked, done = threading.Event(), threading.Event()

        def getaddrinfo(*_: object, **__: object) -> list[object]:
            asked.set()
            done.wait(ENOUGH)
            return []

        monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
        with self.cancelled_while(HttpSelfCheck(), challenge_for(Identifier.dns("slow.example.test"))):
            assert asked.wait(ENOUGH)
        done.set()

    def test_a_cancellation_ends_a_pause(self, site, challenge):
        site.replies.clear()
        with self.cancelled_while(HttpSelfCheck(port=site.port, interval=30), challenge) as scope:
            while not site.seen:
                scope.sleep(0.01)

    def test_the_end_of_the_scope_is_not_the_end_of_the_check(self, site, challenge):
        site.replies.clear()
        with pytest.raises(DeadlineExceeded):
            HttpSelfCheck(port=site.port).wait(challenge, CancelScope(0.1))

    def test_the_deadline_of_the_scope_bounds_a_read(self, challenge):
        done = threading.Event()

        def serve(_: socket.socket) -> None:
            done.wait(ENOUGH)

        with raw_server(serve) as port:
            assert Running(HttpSelfCheck(port=port), challenge, CancelScope(0.1)).ended() == [DeadlineExceeded]
            done.set()

    def test_nothing_is_asked_after_the_end_of_the_scope(self, site, challenge, scope):
        scope.cancel()
        with pytest.raises(Cancelled):
            HttpSelfCheck(port=site.port).wait(challenge, scope)
        assert site.seen == []


class TestOptions:
    def test_they_can_be_written_in_toml(self):
        table: dict[str, object] = {"port": 8080, "timeout": 5, "both-families": False, "follow-redirects": False}
        assert options.build(HttpSelfCheck, table) == HttpSelfCheck(
            port=8080, timeout=5.0, both_families=False, follow_redirects=False
        )

    @pytest.mark.parametrize(
        "wrong", [{"port": 0}, {"https_port": 65536}, {"timeout": 0.0}, {"interval": -1.0}, {"timeout": float("nan")}]
    )
    def test_a_number_out_of_range_is_refused(self, wrong):
        (option,) = wrong
        with pytest.raises(ValueError, match=f"^{option}: "):
            HttpSelfCheck(**wrong)
