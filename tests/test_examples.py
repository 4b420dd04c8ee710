"""The examples do what they say."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from acmez_testkit import EmbeddedCA

import acmez
from tests.pebble.test_by_config import web_server

EXAMPLES = Path(__file__).parent.parent / "examples"


def run(*arguments: str, cwd: Path) -> str:
    command = [sys.executable, *arguments]
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_porcelain(acme_ca: EmbeddedCA, tmp_path: Path) -> None:
    root = tmp_path / "www"
    root.mkdir()
    trust = acme_ca.write_trust(tmp_path / "trust.pem")

    with web_server(root, acme_ca.behaviour.http_port):
        names = ["example.com", "www.example.com"]
        arguments = [acme_ca.directory_url, str(root), *names, "--trust", str(trust)]
        said = run(str(EXAMPLES / "porcelain.py"), *arguments, cwd=tmp_path)

    assert "written to certs/example.com" in said
    assert (tmp_path / "certs" / "example.com" / "fullchain.pem").read_bytes().startswith(b"-----BEGIN CERTIFICATE")


def test_plumbing(acme_ca: EmbeddedCA, tmp_path: Path) -> None:
    trust = acme_ca.write_trust(tmp_path / "trust.pem")
    port = str(acme_ca.behaviour.http_port)

    arguments = [acme_ca.directory_url, "a.example.com", "b.example.com", "--port", port, "--trust", str(trust)]
    said = run(str(EXAMPLES / "plumbing.py"), *arguments, cwd=tmp_path)

    assert said.startswith("-----BEGIN CERTIFICATE-----")


def test_plumbing_is_short() -> None:
    assert len((EXAMPLES / "plumbing.py").read_text().splitlines()) < 80


def test_in_house_solver_is_named_by_its_path(acme_ca: EmbeddedCA, tmp_path: Path) -> None:
    challenges = tmp_path / "www" / ".well-known" / "acme-challenge"
    challenges.mkdir(parents=True)
    configuration = tmp_path / "acmez.toml"
    configuration.write_text(
        f"""
        directory = "{acme_ca.directory_url}"
        trust = "{acme_ca.write_trust(tmp_path / "trust.pem")}"
        plugins = ["{os.path.relpath(EXAMPLES / "in_house_solver.py", tmp_path)}"]

        [account]
        terms_of_service_agreed = true

        [account_key]
        use = "file"
        options.path = "account.pem"

        [solver.files]
        use = "http-files"
        options.directory = "{challenges}"

        [[certificate]]
        names = ["in-house.example.com"]
        directory = "certs"
        """
    )

    with web_server(tmp_path / "www", acme_ca.behaviour.http_port):
        said = run("-m", "acmez", "obtain", "--config", str(configuration), "--quiet", cwd=tmp_path)

    assert "issued:" in said  # its acmez_event hook is told
    assert list(challenges.iterdir()) == []
    assert (tmp_path / "certs" / "cert.pem").exists()


def test_the_configuration_is_right() -> None:
    config = acmez.load_config(EXAMPLES / "acmez.toml")

    assert [tuple(certificate.names) for certificate in config.certificate] == [("example.com", "www.example.com")]


def test_the_readme_shows_the_example_as_it_is() -> None:
    readme = (EXAMPLES.parent / "README.md").read_text()
    example = (EXAMPLES / "in_house_solver.py").read_text()
    shown = readme.split("```python\n@dataclass(frozen=True)", 1)[1].split("```", 1)[0]
    code = [line for line in shown.splitlines() if line.strip()]

    missing = [line for line in code if line not in example]
    assert missing == []


@pytest.mark.parametrize("name", ["porcelain.py", "plumbing.py", "in_house_solver.py"])
def test_each_example_says_what_it_is(name: str) -> None:
    assert (EXAMPLES / name).read_text().startswith('"""')
