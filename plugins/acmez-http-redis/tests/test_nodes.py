"""Two nodes behind nginx: one process presents, and whichever node the CA reaches answers."""

from __future__ import annotations

import os
import shutil
import socket
import sys
import textwrap
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from http.client import HTTPConnection
from pathlib import Path

import pytest
from acmez_http_app import WsgiMiddleware
from acmez_http_redis import HttpRedisSolver
from acmez_testkit import Behaviour, EmbeddedCA
from acmez_tls_alpn import Front, StoredAnswers

import acmez
from acmez.csr import certificate_names
from acmez.options import Secret
from tests.pebble.fixtures import PebbleFactory
from tests.pebble.ports import ReservedPorts
from tests.pebble.processes import ServerProcess
from tests.pebble.server import PebbleOptions

NGINX = shutil.which("nginx", path="/usr/sbin:/usr/bin:/usr/local/bin")
STREAM = Path("/usr/lib/nginx/modules/ngx_stream_module.so")
WEB = """
    import os
    from acmez.options import Secret
    from acmez_http_app import WsgiMiddleware
    from acmez_http_redis import HttpRedisSolver

    def app(environ, start_response):
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [os.environ["NODE"].encode()]

    solver = HttpRedisSolver(Secret(os.environ["REDIS"]), prefix=os.environ["PREFIX"])
    app = WsgiMiddleware(app, solver.find)
"""
NGINX_CONF = """
load_module {stream}; daemon off; master_process off; pid {folder}/pid; error_log stderr;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/1; proxy_temp_path {folder}/2; fastcgi_temp_path {folder}/3;
    uwsgi_temp_path {folder}/4; scgi_temp_path {folder}/5;
    upstream web {{ server 127.0.0.1:{web[0]}; server 127.0.0.1:{web[1]}; }}
    server {{ listen 127.0.0.1:{http}; location / {{ proxy_pass http://web; }} }}
}}
stream {{
    upstream tls {{ server 127.0.0.1:{tls[0]}; server 127.0.0.1:{tls[1]}; }}
    server {{ listen 127.0.0.1:{https}; proxy_pass tls; }}
}}
"""


def fetch(port: int, path: str = "/") -> tuple[int, bytes]:
    connection = HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


@pytest.fixture
def balancer(url: Secret, solver: HttpRedisSolver, tmp_path: Path) -> Iterator[tuple[int, int]]:
    """The ports for HTTP and TLS of an nginx that takes turns between two nodes."""
    if NGINX is None or not STREAM.exists():
        pytest.skip("nginx or its stream module is not installed (Debian: nginx-light, libnginx-mod-stream)")
    (tmp_path / "web.py").write_text(textwrap.dedent(WEB))
    with ReservedPorts(4) as reserved, ExitStack() as stack:
        http, https, *web = reserved.numbers
        for number, port in enumerate(web):
            environ = {**os.environ, "REDIS": str(url), "PREFIX": solver.prefix, "NODE": f"node {number}"}
            command = [sys.executable, "-m", "gunicorn", "--no-control-socket", f"--bind=127.0.0.1:{port}", "web:app"]
            node = stack.enter_context(ServerProcess(command, tmp_path / f"log{number}", environ, tmp_path))
            node.wait_until(partial(fetch, port))
        find = StoredAnswers(solver.store).find
        tls = [stack.enter_context(Front(find, host="127.0.0.1", port=0)).addresses[0][1] for _ in range(2)]
        config = NGINX_CONF.format(stream=STREAM, folder=tmp_path, web=web, http=http, tls=tls, https=https)
        (tmp_path / "nginx.conf").write_text(config)
        command = [NGINX, "-e", "stderr", "-c", str(tmp_path / "nginx.conf")]
        nginx = stack.enter_context(ServerProcess(command, tmp_path / "log", {}, tmp_path))
        nginx.wait_until(partial(fetch, http))
        nginx.wait_until(lambda: socket.create_connection(("127.0.0.1", https)).close())
        yield http, https


@pytest.mark.parametrize("kind", ["embedded", "pebble"])
def test_a_ca_issues_whichever_node_it_reaches(balancer, solver, kind, request, tmp_path):
    http, https = balancer
    assert {fetch(http)[1] for _ in range(4)} == {b"node 0", b"node 1"}
    with ExitStack() as stack:
        if kind == "embedded":
            ca = stack.enter_context(EmbeddedCA(Behaviour(http_port=http, tls_port=https, validation_attempts=4)))
            directory, trust = ca.directory_url, ca.write_trust(tmp_path / "trust.pem")
        else:
            factory: PebbleFactory = request.getfixturevalue("pebble_factory")
            pebble = factory(PebbleOptions(http_port=http, tls_port=https, authz_reuse=0))
            directory, trust = pebble.directory_url, pebble.trust
        for challenge_type in ("http-01", "tls-alpn-01"):
            names = [f"{number}.{challenge_type}.example" for number in range(5)]
            with acmez.Client(
                directory, solvers=[solver], trust=trust, preferred_challenges=[challenge_type]
            ) as client:
                client.register(terms_of_service_agreed=True)
                certificate = client.obtain(names, timeout=60)
            assert {value for _, value in certificate_names(certificate.leaf)} == set(names)


def test_without_redis_the_rest_of_the_application_works(caplog):
    def app(environ: dict[str, object], start_response) -> list[bytes]:
        start_response("200 OK", [])
        return [b"hello"]

    def ask(path: str) -> list[bytes]:
        return [*node({"PATH_INFO": path, "REQUEST_METHOD": "GET"}, lambda *_: lambda data: None)]

    node = WsgiMiddleware(app, HttpRedisSolver(Secret("redis://127.0.0.1:1"), timeout=0.5).find)
    assert ask("/") == [b"hello"]
    assert ask("/.well-known/acme-challenge/tok") == [b"the store of ACME answers does not work\n"]
    assert caplog.text.count("redis at 127.0.0.1:1: cannot be reached") == 1
