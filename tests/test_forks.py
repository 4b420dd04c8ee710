"""What a fork must not share is told of it."""

from __future__ import annotations

import gc
import os

import pytest

from acmez import forks

# Other tests of this process may have threads.
pytestmark = pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")


class Noting:
    def __init__(self, seen: list[str]) -> None:
        self.seen = seen

    def before_fork(self) -> None:
        self.seen.append("before")

    def after_fork(self, *, in_child: bool) -> None:
        self.seen.append("child" if in_child else "parent")


def fork_and_tell(seen: list[str]) -> str:
    """Fork, and return what the child has seen."""
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        os.write(writer, " ".join(seen).encode())
        os._exit(0)
    os.waitpid(child, 0)
    os.close(writer)
    with os.fdopen(reader) as told:
        return told.read()


def test_both_sides_are_told():
    seen: list[str] = []
    noting = Noting(seen)
    forks.heed(noting)
    assert fork_and_tell(seen) == "before child"
    assert seen == ["before", "parent"]
    assert fork_and_tell(seen) == "before parent before child"


def test_nobody_is_kept_for_it():
    seen: list[str] = []
    noting = Noting(seen)
    forks.heed(noting)
    del noting
    gc.collect()
    assert fork_and_tell(seen) == ""
    assert seen == []
