"""In CI a skipped test fails, wherever the skip comes from; elsewhere it stays a skip."""

from __future__ import annotations

from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[1]

SKIPS = """
    import pytest

    @pytest.fixture
    def absent():
        pytest.skip("no server")

    def test_in_fixture(absent):
        pass

    def test_in_body():
        pytest.skip("too late")

    @pytest.mark.skipif(True, reason="marked")
    def test_marked():
        pass

    @pytest.mark.xfail(reason="known", strict=True)
    def test_expected_failure():
        assert False

    def test_that_runs():
        pass
"""


def run(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, ci: str) -> pytest.RunResult:
    monkeypatch.setenv("CI", ci)
    monkeypatch.setenv("PYTHONPATH", str(CHECKOUT))
    return pytester.runpytest_subprocess("-p", "tests.no_skips", "-p", "no:cacheprovider")


def test_skips_fail_in_ci(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch):
    pytester.makepyfile(SKIPS)
    result = run(pytester, monkeypatch, "true")
    result.assert_outcomes(passed=1, failed=1, errors=2, xfailed=1)
    for reason in ("no server", "too late", "marked"):
        result.stdout.fnmatch_lines([f"*nothing may be skipped in CI: *{reason}*"])


def test_a_skipped_module_fails_in_ci(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch):
    pytester.makepyfile("import pytest\npytest.importorskip('no_such_module')")
    result = run(pytester, monkeypatch, "true")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*nothing may be skipped in CI: *no_such_module*"])


@pytest.mark.parametrize("ci", ["", "0", "false"])
def test_skips_stay_skips_elsewhere(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, ci: str):
    pytester.makepyfile(SKIPS)
    run(pytester, monkeypatch, ci).assert_outcomes(passed=1, skipped=3, xfailed=1)
