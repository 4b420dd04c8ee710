from __future__ import annotations

import subprocess
import sys
from textwrap import dedent

import pytest

CONFTEST = 'pytest_plugins = ["acmez_testkit.pytest_plugin"]\n'


@pytest.fixture
def run(tmp_path):
    """Runs a test module in a pytest of its own that uses the plugin; returns its exit status and output."""

    def run(module: str) -> tuple[int, str]:
        (tmp_path / "conftest.py").write_text(CONFTEST)
        (tmp_path / "test_module.py").write_text(dedent(module))
        (tmp_path / "pytest.ini").write_text("[pytest]\naddopts = --strict-markers -p no:cacheprovider -W error\n")
        command = [sys.executable, "-m", "pytest", "-q"]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=120)
        return done.returncode, done.stdout

    return run


def test_the_fixture_is_a_started_ca_at_free_ports_set_by_marker_and_parameter(run):
    status, output = run(
        """
        import pytest
        from acmez_testkit import Behaviour

        pytestmark = pytest.mark.acme_ca(chain_length=2, async_finalize=True)

        def test_ports(acme_ca):
            assert acme_ca.directory_url.startswith("https://localhost:")
            ports = acme_ca.behaviour.http_port, acme_ca.behaviour.tls_port
            assert min(ports) > 1023 and ports[0] != ports[1]

        @pytest.mark.acme_ca(chain_length=3)
        def test_marker(acme_ca):
            assert (acme_ca.behaviour.chain_length, acme_ca.behaviour.async_finalize) == (3, True)

        @pytest.mark.parametrize("acme_ca", [{"chain_length": 4}], indirect=True)
        def test_fields(acme_ca):
            assert (acme_ca.behaviour.chain_length, acme_ca.behaviour.async_finalize) == (4, True)

        @pytest.mark.parametrize("acme_ca", [Behaviour(http_port=5002)], indirect=True)
        def test_behaviour(acme_ca):
            assert (acme_ca.behaviour.http_port, acme_ca.behaviour.async_finalize) == (5002, False)
        """
    )
    assert status == 0, output
    assert "4 passed" in output


def test_a_bug_of_the_ca_fails_the_test(run):
    status, output = run(
        """
        import http.client, ssl

        def test_bug(acme_ca):
            acme_ca._registry.url = None
            context = ssl.create_default_context(cadata=acme_ca.trust_pem.decode())
            connection = http.client.HTTPSConnection("localhost", acme_ca.port, context=context)
            connection.request("GET", "/directory", headers={"User-Agent": "x"})
            assert connection.getresponse().status == 500
            connection.close()
        """
    )
    assert status == 1
    assert "errors of the embedded CA itself" in output
    assert "1 passed, 1 error" in output


def test_a_parameter_that_is_no_behaviour_is_an_error(run):
    status, output = run(
        """
        import pytest

        @pytest.mark.parametrize("acme_ca", [3], indirect=True)
        def test_parameter(acme_ca):
            pass
        """
    )
    assert status == 1
    assert "expected a Behaviour or a mapping of its fields, got 3" in output
