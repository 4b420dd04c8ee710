"""A pytest plugin: a test during which a secret is printed or logged has failed, whatever it is about."""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator

import pytest

from acmez.option_types import Secret

_SHORTEST = 8  # of secrets that are looked for: "x" and "secret" are words of their own
_PATTERNS = {
    "a private key": re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----\s+[A-Za-z0-9+/]{40}"),
    "a key authorization": re.compile(r"(?<![\w.-])[\w-]{22,}\.[\w-]{43}(?![\w.-])", re.ASCII),
}
_ON_PURPOSE = "breaks_a_rule_is_caught"  # a contract's own tests have plugins that tell
_made = pytest.StashKey[set[str]]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Take note of every `Secret` that is made while a test runs, its fixtures included."""
    made = item.stash[_made] = set[str]()

    def make(kind: type[Secret], *given: object) -> Secret:
        secret = str.__new__(kind, *given)
        made.add(str(secret))
        return secret

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Secret, "__new__", make)
        return (yield)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    printed = "\n".join(text for title, text in report.sections if title.endswith(f" {report.when}"))
    told = sorted(set(_betrayed(printed, item.stash[_made])))
    if told and _ON_PURPOSE not in item.nodeid:
        report.outcome = "failed"
        report.longrepr = f"it printed or logged {', '.join(told)}"
    return report


def _betrayed(printed: str, secrets: set[str]) -> Iterator[str]:
    yield from (name for name, pattern in _PATTERNS.items() if pattern.search(printed))
    if any(len(secret) >= _SHORTEST and secret in printed for secret in secrets):
        yield "the value of a secret option"
