"""Threads and processes that share a web root, and one that is killed."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from acmez_http_webroot import WebrootSolver

DIRECTORY = ".well-known/acme-challenge"
THREADS = 32

SCRIPT_HEAD = """
import json, os, sys
from pathlib import Path
from acmez.acme.identifier import Identifier
from acmez.protocols import CancelScope, Challenge
from acmez_http_webroot import WebrootSolver

def challenge(token):
    return Challenge("http-01", "", "pending", Identifier.dns("example.com"), token=token, thumbprint="thumb")

solver, scope = WebrootSolver(path=Path(sys.argv[1])), CancelScope(60)
"""
PRESENT_AND_DIE = """
print(json.dumps(solver.present(challenge("tok"), scope)), flush=True)
os.kill(os.getpid(), 9)
"""
DIE_HALF_WAY = """
os.rename = lambda *args, **kwargs: os.kill(os.getpid(), 9)
solver.present(challenge("tok"), scope)
"""
CLEAN_UP = """
solver.clean_up(challenge("tok"), json.loads(sys.argv[2]), scope)
"""
PRESENT_AND_CLEAN_UP_MANY_TIMES = """
for number in range(300):
    one = challenge(f"{os.getpid()}-{number}")
    handle = solver.present(one, scope)
    assert Path(handle["webroot"], handle["file"]).read_text() == one.key_authorization
    solver.clean_up(one, handle, scope)
"""


def names(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


def start(script: str, *arguments: str | Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-c", SCRIPT_HEAD + script, *map(str, arguments)],
        stdout=subprocess.PIPE,
        text=True,
    )


def test_threads_that_come_and_go_do_not_take_the_directory_from_each_other(webroot, challenge_for, scope):
    solver = WebrootSolver(path=webroot)

    def work(thread: int) -> int:
        for number in range(20):
            challenge = challenge_for(f"{thread}-{number}")
            handle = solver.present(challenge, scope)
            assert (webroot / DIRECTORY / f"{thread}-{number}").read_text() == challenge.key_authorization
            solver.clean_up(challenge, handle, scope)
        return number

    with ThreadPoolExecutor(THREADS) as pool:
        assert [*pool.map(work, range(THREADS))] == [19] * THREADS
    assert list(webroot.iterdir()) == []


def test_threads_with_the_same_challenge_agree(webroot, challenge, scope):
    solver = WebrootSolver(path=webroot)
    file: Path = webroot / DIRECTORY / "tok-EN_1"

    def work(_: int) -> str:
        solver.present(challenge, scope)
        return file.read_text()

    with ThreadPoolExecutor(THREADS) as pool:
        assert {*pool.map(work, range(THREADS * 4))} == {challenge.key_authorization}
    assert names(webroot / DIRECTORY) == ["tok-EN_1"]


def test_solvers_and_processes_share_a_web_root(webroot: Path):
    processes = [start(PRESENT_AND_CLEAN_UP_MANY_TIMES, webroot) for _ in range(3)]
    for process in processes:
        process.communicate(timeout=60)
    assert [process.returncode for process in processes] == [0, 0, 0]
    assert [path for path in webroot.rglob("*") if path.is_file()] == []


def test_another_process_cleans_up_after_a_crash_with_nothing_but_the_handle(webroot: Path, tmp_path: Path):
    crashed = start(PRESENT_AND_DIE, webroot)
    handle, _ = crashed.communicate(timeout=60)
    assert crashed.returncode == -signal.SIGKILL
    assert (webroot / DIRECTORY / "tok").exists()

    cleaner = start(CLEAN_UP, tmp_path / "configured-otherwise-by-now", json.dumps(json.loads(handle)))
    cleaner.communicate(timeout=60)
    assert cleaner.returncode == 0
    assert list(webroot.iterdir()) == []


def test_what_a_crash_within_present_left_is_removed(webroot, challenge_for, scope):
    crashed = start(DIE_HALF_WAY, webroot)
    crashed.communicate(timeout=60)
    assert crashed.returncode == -signal.SIGKILL
    (unfinished,) = (webroot / DIRECTORY).iterdir()
    assert unfinished.name.startswith(".tok.")

    WebrootSolver(path=webroot).clean_up(challenge_for("tok"), None, scope)
    assert not unfinished.exists()


def test_an_order_of_many_names_leaves_no_descriptor_open(webroot, challenge_for, scope):
    solver = WebrootSolver(path=webroot)
    before = len(names(Path("/proc/self/fd")))
    challenges = [challenge_for(f"token-{number}") for number in range(100)]
    handles = [solver.present(challenge, scope) for challenge in challenges]
    assert len(names(webroot / DIRECTORY)) == 100
    for challenge, handle in zip(challenges, handles, strict=True):
        solver.clean_up(challenge, handle, scope)
    assert len(names(Path("/proc/self/fd"))) <= before
