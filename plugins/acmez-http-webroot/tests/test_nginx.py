"""A real nginx, set up as the README says, serves what the solver writes."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path

import pytest
from acmez_http_webroot import WebrootSolver

import acmez
from acmez.csr import certificate_names
from tests.pebble.fixtures import AnyCA
from tests.pebble.ports import ReservedPorts
from tests.pebble.processes import ServerProcess

README = Path(__file__).parents[1] / "README.md"
NGINX = shutil.which("nginx") or shutil.which("/usr/sbin/nginx")

MAIN = """
daemon off;
master_process off;
pid {folder}/pid;
error_log stderr;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/1; proxy_temp_path {folder}/2; fastcgi_temp_path {folder}/3;
    uwsgi_temp_path {folder}/4; scgi_temp_path {folder}/5;
    {server}
}}
"""

Fetch = Callable[[str], tuple[int, str, bytes]]


def server_block(webroot: Path, port: int) -> str:
    """Return the README's nginx block, on loopback and with a rule that hides dot files."""
    found = re.search(r"```nginx\n(.*?)```", README.read_text(), re.DOTALL)
    assert found
    block = found[1].replace("listen 80", f"listen 127.0.0.1:{port}").replace("listen [::]:80", f"listen [::1]:{port}")
    hidden = r"location ~ /\. { deny all; }"
    return block.replace("/var/www/html", str(webroot)).replace("location / {", f"{hidden}\n location / {{")


@contextmanager
def nginx(folder: Path, webroot: Path, port: int) -> Iterator[Fetch]:
    """Serve the web root, and yield what asks for a path."""
    if NGINX is None:
        pytest.skip("nginx is not installed (Debian: nginx-light)")
    config = folder / "nginx.conf"
    config.write_text(MAIN.format(folder=folder, server=server_block(webroot, port)))

    def get(path: str) -> tuple[int, str, bytes]:
        connection = HTTPConnection("127.0.0.1", port, timeout=10)
        try:
            connection.request("GET", path, headers={"Host": "example.com"})
            answer = connection.getresponse()
            return answer.status, answer.getheader("Content-Type", ""), answer.read()
        finally:
            connection.close()

    with ServerProcess([NGINX, "-e", "stderr", "-c", str(config)], folder / "log", {}, folder) as server:
        server.wait_until(lambda: get("/"))
        yield get


@pytest.fixture
def fetch(tmp_path: Path, webroot: Path) -> Iterator[Fetch]:
    with ReservedPorts(1) as ports, nginx(tmp_path, webroot, ports.numbers[0]) as get:
        yield get


@pytest.mark.usefixtures("private_umask")
def test_nginx_serves_the_answer_and_redirects_the_rest(fetch, webroot, challenge, scope):
    solver = WebrootSolver(path=webroot)
    handle = solver.present(challenge, scope)
    url = "/.well-known/acme-challenge/tok-EN_1"
    assert fetch(url) == (200, "application/octet-stream", challenge.key_authorization.encode())
    assert fetch("/.well-known/acme-challenge/other")[0] == 404
    assert fetch("/")[0] == 301
    solver.clean_up(challenge, handle, scope)
    assert fetch(url)[0] == 404


def test_a_ca_issues_through_nginx(any_ca: AnyCA, webroot: Path, tmp_path: Path):
    names = [f"{number}.webroot.example" for number in range(3)]
    with (
        nginx(tmp_path, webroot, any_ca.http_port),
        acmez.Client(any_ca.directory_url, solvers=[WebrootSolver(path=webroot)], trust=any_ca.trust) as client,
    ):
        client.register(terms_of_service_agreed=True)
        certificate = client.obtain(names, timeout=60)
    assert {value for _, value in certificate_names(certificate.leaf)} == set(names)
    assert [*webroot.iterdir()] == []
