"""CAs issue: alone on the port, in front of a site, in its process, and behind nginx and HAProxy."""

from __future__ import annotations

import os
import re
import shutil
import socket
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol

import pytest
from acmez_tls_alpn import TlsAlpnSolver

import acmez
from acmez.csr import certificate_names
from tests.pebble.fixtures import AnyCA
from tests.pebble.ports import ReservedPorts
from tests.pebble.processes import ServerProcess

from .sites import Address, serving, site_context, tls_site
from .visiting import visit

README = (Path(__file__).parents[1] / "README.md").read_text()
NGINX = shutil.which("nginx", path="/usr/sbin:/usr/bin:/usr/local/bin")
HAPROXY = shutil.which("haproxy", path="/usr/sbin:/usr/bin:/usr/local/bin")
STREAM = Path("/usr/lib/nginx/modules/ngx_stream_module.so")
NAMES = ["one.example", "two.example"]


class Issue(Protocol):
    """Obtains a certificate by tls-alpn-01 and returns its names."""

    def __call__(self, solver: TlsAlpnSolver, names: list[str] = NAMES) -> set[str]: ...


@pytest.fixture
def port(any_ca: AnyCA) -> int:
    return any_ca.tls_port


@pytest.fixture
def issue(any_ca: AnyCA) -> Issue:
    def obtain(solver: TlsAlpnSolver, names: list[str] = NAMES) -> set[str]:
        with acmez.Client(any_ca.directory_url, solvers=[solver], trust=any_ca.trust) as client:
            client.register(terms_of_service_agreed=True)
            certificate = client.obtain(names, timeout=60)
        return {value for _, value in certificate_names(certificate.leaf)}

    return obtain


def test_alone_on_the_port(issue, port):
    assert issue(TlsAlpnSolver(host="127.0.0.1", port=port)) == set(NAMES)


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_an_address_by_its_reverse_name(issue, port, address):
    assert issue(TlsAlpnSolver(host=address, port=port), [address]) == {address}


def test_many_names(issue, port):
    names = [f"{number}.many.example" for number in range(50)]
    assert issue(TlsAlpnSolver(host="127.0.0.1", port=port), names) == set(names)


def test_in_front_of_a_site(issue, port):
    with (
        tls_site("one.example") as (site, der),
        TlsAlpnSolver(host="127.0.0.1", port=port, backend="{}:{}".format(*site)) as solver,
    ):
        assert issue(solver) == set(NAMES)
        assert visit(("127.0.0.1", port), "one.example", ("h2", "http/1.1")).der == der


def test_in_the_process_of_the_site(issue, port):
    context, der = site_context("one.example", protocols=("http/1.1",))
    solver = TlsAlpnSolver()
    solver.wrap(context)

    def handle(connection: socket.socket) -> None:
        with context.wrap_socket(connection, server_side=True) as secured:
            secured.recv(1)

    with serving(handle, port=port) as site:
        assert issue(solver) == set(NAMES)
        assert visit(site, "one.example", ("http/1.1",)).der == der


def test_by_a_responder_of_another_process_with_the_same_directory(issue, port, tmp_path):
    answers = str(tmp_path / "answers")
    command = [sys.executable, "-m", "acmez_tls_alpn", "--host", "127.0.0.1", "--port", str(port)]
    with ServerProcess([*command, "--directory", answers], tmp_path / "log", {**os.environ}, tmp_path) as responder:
        responder.wait_until(lambda: socket.create_connection(("127.0.0.1", port), timeout=5).close())
        assert issue(TlsAlpnSolver(directory=tmp_path / "answers")) == set(NAMES)


class TestBehindAServer:
    """The README's configurations, with loopback ports."""

    @pytest.fixture(params=["nginx", "haproxy"])
    def responder_port(
        self, request: pytest.FixtureRequest, port: int, tmp_path: Path, site: tuple[Address, bytes]
    ) -> Iterator[int]:
        with ReservedPorts(1) as reserved:
            (responder,) = reserved.numbers
            config = tmp_path / "config"
            ports = {"443": str(port), "10443": str(responder), "8443": str(site[0][1])}
            config.write_text(configurations[request.param](readme(request.param, ports), tmp_path))
            with ServerProcess(commands[request.param](config), tmp_path / "log", {}, tmp_path) as server:
                server.wait_until(lambda: visit(("127.0.0.1", port), "one.example", ("http/1.1",)))
                yield responder

    @pytest.fixture
    def site(self) -> Iterator[tuple[Address, bytes]]:
        with tls_site("one.example") as running:
            yield running

    def test_the_ca_reaches_the_responder_and_the_rest_the_site(self, issue, port, responder_port, site):
        assert issue(TlsAlpnSolver(host="127.0.0.1", port=responder_port)) == set(NAMES)
        assert visit(("127.0.0.1", port), "one.example", ("http/1.1",)).der == site[1]


def readme(language: str, ports: dict[str, str]) -> str:
    """Return the README's block, on loopback and with these ports."""
    found = re.search(rf"```{language}\n(.*?)```", README, re.DOTALL)
    assert found
    block = found[1].replace("listen [::]:443;", "").replace("listen 443", "listen 127.0.0.1:443")
    block = block.replace("bind :443", "bind 127.0.0.1:443")
    return re.sub(r":(\d+)", lambda match: f":{ports.get(match[1], match[1])}", block)


def nginx_config(block: str, folder: Path) -> str:
    return (
        f"load_module {STREAM}; daemon off; master_process off; pid {folder}/pid; error_log stderr;\n"
        f"events {{}}\n{block}"
    )


def haproxy_config(block: str, folder: Path) -> str:
    return f"defaults\n timeout connect 5s\n timeout client 10s\n timeout server 10s\n{block}"


def nginx_command(config: Path) -> list[str]:
    if NGINX is None or not STREAM.exists():
        pytest.skip("nginx or its stream module is not installed (Debian: nginx-light, libnginx-mod-stream)")
    return [NGINX, "-e", "stderr", "-c", str(config)]


def haproxy_command(config: Path) -> list[str]:
    if HAPROXY is None:
        pytest.skip("haproxy is not installed (Debian: haproxy)")
    return [HAPROXY, "-db", "-f", str(config)]


configurations: dict[str, Callable[[str, Path], str]] = {"nginx": nginx_config, "haproxy": haproxy_config}
commands: dict[str, Callable[[Path], list[str]]] = {"nginx": nginx_command, "haproxy": haproxy_command}
