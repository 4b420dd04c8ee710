"""A web root where other users can write: they may plant what they like, and harm nobody but themselves."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from acmez_http_webroot import WebrootError, WebrootSolver

DIRECTORY = ".well-known/acme-challenge"


def names(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


@pytest.fixture
def solver(webroot: Path) -> WebrootSolver:
    return WebrootSolver(path=webroot)


@pytest.fixture
def victim(tmp_path: Path) -> Path:
    """A directory outside the web root."""
    place = tmp_path / "victim"
    place.mkdir()
    return place


@pytest.mark.parametrize("planted", [".well-known", DIRECTORY])
def test_a_planted_directory_link_is_not_followed(solver, webroot, victim, challenge, scope, planted):
    (webroot / planted).parent.mkdir(exist_ok=True)
    (webroot / planted).symlink_to(victim)
    with pytest.raises(WebrootError, match=f"^{webroot / planted}: is a symbolic link"):
        solver.present(challenge, scope)
    assert list(victim.iterdir()) == []


@pytest.mark.parametrize("planted", [".well-known", DIRECTORY])
def test_a_planted_directory_link_to_nowhere_makes_nothing_there(solver, webroot, victim, challenge, scope, planted):
    (webroot / planted).parent.mkdir(exist_ok=True)
    (webroot / planted).symlink_to(victim / "nowhere")
    with pytest.raises(WebrootError, match=f"^{webroot / planted}: is a symbolic link"):
        solver.present(challenge, scope)
    assert list(victim.iterdir()) == []


@pytest.mark.parametrize("planted", [".well-known", DIRECTORY])
def test_a_directory_swapped_for_a_link_hides_nothing_from_cleaning_up(
    solver, webroot, victim, challenge, scope, planted
):
    handle = solver.present(challenge, scope)
    (webroot / planted).rename(webroot / "moved")
    (webroot / planted).symlink_to(victim)
    (victim / "tok-EN_1").write_text(challenge.key_authorization)
    with pytest.raises(WebrootError, match="is a symbolic link"):
        solver.clean_up(challenge, handle, scope)
    assert (victim / "tok-EN_1").exists()
    assert (webroot / planted).is_symlink()


def test_a_file_instead_of_a_directory_is_told(solver, webroot, challenge, scope):
    (webroot / ".well-known").write_text("")
    with pytest.raises(WebrootError, match=r"/\.well-known: is not a directory$"):
        solver.present(challenge, scope)


def test_a_planted_file_link_is_replaced_and_not_written_through(solver, webroot, victim, challenge, scope):
    precious = victim / "precious"
    precious.write_text("precious")
    (webroot / DIRECTORY).mkdir(parents=True)
    (webroot / DIRECTORY / "tok-EN_1").symlink_to(precious)
    solver.present(challenge, scope)
    assert precious.read_text() == "precious"
    assert not (webroot / DIRECTORY / "tok-EN_1").is_symlink()


def test_a_planted_file_link_to_nowhere_is_replaced_and_makes_nothing_there(solver, webroot, victim, challenge, scope):
    (webroot / DIRECTORY).mkdir(parents=True)
    (webroot / DIRECTORY / "tok-EN_1").symlink_to(victim / "nowhere")
    handle = solver.present(challenge, scope)
    assert (webroot / DIRECTORY / "tok-EN_1").read_text() == challenge.key_authorization
    solver.clean_up(challenge, handle, scope)
    assert list(victim.iterdir()) == list((webroot / DIRECTORY).iterdir()) == []


def test_a_planted_hard_link_is_replaced_and_not_written_through(solver, webroot, victim, challenge, scope):
    precious = victim / "precious"
    precious.write_text("precious")
    (webroot / DIRECTORY).mkdir(parents=True)
    (webroot / DIRECTORY / "tok-EN_1").hardlink_to(precious)
    solver.present(challenge, scope)
    assert precious.read_text() == "precious"


def test_a_hard_link_in_the_place_of_our_file_is_left_alone(solver, webroot, victim, challenge, scope):
    (victim / "precious").write_text("precious")
    handle = solver.present(challenge, scope)
    ours = webroot / DIRECTORY / "tok-EN_1"
    ours.unlink()
    ours.hardlink_to(victim / "precious")
    solver.clean_up(challenge, handle, scope)
    assert ours.exists()
    assert (victim / "precious").read_text() == "precious"


def test_a_link_in_the_place_of_our_file_is_left_alone(solver, webroot, victim, challenge, scope):
    handle = solver.present(challenge, scope)
    ours = webroot / DIRECTORY / "tok-EN_1"
    ours.rename(victim / "copy")
    ours.symlink_to(victim / "copy")
    solver.clean_up(challenge, handle, scope)
    assert ours.is_symlink()
    assert (victim / "copy").exists()


@pytest.mark.parametrize("plant", [os.mkfifo, os.mkdir])
def test_nothing_in_the_place_of_our_file_makes_cleaning_up_hang(solver, webroot, challenge, scope, plant):
    handle = solver.present(challenge, scope)
    ours = webroot / DIRECTORY / "tok-EN_1"
    ours.unlink()
    plant(ours)
    solver.clean_up(challenge, handle, scope)
    assert ours.exists()


def test_a_directory_in_the_place_of_our_file_is_told(solver, webroot, challenge, scope):
    (webroot / DIRECTORY / "tok-EN_1").mkdir(parents=True)
    with pytest.raises(WebrootError, match=f"^{webroot / DIRECTORY}: is a directory$"):
        solver.present(challenge, scope)
    assert names(webroot / DIRECTORY) == ["tok-EN_1"], "an unfinished file is left"
