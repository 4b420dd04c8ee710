"""The HTTPS server and the life of an EmbeddedCA."""

from __future__ import annotations

import http.client
import socket
import ssl
import subprocess
import sys
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest
from acmez_testkit import Behaviour, EmbeddedCA, Seen

from .raw import Raw, csr


def tls_connection(ca: EmbeddedCA) -> ssl.SSLSocket:
    context = ssl.create_default_context(cadata=ca.trust_pem.decode())
    return context.wrap_socket(socket.create_connection(("127.0.0.1", ca.port)), server_hostname="localhost")


def converse(ca: EmbeddedCA, text: bytes) -> bytes:
    """What the server says until it closes the connection."""
    with tls_connection(ca) as connection:
        connection.sendall(text)
        answer = b""
        while data := connection.recv(65536):
            answer += data
    return answer


def test_requests_are_recorded_in_order(client, http01):
    raw = client(http_port=http01.port)
    raw.obtain(http01, "example.com")
    kinds = list(dict.fromkeys(seen.kind for seen in raw.ca.requests))
    assert kinds == [
        "directory",
        "new-nonce",
        "new-account",
        "new-order",
        "authz",
        "challenge",
        "order",
        "finalize",
        "certificate",
    ]
    assert raw.ca.requests[1] == Seen("HEAD", "/new-nonce", "new-nonce", 200)
    assert raw.ca.requests[2] == Seen("POST", "/new-account", "new-account", 201)


def test_start_and_stop_can_be_repeated_but_not_turned_back(start):
    ca = start()
    assert ca.start() is ca
    port = ca.port
    ca.stop()
    ca.stop()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port))
    with pytest.raises(RuntimeError, match="cannot be started again"):
        ca.start()


def test_a_ca_that_was_never_started_has_no_url_and_can_be_stopped():
    ca = EmbeddedCA()
    with pytest.raises(RuntimeError, match="not started"):
        _ = ca.directory_url
    with pytest.raises(RuntimeError, match="not started"):
        _ = ca.port
    ca.stop()


def test_stop_ends_idle_and_half_open_connections(start):
    ca = start()
    with tls_connection(ca) as idle, socket.create_connection(("127.0.0.1", ca.port)):
        converse(ca, b"GET /directory HTTP/1.1\r\nUser-Agent: x\r\nConnection: close\r\n\r\n")
        ca.stop()
        assert idle.recv(1) == b""
    assert [thread.name for thread in threading.enumerate() if "acmez-testkit" in thread.name] == []


def test_stop_does_not_wait_for_what_is_delayed(client):
    raw = client(validation_delay=3600)
    (authorization,) = raw.authorizations(raw.order("example.com")[1])
    raw.post(raw.challenge(authorization, "http-01")["url"], {})
    raw.ca.stop()
    assert raw.ca.authorizations[0].status == "pending"


def test_the_api_is_on_the_loopback_and_its_certificate_is_not_trusted_by_default(start, tmp_path):
    ca = start()
    assert ca.directory_url == f"https://localhost:{ca.port}/directory"
    for name in ("localhost", "127.0.0.1"):
        context = ssl.create_default_context(cafile=ca.write_trust(tmp_path / "trust.pem"))
        connection = http.client.HTTPSConnection(name, ca.port, context=context)
        connection.request("GET", "/directory", headers={"User-Agent": "x"})
        assert connection.getresponse().status == 200
        connection.close()
    strange = http.client.HTTPSConnection("localhost", ca.port)
    with pytest.raises(ssl.SSLCertVerificationError):
        strange.connect()
    strange.close()


def test_a_proxy_can_stand_before_it(start):
    with socket.socket() as holder:  # on Linux it keeps the port, and lets a server have it
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holder.bind(("127.0.0.1", 0))
        port = holder.getsockname()[1]
        if sys.platform != "linux":
            holder.close()
        ca = start(port=port, public_url="https://localhost:4443")
    assert (ca.port, ca.directory_url) == (port, "https://localhost:4443/directory")


def test_connections_are_kept_open_and_requests_can_be_pipelined(start):
    request = b"GET /directory HTTP/1.1\r\nUser-Agent: x\r\n\r\n"
    last = request.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
    answer = converse(start(), request * 3 + last)
    assert answer.count(b"HTTP/1.1 200 OK") == 4
    assert answer.count(b"Connection: close") == 1


