"""A program may hang, say too much, or leave something running; it keeps nobody."""

from __future__ import annotations

import os
import time

import pytest
from acmez_dns_exec.running import ProgramError, run

from acmez.acme.errors import Cancelled
from acmez.acme.scope import CancelScope

ENVIRON = {"PATH": os.environ["PATH"]}


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    with open(f"/proc/{pid}/stat", encoding="ascii") as stat:  # noqa: PTH123
        return stat.read().split()[2] != "Z"


def wait_for_the_end_of(pid: int) -> bool:
    scope = CancelScope(5)
    while alive(pid) and scope.remaining():
        scope.sleep(0.01)
    return not alive(pid)


def test_what_it_writes_and_how_it_ends_is_told(program, scope):
    outcome = run([str(program("echo out; echo err >&2; exit 7"))], ENVIRON, 10, scope)
    assert (outcome.status, outcome.output, outcome.errors) == (7, "out\n", "err\n")


def test_it_has_nothing_to_read(program, scope):
    assert run([str(program("cat"))], ENVIRON, 10, scope).output == ""


def test_huge_output_is_read_and_its_end_kept(program, scope):
    outcome = run([str(program("head -c 20000000 /dev/zero | tr '\\0' x; echo; echo the end"))], ENVIRON, 30, scope)
    assert len(outcome.output) == 64 * 1024
    assert outcome.output.endswith("\nthe end\n")


def test_one_that_hangs_is_killed_with_all_that_it_started(program, tmp_path, scope):
    path = program(f"sleep 60 & echo $! >{tmp_path}/pid; trap '' TERM; sleep 61")
    with pytest.raises(ProgramError, match=r"program.sh: did not end within 0.3 s, and was killed$"):
        run([str(path)], ENVIRON, 0.3, scope)
    assert wait_for_the_end_of(int((tmp_path / "pid").read_text()))


def test_a_cancellation_kills_it(program, tmp_path):
    path = program(f"echo $$ >{tmp_path}/pid; sleep 60")
    began = time.monotonic()
    with pytest.raises(Cancelled):
        run([str(path)], ENVIRON, 60, CancelScope(0.3))
    assert time.monotonic() - began < 5
    assert wait_for_the_end_of(int((tmp_path / "pid").read_text()))


def test_what_it_leaves_running_keeps_nobody(program, tmp_path, scope):
    path = program(f"sleep 5 & echo $! >{tmp_path}/pid; echo done")
    assert run([str(path)], ENVIRON, 4, scope).output == "done\n"
    pid = int((tmp_path / "pid").read_text())
    assert alive(pid)
    os.kill(pid, 9)


def test_one_that_closes_its_output_is_waited_for(program, tmp_path, scope):
    path = program(f"exec >&- 2>&-; sleep 0.2; touch {tmp_path}/end")
    assert run([str(path)], ENVIRON, 10, scope).status == 0
    assert (tmp_path / "end").exists()


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda path: None, "no such program, or none that its first line names"),
        (lambda path: path.write_text("#!/no/such/shell\n") and path.chmod(0o755), "no such program"),
        (lambda path: path.write_text("#!/bin/sh\n") and path.chmod(0o644), r"permission denied \(chmod \+x\?\)"),
        (lambda path: path.write_bytes(b"\x00\x01") and path.chmod(0o755), "is no program"),
    ],
)
def test_one_that_cannot_be_started_is_told(tmp_path, scope, make, reason):
    path = tmp_path / "program"
    make(path)
    with pytest.raises(ProgramError, match=f"^{path}: {reason}"):
        run([str(path)], ENVIRON, 10, scope)
