"""A real nginx, set up as the README says, serves what the solver writes."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from http.client import HTTPConnection
from pathlib import Path

import pytest
from acmez_http_webroot import WebrootSolver

from acmez.protocols import CancelScope
from tests.pebble.ports import ReservedPorts

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


@pytest.fixture
def fetch(tmp_path: Path, webroot: Path) -> Iterator[Fetch]:
    if NGINX is None:
        pytest.skip("nginx is not installed (Debian: nginx-light)")
    with ReservedPorts(1) as ports:
        (port,) = ports.numbers
        config = tmp_path / "nginx.conf"
        config.write_text(MAIN.format(folder=tmp_path, server=server_block(webroot, port)))
        server = subprocess.Popen([NGINX, "-e", "stderr", "-c", config], stderr=subprocess.PIPE)

        def get(path: str) -> tuple[int, str, bytes]:
            connection = HTTPConnection("127.0.0.1", port, timeout=10)
            try:
                connection.request("GET", path, headers={"Host": "example.com"})
                answer = connection.getresponse()
                return answer.status, answer.getheader("Content-Type", ""), answer.read()
            finally:
                connection.close()

        try:
            wait_for(server, get)
            yield get
        finally:
            server.terminate()
            server.communicate(timeout=10)


def wait_for(server: subprocess.Popen[bytes], get: Fetch) -> None:
    scope = CancelScope(20)
    while True:
        try:
            get("/")
        except ConnectionRefusedError:
            assert server.poll() is None, "nginx did not start"
            scope.sleep(0.02)
        else:
            return


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
