"""What is written where, and what is left when it is cleaned up."""

from __future__ import annotations

import dataclasses
import errno
import json
import os
import pickle
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from acmez_http_webroot import WebrootError, WebrootSolver

from acmez.acme.errors import Cancelled, MalformedAnswer
from acmez.acme.identifier import Identifier
from acmez.protocols import CancelScope, Challenge, Solver

DIRECTORY = ".well-known/acme-challenge"


@pytest.fixture
def solver(webroot: Path) -> WebrootSolver:
    return WebrootSolver(path=webroot)


def names(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o7777


def test_it_is_a_solver_of_http_01(solver: WebrootSolver):
    as_protocol: Solver = solver
    assert (as_protocol.name, as_protocol.challenge_type) == ("http-webroot", "http-01")


def test_it_goes_along_to_another_process(webroot: Path, challenge, scope):
    solver = WebrootSolver(webroots={"*.example.com": webroot, "example.com": webroot}, mode=0o640)
    copy = pickle.loads(pickle.dumps(solver))  # noqa: S301
    assert copy == solver
    handle = solver.present(challenge, scope)
    copy.clean_up(challenge, handle, scope)
    assert list(webroot.iterdir()) == []


def test_the_key_authorization_is_served_where_the_ca_looks(solver, webroot, challenge, scope):
    solver.present(challenge, scope)
    assert (webroot / DIRECTORY / "tok-EN_1").read_bytes() == b"tok-EN_1.thumb-PRINT_1"
    assert names(webroot / DIRECTORY) == ["tok-EN_1"]


def test_directories_data_and_name_are_on_the_disk_in_this_order(solver, webroot, challenge, scope, monkeypatch):
    synced: list[tuple[str, bool]] = []
    fsync = os.fsync

    def record(descriptor: int) -> None:
        places = {path.stat().st_ino: path.name for path in [webroot, *webroot.rglob("*")] if path.is_dir()}
        name = places.get(os.fstat(descriptor).st_ino, "data")
        synced.append((name, (webroot / DIRECTORY / "tok-EN_1").exists()))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", record)
    solver.present(challenge, scope)
    assert synced == [("www", False), (".well-known", False), ("data", False), ("acme-challenge", True)]


@pytest.mark.parametrize(("number", "tolerated"), [(errno.EINVAL, True), (errno.EIO, False)])
def test_a_file_system_that_cannot_sync_directories_will_do_but_not_one_that_fails(
    solver, webroot, challenge, scope, monkeypatch, number, tolerated
):
    fsync = os.fsync

    def fail(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(number, os.strerror(number))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", fail)
    if tolerated:
        solver.present(challenge, scope)
        assert names(webroot / DIRECTORY) == ["tok-EN_1"]
    else:
        with pytest.raises(WebrootError, match="input/output error"):
            solver.present(challenge, scope)


def test_cleaning_up_leaves_nothing(solver, webroot, challenge, scope):
    handle = solver.present(challenge, scope)
    solver.clean_up(challenge, handle, scope)
    assert list(webroot.iterdir()) == []


@pytest.mark.parametrize("found", [".well-known", DIRECTORY])
def test_a_directory_that_was_found_is_kept(solver, webroot, challenge, scope, found):
    (webroot / found).mkdir(parents=True)
    kept = [*webroot.rglob("*")]
    handle = solver.present(challenge, scope)
    solver.clean_up(challenge, handle, scope)
    assert [*webroot.rglob("*")] == kept


def test_a_directory_is_kept_while_something_else_is_in_it(solver, webroot, challenge, scope):
    handle = solver.present(challenge, scope)
    (webroot / ".well-known" / "security.txt").write_text("Contact: ...")
    solver.clean_up(challenge, handle, scope)
    assert names(webroot / ".well-known") == ["security.txt"]


def test_the_last_challenge_removes_the_directories_in_any_order(solver, webroot, challenge_for, scope):
    first, second = challenge_for("one"), challenge_for("two")
    of_first, of_second = solver.present(first, scope), solver.present(second, scope)
    solver.clean_up(first, of_first, scope)
    assert names(webroot / DIRECTORY) == ["two"]
    solver.clean_up(second, of_second, scope)
    assert list(webroot.iterdir()) == []


def test_presenting_twice_is_presenting_once(solver, webroot, challenge, scope):
    assert solver.present(challenge, scope) == solver.present(challenge, scope)
    assert names(webroot / DIRECTORY) == ["tok-EN_1"]


def test_cleaning_up_twice_is_cleaning_up_once(solver, webroot, challenge, scope):
    handle = solver.present(challenge, scope)
    solver.clean_up(challenge, handle, scope)
    solver.clean_up(challenge, handle, scope)
    assert list(webroot.iterdir()) == []


def test_cleaning_up_needs_neither_present_nor_handle(solver, webroot, challenge, challenge_for, scope):
    solver.clean_up(challenge, None, scope)
    solver.clean_up(challenge_for(None), None, scope)
    solver.present(challenge, scope)
    solver.clean_up(challenge, None, scope)
    assert list(webroot.iterdir()) == []


def test_cleaning_up_where_the_web_root_is_gone_is_done(solver, webroot, challenge, scope):
    handle = solver.present(challenge, scope)
    webroot.rename(webroot.with_name("moved"))
    solver.clean_up(challenge, handle, scope)
    assert not webroot.exists()


def test_a_file_with_other_contents_is_somebody_elses(solver, webroot, challenge, scope):
    handle = solver.present(challenge, scope)
    file = webroot / DIRECTORY / "tok-EN_1"
    file.write_text("tok-EN_1.another-account")
    solver.clean_up(challenge, handle, scope)
    assert file.read_text() == "tok-EN_1.another-account"


def test_an_old_file_of_another_account_is_replaced(solver, webroot, challenge, scope):
    (webroot / DIRECTORY).mkdir(parents=True)
    (webroot / DIRECTORY / "tok-EN_1").write_text("tok-EN_1.another-account")
    solver.present(challenge, scope)
    assert (webroot / DIRECTORY / "tok-EN_1").read_text() == "tok-EN_1.thumb-PRINT_1"


@pytest.mark.usefixtures("private_umask")
def test_the_web_server_can_read_whatever_the_umask(solver, webroot, challenge, scope):
    solver.present(challenge, scope)
    assert mode(webroot / DIRECTORY / "tok-EN_1") == 0o644
    assert mode(webroot / DIRECTORY) == mode(webroot / ".well-known") == 0o755


def test_the_mode_of_files_is_an_option(webroot, challenge, scope):
    WebrootSolver(path=webroot, mode=0o640).present(challenge, scope)
    assert mode(webroot / DIRECTORY / "tok-EN_1") == 0o640


def test_the_permissions_of_a_found_directory_are_left_alone(solver, webroot, challenge, scope):
    (webroot / ".well-known").mkdir(mode=0o700)
    solver.present(challenge, scope)
    assert mode(webroot / ".well-known") == 0o700


def test_a_relative_web_root_is_found_from_another_directory(webroot, challenge, scope, monkeypatch):
    monkeypatch.chdir(webroot.parent)
    solver = WebrootSolver(path=Path("www"))
    handle = solver.present(challenge, scope)
    monkeypatch.chdir("/")
    solver.clean_up(challenge, handle, scope)
    assert list(webroot.iterdir()) == []


def test_the_web_root_may_be_a_link_that_moves_on(tmp_path, webroot, challenge, scope):
    current = tmp_path / "current"
    current.symlink_to(webroot)
    solver = WebrootSolver(path=current)
    handle = solver.present(challenge, scope)
    assert (webroot / DIRECTORY / "tok-EN_1").exists()
    current.unlink()
    current.symlink_to(tmp_path / "next-release")
    solver.clean_up(challenge, handle, scope)
    assert list(webroot.iterdir()) == []


def test_the_handle_is_plain_json_and_holds_no_secret(solver, challenge, scope):
    handle = solver.present(challenge, scope)
    text = json.dumps(handle)
    assert "thumb-PRINT_1" not in text
    assert json.loads(text) == handle


def test_a_handle_is_enough_for_another_solver(solver, tmp_path, webroot, challenge, challenge_for, scope):
    handle = json.loads(json.dumps(solver.present(challenge, scope)))
    elsewhere = WebrootSolver(path=tmp_path / "elsewhere")
    without_secrets = dataclasses.replace(challenge_for(None), thumbprint="")
    elsewhere.clean_up(without_secrets, handle, scope)
    assert list(webroot.iterdir()) == []


@pytest.mark.parametrize(
    "handle",
    [
        {},
        {"webroot": "/srv", "file": f"{DIRECTORY}/../../index.html", "made": []},
        {"webroot": "/srv", "file": "index.html", "made": []},
        {"webroot": "srv", "file": f"{DIRECTORY}/tok-EN_1", "made": []},
        {"webroot": "/srv", "file": f"{DIRECTORY}/index.html", "made": []},
        {"record": "42"},
    ],
)
def test_a_handle_that_is_not_ours_is_refused(solver, challenge, scope, handle):
    with pytest.raises(WebrootError, match=r"^\.well-known/acme-challenge: "):
        solver.clean_up(challenge, handle, scope)


def test_only_directories_of_challenges_can_be_named_by_a_handle(solver, webroot, challenge, scope):
    (webroot / "uploads").mkdir()
    handle = {**solver.present(challenge, scope), "made": ["uploads", 1]}
    solver.clean_up(challenge, handle, scope)
    assert (webroot / "uploads").exists()


class TestSeveralWebroots:
    @pytest.fixture
    def roots(self, tmp_path: Path) -> dict[str, Path]:
        roots = {name: tmp_path / name for name in ("default", "shop", "net", "deep", "address")}
        for root in roots.values():
            root.mkdir()
        return roots

    @pytest.fixture
    def solver(self, roots: dict[str, Path]) -> WebrootSolver:
        return WebrootSolver(
            path=roots["default"],
            webroots={
                "Shop.example.com.": roots["shop"],
                "*.example.net": roots["net"],
                "*.deep.example.net": roots["deep"],
                "2001:DB8::0001": roots["address"],
            },
        )

    @pytest.mark.parametrize(
        ("identifier", "root"),
        [
            (Identifier.dns("shop.example.com"), "shop"),
            (Identifier.dns("SHOP.example.com"), "shop"),
            (Identifier.dns("a.shop.example.com"), "default"),
            (Identifier.dns("example.net"), "default"),
            (Identifier.dns("a.example.net"), "net"),
            (Identifier.dns("a.b.example.net"), "net"),
            (Identifier.dns("deep.example.net"), "net"),
            (Identifier.dns("a.deep.example.net"), "deep"),
            (Identifier.ip("2001:db8::1"), "address"),
            (Identifier.ip("2001:db8::2"), "default"),
        ],
        ids=str,
    )
    def test_the_most_exact_pattern_counts(self, solver, roots, challenge, scope, identifier, root):
        solver.present(dataclasses.replace(challenge, identifier=identifier), scope)
        assert [name for name, path in roots.items() if any(path.iterdir())] == [root]

    def test_a_name_without_web_root_is_told(self, roots, challenge, scope):
        solver = WebrootSolver(webroots={"*.example.net": roots["net"]})
        with pytest.raises(WebrootError, match=r"^example\.com: no web root is set: add the name to 'webroots'"):
            solver.present(challenge, scope)
        solver.clean_up(challenge, None, scope)

    @pytest.mark.parametrize("pattern", ["", "*", "a*.example.com", "*.*.example.com", "a/b", "exa mple.com"])
    def test_a_pattern_that_can_match_nothing_is_refused(self, roots, pattern):
        with pytest.raises(ValueError, match=r"^webroots: '.*' is no name"):
            WebrootSolver(webroots={pattern: roots["net"]})

    def test_a_name_in_unicode_is_told_to_be_written_in_ascii(self, roots):
        with pytest.raises(ValueError, match="write its A-labels"):
            WebrootSolver(webroots={"*.bücher.example": roots["net"]})


def test_a_web_root_is_required():
    with pytest.raises(ValueError, match=r"^path, webroots or remote is required$"):
        WebrootSolver()


@pytest.mark.parametrize("value", [644, 0, 0o077, -1])
def test_a_mode_that_was_not_meant_is_refused(webroot, value):
    with pytest.raises(ValueError, match=r"^mode: .* \(did you mean 0o644\?\)"):
        WebrootSolver(path=webroot, mode=value)


@pytest.mark.parametrize("token", ["../index", "a/b", "a.b", "..", ".", "a\0b", "ä", ""])
def test_a_token_outside_base64url_never_becomes_a_file(
    solver: WebrootSolver, webroot: Path, challenge_for: Callable[..., Challenge], scope: CancelScope, token: str
):
    with pytest.raises(WebrootError, match="token is not base64url"):
        solver.present(challenge_for(token), scope)
    solver.clean_up(challenge_for(token), None, scope)
    assert list(webroot.iterdir()) == []


def test_a_challenge_without_token_is_the_cas_mistake(solver, challenge_for, scope):
    with pytest.raises(MalformedAnswer, match="there is no token"):
        solver.present(challenge_for(None), scope)


def test_cleaning_up_goes_on_after_the_end_of_the_scope(solver, webroot, challenge, scope):
    handle = solver.present(challenge, scope)
    scope.cancel()
    solver.clean_up(challenge, handle, scope)
    assert list(webroot.iterdir()) == []


def test_nothing_is_written_after_the_end_of_the_scope(solver, webroot, challenge, scope):
    scope.cancel()
    with pytest.raises(Cancelled):
        solver.present(challenge, scope)
    assert list(webroot.iterdir()) == []
