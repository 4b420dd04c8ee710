"""Where SELinux is enforcing, a type that web servers may not read is told, with the command to type."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from acmez_http_webroot import WebrootError, WebrootSolver, selinux

from tests.unprivileged import unprivileged


@pytest.fixture(params=["1", "0", None])
def enforce(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str | None:
    """What the kernel says: enforcing, permissive, or without SELinux."""
    file = tmp_path / "enforce"
    if request.param is not None:
        file.write_text(request.param)
    monkeypatch.setattr(selinux, "ENFORCE", file)
    return request.param  # type: ignore[no-any-return]


@pytest.mark.parametrize("kind", ["httpd_sys_content_t", "user_home_t"])
def test_a_type_that_web_servers_may_not_read_is_told_once(
    enforce, kind, webroot, challenge, challenge_for, scope, monkeypatch, caplog
):
    context = f"system_u:object_r:{kind}:s0\0".encode()
    monkeypatch.setattr(os, "getxattr", lambda path, name: context)
    solver = WebrootSolver(path=webroot)
    for each in (challenge, challenge_for("another")):
        solver.clean_up(each, solver.present(each, scope), scope)
    place = webroot / ".well-known/acme-challenge"
    told = (
        f"{place}: SELinux is enforcing, and the type 'user_home_t' is not one that web servers may read: "
        f"restorecon -Rv {place}, or chcon -Rt httpd_sys_content_t {place}"
    )
    assert caplog.messages == ([told] if (enforce, kind) == ("1", "user_home_t") else [])


def test_a_file_system_without_contexts_is_no_problem(enforce, webroot, challenge, scope, monkeypatch, caplog):
    def unsupported(path: object, name: str) -> bytes:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(os, "getxattr", unsupported)
    WebrootSolver(path=webroot).present(challenge, scope)
    assert caplog.messages == []


def test_a_refused_write_says_that_it_may_be_selinux(enforce, webroot, challenge, scope, monkeypatch):
    says = selinux.enforcing()
    monkeypatch.setattr(selinux, "enforcing", lambda: says)  # the folder of the test is root's alone
    webroot.chmod(0o500)
    with unprivileged(), pytest.raises(WebrootError) as raised:
        WebrootSolver(path=webroot).present(challenge, scope)
    assert ("SELinux is enforcing, see 'ausearch -m AVC -ts recent'" in str(raised.value)) == (enforce == "1")
