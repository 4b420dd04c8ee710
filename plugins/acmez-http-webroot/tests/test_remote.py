"""Challenge files go to other machines by commands of the user's, and are removed there."""

from __future__ import annotations

import sys
import threading
from pathlib import Path

import pytest
from acmez_http_webroot import Remote, WebrootError, WebrootSolver

import acmez
from acmez.acme.errors import Cancelled, DeadlineExceeded
from acmez.csr import certificate_names
from acmez.protocols import CancelScope
from tests.pebble.crash_zone import serving_files
from tests.pebble.fixtures import AnyCA

PATH = ".well-known/acme-challenge/tok-EN_1"
NODES = ["web1", "web2"]


@pytest.fixture
def nodes(tmp_path: Path) -> Path:
    """The web roots of two machines."""
    for node in NODES:
        (tmp_path / node / PATH).parent.mkdir(parents=True)
    return tmp_path


@pytest.fixture
def remote(nodes: Path) -> Remote:
    return Remote(
        copy=["cp", "{file}", f"{nodes}/{{node}}/{{path}}"],
        remove=["rm", "-f", f"{nodes}/{{node}}/{{path}}"],
        nodes=NODES,
    )


def shell(script: str, *, remove: str = ":", timeout: float = 60.0) -> Remote:
    return Remote(copy=["sh", "-c", script, "copy", "{path}"], remove=["sh", "-c", remove], timeout=timeout)


def test_every_node_has_the_file_until_it_is_cleaned_up(nodes, remote, challenge, scope):
    solver = WebrootSolver(remote=remote)
    handle = solver.present(challenge, scope)
    for node in NODES:
        assert (nodes / node / PATH).read_text() == challenge.key_authorization
    for _ in range(2):
        solver.clean_up(challenge, handle, scope)
        assert not [(nodes / node / PATH) for node in NODES if (nodes / node / PATH).exists()]


def test_another_process_cleans_up_without_the_handle(nodes, remote, challenge, scope):
    WebrootSolver(remote=remote).present(challenge, scope)
    WebrootSolver(remote=remote).clean_up(challenge, None, scope)
    assert not (nodes / "web1" / PATH).exists()


def test_the_file_is_here_as_well_if_there_is_a_web_root(nodes, webroot, remote, challenge, scope):
    solver = WebrootSolver(path=webroot, remote=remote)
    handle = solver.present(challenge, scope)
    assert (webroot / PATH).read_text() == (nodes / "web2" / PATH).read_text()
    solver.clean_up(challenge, handle, scope)
    assert [*webroot.iterdir()] == []


def test_a_ca_issues_by_what_was_copied(any_ca: AnyCA, nodes: Path, remote: Remote):
    with (
        serving_files(nodes / "web2", any_ca.http_port),
        acmez.Client(any_ca.directory_url, solvers=[WebrootSolver(remote=remote)], trust=any_ca.trust) as client,
    ):
        client.register(terms_of_service_agreed=True)
        certificate = client.obtain(["remote.webroot.example"], timeout=60)
    assert certificate_names(certificate.leaf) == {("dns", "remote.webroot.example")}
    assert [path for path in nodes.rglob("*") if path.is_file() and "acme-challenge" in str(path)] == []


def test_the_contents_are_the_commands_input_too(tmp_path, challenge, scope):
    there = tmp_path / "there"
    WebrootSolver(remote=shell(f"cat > {there}")).present(challenge, scope)
    assert there.read_text() == challenge.key_authorization


def test_no_shell_sees_a_word(tmp_path, challenge, scope):
    file = tmp_path / "$(touch pwned); `id`"
    Remote(copy=["cp", "{file}", str(file)], remove=["true"]).put(PATH, "example.com", b"content", scope)
    assert file.read_bytes() == b"content"
    assert [path.name for path in tmp_path.iterdir()] == [file.name]


