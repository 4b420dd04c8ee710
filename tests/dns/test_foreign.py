"""A library that hangs is left behind, and what it raises is told."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator

import pytest

from acmez.acme.errors import Cancelled
from acmez.acme.scope import CancelScope
from acmez.dns.foreign import bounded
from tests.dns.fixtures import scope

__all__ = ["scope"]


@pytest.fixture
def hanging() -> Iterator[threading.Event]:
    event = threading.Event()
    yield event
    event.set()


def test_its_result_is_returned_and_its_error_raised(scope: CancelScope):
    assert bounded(lambda: 42, scope) == 42
    with pytest.raises(ZeroDivisionError):
        bounded(lambda: 1 // 0, scope)


def test_one_that_wants_to_end_the_process_ends_itself(scope: CancelScope):
    with pytest.raises(RuntimeError, match="SystemExit: no licence"):
        bounded(lambda: sys.exit("no licence"), scope)


def test_one_that_hangs_is_left_behind(scope: CancelScope, hanging: threading.Event):
    with pytest.raises(TimeoutError, match=r"did not come to an end within 0\.05 s"):
        bounded(hanging.wait, scope, timeout=0.05)


def test_a_cancellation_is_not_kept(hanging: threading.Event):
    scope = CancelScope(60)
    timer = threading.Timer(0.05, scope.cancel)
    timer.start()
    with pytest.raises(Cancelled):
        bounded(hanging.wait, scope)
    timer.join()
