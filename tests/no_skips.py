"""A pytest plugin: where `CI` is set, a skipped test has failed, since a check nobody ran proves nothing."""

from __future__ import annotations

import os
from collections.abc import Generator, Mapping

import pytest


def is_ci(environ: Mapping[str, str]) -> bool:
    """Tell whether the tests run in continuous integration."""
    return environ.get("CI", "").lower() not in {"", "0", "false"}


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if is_ci(os.environ) and report.skipped and not hasattr(report, "wasxfail"):
        _fail(report)
    return report


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    if is_ci(os.environ) and report.skipped:
        _fail(report)
    return report


def _fail(report: pytest.TestReport | pytest.CollectReport) -> None:
    reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longreprtext
    report.outcome = "failed"
    report.longrepr = f"skipped, but nothing may be skipped in CI: {reason}"