def test_a_token_never_becomes_an_option(challenge_for, scope):
    solver = WebrootSolver(remote=Remote(copy=["true", "{token}"], remove=["true"]))
    with pytest.raises(WebrootError, match="would become an option"):
        solver.present(challenge_for("-rf"), scope)
    WebrootSolver(remote=Remote(copy=["true", "www/{token}"], remove=["true"])).present(challenge_for("-rf"), scope)


def test_each_node_that_fails_is_told_and_the_others_are_served(nodes, challenge, scope):
    script = f'test $0 != web1 || {{ echo "cannot reach it: $1" >&2; exit 3; }}; cp "$2" {nodes}/$0/$1'
    remote = Remote(["sh", "-c", script, "{node}", "{path}", "{file}"], ["true"], NODES)
    with pytest.raises(WebrootError) as raised:
        WebrootSolver(remote=remote).present(challenge, scope)
    told = "web1: 'sh' ended with status 3: cannot reach it: .well-known/acme-challenge/***"
    assert str(raised.value) == told
    assert (nodes / "web2" / PATH).exists()


def test_a_program_that_is_not_there_is_told(challenge, scope):
    with pytest.raises(WebrootError, match=r"^no-such-program: 'no-such-program' cannot be started: No such file"):
        WebrootSolver(remote=Remote(["no-such-program"], ["true"])).present(challenge, scope)


def test_a_command_that_hangs_is_killed_with_all_that_it_started(tmp_path, challenge, scope):
    child = tmp_path / "child"
    remote = shell(f"sleep 60 & echo $! > {child}; wait", timeout=0.3)
    with pytest.raises(WebrootError, match=r"'sh' did not end within 0\.3 s, and was killed"):
        WebrootSolver(remote=remote).present(challenge, scope)
    assert gone(int(child.read_text()))


@pytest.mark.parametrize("end", ["cancelled", "timed out"])
def test_a_command_ends_with_its_scope(tmp_path, challenge, end: str):
    started = tmp_path / "started"
    scope = CancelScope(0.3 if end == "timed out" else 30)
    if end == "cancelled":
        threading.Timer(0.2, scope.cancel).start()
    with pytest.raises(DeadlineExceeded if end == "timed out" else Cancelled):
        WebrootSolver(remote=shell(f"echo $$ > {started}; exec sleep 60")).present(challenge, scope)
    assert gone(int(started.read_text()))


def test_what_is_here_is_removed_although_a_node_fails(webroot, challenge, scope):
    solver = WebrootSolver(path=webroot, remote=shell(":", remove="exit 1"))
    handle = solver.present(challenge, scope)
    with pytest.raises(WebrootError, match="ended with status 1"):
        solver.clean_up(challenge, handle, scope)
    assert [*webroot.iterdir()] == []


@pytest.mark.parametrize(
    ("copy", "nodes", "wrong"),
    [
        ([], [], "copy: expected a program and its arguments"),
        (["cp", "{fiel}"], [], r"copy: \{fiel\} is none of \{node\}, \{file\}, "),
        (["cp", "{node}"], [], r"copy: \{node\} stands for one of 'nodes', which is empty"),
    ],
)
def test_a_command_that_cannot_be_meant_is_refused(copy, nodes, wrong):
    with pytest.raises(ValueError, match=wrong):
        Remote(copy, ["true"], nodes)


def test_python_is_a_program_too(tmp_path, challenge, scope):
    program = "import sys, pathlib; pathlib.Path(sys.argv[1]).write_bytes(sys.stdin.buffer.read())"
    there = tmp_path / "there"
    solver = WebrootSolver(remote=Remote([sys.executable, "-c", program, str(there)], ["true"]))
    solver.present(challenge, scope)
    assert there.read_text() == challenge.key_authorization


def gone(process: int) -> bool:
    """Whether a process ends within a moment."""
    scope = CancelScope(10)
    while (scope.remaining() or 0) > 0:
        try:
            state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            return True
        if state == "Z":  # nobody has asked how it ended
            return True
        scope.sleep(0.02)
    return False
