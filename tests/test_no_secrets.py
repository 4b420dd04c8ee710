"""Every test of the suite fails that prints or logs a secret, whatever it is about."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[1]

TELLTALES = """
    import logging, sys
    import pytest
    from acmez.acme.challenge import Challenge
    from acmez.acme.identifier import Identifier
    from acmez.keys import generate, private_pem
    from acmez.option_types import Secret

    CHALLENGE = Challenge("http-01", "", "pending", Identifier.dns("a.example"), token="A" * 22, thumbprint="B" * 43)

    @pytest.fixture
    def secret():
        return Secret("hunter2hunter2")

    def test_that_prints_a_key():
        print(private_pem(generate("ec-p256")).decode())

    def test_that_logs_a_key_authorization():
        logging.getLogger("acmez").warning("cannot write %s", CHALLENGE.key_authorization)

    def test_that_tells_an_option(secret):
        sys.stderr.write(f"login: {secret}")

    @pytest.fixture
    def late():
        yield
        print(Secret("correct horse"))

    def test_that_tells_when_it_is_over(late):
        pass
"""
DISCREET = """
    from acmez.option_types import Secret

    def test_that_tells_nothing():
        print(repr(Secret("hunter2hunter2")), "https://ca.example/acme/authz/AAAAAAAAAAAAAAAAAAAAAAAA", "-----BEGIN")

    def test_that_hears_a_word_of_another_test():
        print("hunter2hunter2")
"""


@pytest.fixture
def run(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[[str], pytest.RunResult]:
    def run(tests: str) -> pytest.RunResult:
        monkeypatch.setenv("PYTHONPATH", str(CHECKOUT))
        pytester.makepyfile(tests)
        result = pytester.runpytest_subprocess("-p", "tests.no_secrets", "-p", "no:cacheprovider")
        capsys.readouterr()  # or this very test would have printed them
        return result

    return run


def test_what_tells_a_secret_has_failed(run: Callable[[str], pytest.RunResult]):
    result = run(TELLTALES)
    assert result.parseoutcomes() == {"failed": 3, "errors": 1, "passed": 1}
    told = [line for line in result.outlines if line.startswith("it printed or logged ")]
    assert told == [
        "it printed or logged the value of a secret option",
        "it printed or logged a private key",
        "it printed or logged a key authorization",
        "it printed or logged the value of a secret option",
    ]


def test_what_tells_none_has_not(run: Callable[[str], pytest.RunResult]):
    assert run(DISCREET).parseoutcomes() == {"passed": 2}
