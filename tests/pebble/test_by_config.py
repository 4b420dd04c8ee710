"""The `acmez` command, installed as users have it, against a real CA."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from cryptography import x509

from tests.pebble.server import Pebble


@contextmanager
def web_server(root: Path, port: int) -> Iterator[None]:
    """Serve *root* as the web server of every name would."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", port), partial(Quiet, directory=str(root))) as server:
        thread = Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            thread.join()


def configure(directory: Path, pebble: Pebble, solver: str, names: list[str]) -> Path:
    path = directory / "acmez.toml"
    path.write_text(
        f"""
        directory = "{pebble.directory_url}"
        trust = "{pebble.trust}"

        [account]
        contact = ["mailto:admin@example.com"]
        terms_of_service_agreed = true

        [account_key]
        use = "file"
        options.path = "account.pem"

        {solver}

        [[certificate]]
        names = {names}
        directory = "certs"
        key = {{ use = "generated", options.type = "ec-p256" }}
        """
    )
    return path


def obtain(configuration: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "acmez", "obtain", "--config", str(configuration), "--quiet"]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def names_in(certificate: Path) -> set[str]:
    leaf = x509.load_pem_x509_certificate(certificate.read_bytes())
    names: list[str] = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value.get_values_for_type(
        x509.DNSName
    )
    return set(names)


def test_obtain_with_a_web_root(pebble: Pebble, tmp_path: Path) -> None:
    root = tmp_path / "www"
    root.mkdir()
    solver = f'[solver.web]\nuse = "http-webroot"\noptions.path = "{root}"'
    names = ["config-webroot.example.test", "www.config-webroot.example.test"]

    with web_server(root, pebble.http_port):
        done = obtain(configure(tmp_path, pebble, solver, names))

    assert done.returncode == 0, done.stderr
    assert names_in(tmp_path / "certs" / "cert.pem") == set(names)
    assert list(root.iterdir()) == []
    assert (tmp_path / "account.pem").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "certs" / "privkey.pem").stat().st_mode & 0o777 == 0o600


def test_obtain_with_a_server_of_its_own_that_looks_before_the_ca_does(pebble: Pebble, tmp_path: Path) -> None:
    solver = (
        f'[solver.web]\nuse = "http-standalone"\noptions.port = {pebble.http_port}\noptions.host = "127.0.0.1"\n'
        '[solver.web.wait]\nuse = "http-self-check"\n'
        f"options.port = {pebble.http_port}"
    )

    done = obtain(configure(tmp_path, pebble, solver, ["127.0.0.1"]))

    assert done.returncode == 0, done.stderr
    leaf = x509.load_pem_x509_certificate((tmp_path / "certs" / "cert.pem").read_bytes())
    san = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert [str(address) for address in san.get_values_for_type(x509.IPAddress)] == ["127.0.0.1"]


@pytest.mark.parametrize("names", [["config-nobody.example.test"]])
def test_a_name_that_cannot_be_proved_is_named_and_nothing_is_written(
    pebble: Pebble, tmp_path: Path, names: list[str]
) -> None:
    root = tmp_path / "www"
    root.mkdir()
    solver = f'[solver.web]\nuse = "http-webroot"\noptions.path = "{root}"'

    done = obtain(configure(tmp_path, pebble, solver, names))  # no web server: Pebble cannot connect

    assert done.returncode == 1
    assert names[0] in done.stderr
    assert not (tmp_path / "certs" / "cert.pem").exists()
    assert list(root.iterdir()) == []