@pytest.mark.parametrize(
    ("request_text", "status"),
    [
        (b"GET /directory HTTP/1.0\r\n\r\n", 400),
        (b"rubbish\r\n\r\n", 400),
        (b"GET /directory HTTP/1.1\r\nrubbish\r\n\r\n", 400),
        (b"GET /directory HTTP/1.1\r\nContent-Length: -1\r\n\r\n", 400),
        (b"GET /directory HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n", 400),
        (b"POST /new-order HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 411),
        (b"GET /" + b"x" * 10000 + b" HTTP/1.1\r\n\r\n", 431),
        (b"GET /directory HTTP/1.1\r\n" + b"a: b\r\n" * 101 + b"\r\n", 431),
    ],
    ids=["http-1.0", "rubbish", "header", "length", "lengths", "chunked", "long-line", "many-headers"],
)
def test_what_is_no_proper_request_is_refused_and_the_connection_closed(start, request_text, status):
    answer = converse(start(), request_text)
    assert answer.startswith(f"HTTP/1.1 {status} ".encode())
    assert b"application/problem+json" in answer
    assert b"Connection: close" in answer


def test_a_client_that_expects_to_continue_is_told_to(start):
    text = b"POST /new-order HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}"
    assert converse(start(), text).startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 400 ")


def test_a_client_that_goes_away_in_the_middle_harms_nobody(start):
    ca = start()
    with socket.create_connection(("127.0.0.1", ca.port)) as plain:
        plain.sendall(b"GET / HTTP/1.1\r\n\r\n")
    with tls_connection(ca) as connection:
        connection.sendall(b"POST /new-order HTTP/1.1\r\nContent-Length: 99\r\n\r\nhalf")
    assert b"200 OK" in converse(ca, b"GET /directory HTTP/1.1\r\nUser-Agent: x\r\nConnection: close\r\n\r\n")


def test_tls_1_1_is_refused(start):
    ca = start()
    context = ssl.create_default_context(cadata=ca.trust_pem.decode())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    context.set_ciphers("ALL:@SECLEVEL=0")
    connection = http.client.HTTPSConnection("localhost", ca.port, context=context)
    with pytest.raises(ssl.SSLError):
        connection.connect()
    connection.close()


def test_a_hundred_names_over_many_connections(client, http01):
    raw = client(http_port=http01.port)
    names = [f"{i}.example.com" for i in range(100)]
    url, order = raw.order(*names)

    def authorize(part):
        with closing(Raw(raw.ca, key=raw.key, kid=raw.kid)) as own:
            own.authorize(http01, {"authorizations": part})

    with ThreadPoolExecutor(20) as pool:
        list(pool.map(authorize, [order["authorizations"][i::20] for i in range(20)]))
    raw.until(url, "ready")
    done = raw.post(order["finalize"], {"csr": csr(*names)}).json
    assert done["status"] == "valid"
    assert len(raw.ca.certificates[0].identifiers) == 100
    assert all(0 < seen.status < 400 for seen in raw.ca.requests)


def test_views_are_copies(client):
    raw = client()
    raw.order("example.com")
    raw.ca.orders[0].status = "valid"
    raw.ca.accounts[0].status = "revoked"
    assert (raw.ca.orders[0].status, raw.ca.accounts[0].status) == ("pending", "valid")


def test_tokens_are_in_no_repr(client):
    raw = client()
    (authorization,) = raw.authorizations(raw.order("example.com")[1])
    assert authorization["challenges"][0]["token"] not in repr(raw.ca.orders + raw.ca.authorizations)


@pytest.mark.parametrize(
    "fields",
    [
        {"chain_length": 0},
        {"alternate_roots": -1},
        {"validation_attempts": 0},
        {"nonce_reject": 1.5},
        {"challenge_types": ("http-02",)},
    ],
    ids=str,
)
def test_a_behaviour_that_makes_no_sense_is_an_error(fields):
    with pytest.raises(ValueError, match=next(iter(fields))):
        Behaviour(**fields)


def test_a_bug_of_the_server_is_an_answer_and_is_remembered():
    with EmbeddedCA() as ca, closing(Raw(ca)) as raw:
        ca._registry.accounts = None  # type: ignore[assignment]
        reply = raw.post(raw.directory["newOrder"], kid="x", jwk=None)
        assert (reply.status, reply.problem) == (500, "serverInternal")
        assert [type(error) for error in ca.internal_errors] == [AttributeError]


def test_a_bug_in_the_background_is_remembered():
    def broken() -> None:
        raise ValueError("broken")

    with EmbeddedCA() as ca:
        ca._background.run(broken)
    assert [type(error) for error in ca.internal_errors] == [ValueError]


def test_neither_the_core_nor_dnspython_is_imported():
    code = (
        "import sys, acmez_testkit\n"
        "with acmez_testkit.EmbeddedCA(): pass\n"
        "print([name for name in sys.modules if name.partition('.')[0] in {'acmez', 'dns', 'pytest'}])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "[]"
