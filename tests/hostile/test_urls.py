"""URLs that a CA sends: where a client lets itself be led, and where not (RFC 8555 §6.1, §10)."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest
import trustme
from acmez_testkit import Answer, EditHeaders

from acmez.acme import (
    Client,
    ConnectError,
    DefaultRetry,
    InputError,
    MalformedAnswer,
    ProblemError,
    SigningKey,
    Transport,
)
from acmez.acme.wire import Members, resolved
from tests.acme.keys import P256
from tests.acme.server import LoopbackServer, reply
from tests.hostile.answers import NAME, TRICKS, made, names, order, origin, tricky
from tests.hostile.conftest import Start
from tests.solvers import TxtSolver, WebSolver

KEY = SigningKey(P256)


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:1/latest/meta-data",
        "http://169.254.169.254/latest/meta-data",
        "http://[fe80::1]/",
        "file:///etc/passwd",
        "ftp://ca.example/x",
        "gopher://127.0.0.1:6379/_SET",
        "unix:/run/docker.sock",
        "data:application/json,{}",
        "javascript:alert(1)",
    ],
)
@pytest.mark.parametrize("member", ["authorizations", "finalize"])
def test_nothing_is_sent_but_by_https(start: Start, member: str, url: str):
    lab = start()
    solver = WebSolver(web=lab.web)
    client = lab.client(solver)
    status = "ready" if member == "finalize" else "pending"
    document = order(lab, status=status, **{member: [url] if member == "authorizations" else url})
    lab.ca.faults.add("new-order", made(lab, document))
    with pytest.raises(MalformedAnswer, match=r"needs https|not an https URL"):
        client.obtain([NAME])
    assert solver.calls == []


def test_the_callers_own_url_is_the_callers_error():
    with Client("http://127.0.0.1:1/directory") as client, pytest.raises(InputError, match="needs https"):
        client.directory()


def test_a_directory_may_not_lead_away_from_https(server: LoopbackServer, client: Client):
    with LoopbackServer(None) as plain:
        paths = {name: f"{plain.url}/{name}" for name in ("newNonce", "newAccount", "newOrder")}
        server.on("/directory", reply(200, paths))
        with pytest.raises(MalformedAnswer, match="needs https"):
            client.new_account(KEY)
        assert plain.connections == 0


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("target", ["/elsewhere", "https://localhost:{port}/elsewhere", "file:///etc/passwd"])
def test_no_redirect_is_followed(server: LoopbackServer, client: Client, status: int, target: str):
    server.on("/directory", reply(status, location=target.format(port=server.port)))
    server.on("/elsewhere", reply(200, {}))
    with pytest.raises(ProblemError, match="which is not followed"):
        client.directory()
    assert server.asked("/elsewhere") == []


def test_a_host_that_nobody_vouches_for_gets_nothing(server: LoopbackServer, client: Client):
    """What a CA links to on this machine or network is no use to it: its TLS certificate does not fit."""
    with LoopbackServer(trustme.CA()) as inside:
        server.on("/directory", reply(200, dict.fromkeys(("newNonce", "newAccount", "newOrder"), inside.url)))
        with pytest.raises(ConnectError, match="certificate verify failed"):
            client.new_account(KEY)
        assert inside.requests == []


class TestPinnedHost:
    """`Client(pin_host=True)`; the same server answers as localhost and as 127.0.0.1."""

    def test_without_it_other_hosts_are_asked(self, start: Start):
        lab = start()
        client = lab.client(WebSolver(web=lab.web))
        elsewhere = origin(lab).replace("localhost", "127.0.0.1") + "/x"
        lab.ca.faults.add("new-order", made(lab, order(lab, authorizations=[elsewhere])))
        with pytest.raises(ProblemError, match=r"https://127\.0\.0\.1:\d+/x: HTTP 404"):
            client.obtain([NAME])
        assert urlsplit(elsewhere).path in [seen.path for seen in lab.ca.requests]

    def test_the_cas_own_host_is_asked(self, start: Start):
        lab = start()
        client = lab.client(WebSolver(web=lab.web), pin_host=True)
        assert names(client.obtain([NAME])) == {NAME}

    @pytest.mark.parametrize("member", ["authorizations", "finalize"])
    def test_another_host_in_an_order_is_refused(self, start: Start, member: str):
        lab = start()
        solver = WebSolver(web=lab.web)
        client = lab.client(solver, pin_host=True)
        elsewhere = origin(lab).replace("localhost", "127.0.0.1") + "/x"
        assert elsewhere not in origin(lab)
        status = "ready" if member == "finalize" else "pending"
        document = order(lab, status=status, **{member: [elsewhere] if member == "authorizations" else elsewhere})
        lab.ca.faults.add("new-order", made(lab, document))
        with pytest.raises(MalformedAnswer, match=r"not a host to send to; allowed: localhost$"):
            client.obtain([NAME])
        assert urlsplit(elsewhere).path not in [seen.path for seen in lab.ca.requests]
        assert solver.calls == []

    def test_another_host_in_an_authorization_is_refused_and_everything_cleaned_up(self, start: Start):
        lab = start()
        solver = WebSolver(web=lab.web)
        client = lab.client(solver, pin_host=True)
        document = {
            "identifier": {"type": "dns", "value": NAME},
            "status": "pending",
            "challenges": [{"type": "http-01", "url": "https://other.example/c", "status": "pending", "token": "AAAA"}],
        }
        lab.ca.faults.add("authz", Answer(200, document))
        with pytest.raises(MalformedAnswer, match=r"'https://other\.example/c': not a host to send to"):
            client.obtain([NAME])
        assert solver.called("clean_up") == [NAME]

    @pytest.mark.parametrize("operation", ["newNonce", "newAccount"])
    def test_another_host_in_the_directory_is_refused(
        self, server: LoopbackServer, authority: trustme.CA, operation: str
    ):
        paths = {name: f"{server.url}/{name}" for name in ("newNonce", "newAccount", "newOrder")}
        paths[operation] = f"https://localhost:{server.port}/{operation}"
        server.on("/directory", reply(200, paths, replay_nonce="bm9uY2U" if operation == "newAccount" else ""))
        refused = pytest.raises(MalformedAnswer, match=r"not a host to send to; allowed: 127\.0\.0\.1$")
        with Transport(trust=authority.cert_pem.bytes(), only_hosts=["127.0.0.1"]) as transport, refused:
            Client(f"{server.url}/directory", transport=transport).new_account(KEY)
        assert [request.path for request in server.requests] == ["/directory"]

    def test_an_order_elsewhere_is_refused(self, start: Start):
        lab = start()
        client = lab.client(WebSolver(web=lab.web), pin_host=True)
        lab.ca.faults.add("new-order", Answer(201, order(lab), {"Location": "https://other.example/order/1"}))
        lab.ca.faults.add("authz", Answer(200, {"identifier": {"type": "dns", "value": NAME}, "status": "valid"}))
        with pytest.raises(MalformedAnswer, match=r"'https://other\.example/order/1': not a host to send to"):
            client.obtain([NAME])

    def test_a_chain_elsewhere_is_left_out(self, start: Start):
        lab = start(alternate_roots=0)
        client = lab.client(WebSolver(web=lab.web), pin_host=True)
        link = {"Link": '<https://other.example/chain>;rel="alternate"'}
        lab.ca.faults.add("certificate", EditHeaders(add=link))
        assert names(client.obtain([NAME], preferred_chain="another")) == {NAME}

    def test_a_user_name_that_looks_like_the_host_is_none(self, authority: trustme.CA):
        with Transport(trust=authority.cert_pem.bytes(), only_hosts=["ca.example"]) as transport:
            for url in (
                "https://ca.example@127.0.0.1:1/",
                "https://ca.example\\@127.0.0.1:1/",
                "https://127.0.0.1:1#ca.example",
            ):
                with pytest.raises(InputError, match="not a host to send to"):
                    transport.request("GET", url, headers={})


@pytest.mark.parametrize("url", [f"https://ca.example/{TRICKS}", "https://ca.example/a\r\nX: y", "/a\nb", "/a\x00b"])
def test_a_url_with_control_characters_is_none(url: str):
    assert resolved("https://ca.example/", url) is None
    assert Members({"finalize": url}, "https://ca.example/", "order").link("finalize") is None


def test_an_order_at_a_url_with_control_characters_is_not_gone_on_with(start: Start):
    lab = start()
    client = lab.client(TxtSolver(zone=lab.zone), retry=DefaultRetry(attempts=1))
    lab.ca.faults.add("new-order", made(lab, order(lab, authorizations=[f"{origin(lab)}/{TRICKS}"])))
    with pytest.raises(MalformedAnswer, match="not a URL") as raised:
        client.obtain([NAME])
    assert not tricky(str(raised.value))
