"""Files are written whole or not at all, and nothing else is left behind."""

from __future__ import annotations

import errno
import os
import stat
import tempfile
import threading
from pathlib import Path

import pytest

from acmez import files
from tests.disk import FULL, ROOM, little_room, umask
from tests.unprivileged import unprivileged

TOO_MUCH = b"x" * (4 * ROOM)


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def names_in(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


@pytest.mark.parametrize("mask", [0o000, 0o022, 0o777])
@pytest.mark.parametrize("mode", [0o600, 0o644])
def test_a_file_has_the_mode_it_was_given_whatever_the_umask_is(tmp_path: Path, mask: int, mode: int):
    with umask(mask):
        files.write(tmp_path / "written", b"data", mode=mode)
        files.create(tmp_path / "created", b"data", mode=mode)
    assert mode_of(tmp_path / "written") == mode_of(tmp_path / "created") == mode
    assert (tmp_path / "written").read_bytes() == (tmp_path / "created").read_bytes() == b"data"
    assert names_in(tmp_path) == ["created", "written"]


def test_a_file_is_for_nobody_else_until_it_has_its_mode_and_only_then_filled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    before: list[tuple[int, int]] = []
    fchmod = os.fchmod

    def record(descriptor: int, mode: int) -> None:
        status = os.fstat(descriptor)
        before.append((stat.S_IMODE(status.st_mode), status.st_size))
        fchmod(descriptor, mode)

    monkeypatch.setattr(os, "fchmod", record)
    with umask(0):
        files.write(tmp_path / "written", b"data", mode=0o600)
        files.create(tmp_path / "created", b"data", mode=0o644)
    assert before == [(0o600, 0), (0o600, 0)]


def test_writing_replaces_the_file_and_its_mode(tmp_path: Path):
    path = tmp_path / "file"
    path.write_bytes(b"old")
    path.chmod(0o666)
    with path.open("rb") as reader:
        files.write(path, b"new", mode=0o600)
        assert reader.read() == b"old"
    assert path.read_bytes() == b"new"
    assert mode_of(path) == 0o600


def test_a_name_of_the_longest_length_can_be_written(tmp_path: Path):
    path = tmp_path / ("n" * 255)
    files.write(path, b"data", mode=0o600)
    assert path.read_bytes() == b"data"


def test_a_path_without_directory_is_in_the_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    files.write(Path("file"), b"data", mode=0o600)
    assert (tmp_path / "file").read_bytes() == b"data"


def test_creating_leaves_what_is_there_alone(tmp_path: Path):
    path = tmp_path / "file"
    path.write_bytes(b"old")
    dangling = tmp_path / "link"
    dangling.symlink_to(tmp_path / "nowhere")
    for taken in (path, dangling):
        with pytest.raises(FileExistsError):
            files.create(taken, b"new", mode=0o600)
    assert path.read_bytes() == b"old"
    assert names_in(tmp_path) == ["file", "link"]


def test_a_symbolic_link_is_replaced_itself(tmp_path: Path):
    target, link = tmp_path / "target", tmp_path / "link"
    target.write_bytes(b"another's")
    link.symlink_to(target)
    files.write(link, b"new", mode=0o600)
    assert not link.is_symlink()
    assert link.read_bytes() == b"new"
    assert target.read_bytes() == b"another's"


def test_a_full_disk_leaves_the_old_file_and_nothing_else(tmp_path: Path):
    with little_room(tmp_path):
        path = tmp_path / "file"
        files.write(path, b"old", mode=0o600)
        for write in (files.write, files.create):
            with pytest.raises(OSError, match=FULL) as caught:
                write(path, TOO_MUCH, mode=0o644)
            assert caught.value.errno in {errno.ENOSPC, errno.EFBIG}
        assert path.read_bytes() == b"old"
        assert mode_of(path) == 0o600
        assert names_in(tmp_path) == ["file"]


def test_of_several_files_none_is_replaced_before_all_are_on_the_disk(tmp_path: Path):
    with little_room(tmp_path):
        files.write_all(tmp_path, [("a", b"old a", 0o600), ("b", b"old b", 0o644)])
        with pytest.raises(OSError, match=FULL):
            files.write_all(tmp_path, [("a", b"new a", 0o600), ("b", TOO_MUCH, 0o644)])
        assert (tmp_path / "a").read_bytes() == b"old a"
        assert (tmp_path / "b").read_bytes() == b"old b"
        assert names_in(tmp_path) == ["a", "b"]


def test_a_hard_link_is_replaced_itself(tmp_path: Path):
    target, link = tmp_path / "target", tmp_path / "link"
    target.write_bytes(b"another's")
    link.hardlink_to(target)
    files.write(link, b"new", mode=0o600)
    assert link.read_bytes() == b"new"
    assert target.read_bytes() == b"another's"


def test_a_directory_is_not_replaced(tmp_path: Path):
    (tmp_path / "directory").mkdir()
    with pytest.raises(IsADirectoryError):
        files.write(tmp_path / "directory", b"data", mode=0o600)
    assert names_in(tmp_path) == ["directory"]


def test_a_directory_that_is_not_there_is_an_error(tmp_path: Path):
    with pytest.raises(FileNotFoundError):
        files.write(tmp_path / "missing" / "file", b"data", mode=0o600)


def test_a_directory_that_cannot_be_read_and_so_not_be_synced_stays_as_it_was():
    with tempfile.TemporaryDirectory() as name:  # which everybody can get to
        directory = Path(name)
        directory.chmod(0o333)
        with unprivileged(), pytest.raises(PermissionError):
            files.write(directory / "file", b"data", mode=0o600)
        directory.chmod(0o700)
        assert names_in(directory) == []


def test_an_interrupt_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def interrupt(descriptor: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        files.write(tmp_path / "file", b"data", mode=0o600)
    assert names_in(tmp_path) == []


def test_data_is_on_the_disk_before_its_name_and_then_the_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    synced: list[tuple[str, bool]] = []
    fsync = os.fsync

    def record(descriptor: int) -> None:
        kind = "directory" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "data"
        synced.append((kind, path.exists()))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", record)
    for write in (files.write, files.create):
        path = tmp_path / write.__name__
        write(path, b"data", mode=0o600)
    assert synced == [("data", False), ("directory", True)] * 2


@pytest.mark.parametrize(("number", "tolerated"), [(errno.EINVAL, True), (errno.EIO, False)])
def test_a_file_system_that_cannot_sync_directories_will_do_but_not_one_that_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, tolerated: bool
):
    fsync = os.fsync

    def fail(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(number, os.strerror(number))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", fail)
    if tolerated:
        files.write(tmp_path / "file", b"data", mode=0o600)
        assert (tmp_path / "file").read_bytes() == b"data"
    else:
        with pytest.raises(OSError, match="Input/output error"):
            files.write(tmp_path / "file", b"data", mode=0o600)


def test_who_reads_during_writes_sees_one_version_or_the_other(tmp_path: Path):
    path = tmp_path / "file"
    versions = [bytes([number]) * 100_000 for number in range(8)]
    files.write(path, versions[0], mode=0o600)
    done = threading.Event()

    def write() -> None:
        for version in versions:
            files.write(path, version, mode=0o600)
        done.set()

    writer = threading.Thread(target=write)
    writer.start()
    seen = set()
    while not done.is_set():
        seen.add(path.read_bytes())
    writer.join()
    assert seen <= set(versions)
    assert path.read_bytes() == versions[-1]


def test_of_many_creators_one_wins(tmp_path: Path):
    path = tmp_path / "file"
    together = threading.Barrier(8)
    won: list[bytes] = []

    def create(data: bytes) -> None:
        together.wait()
        try:
            files.create(path, data, mode=0o600)
        except FileExistsError:
            return
        won.append(data)

    threads = [threading.Thread(target=create, args=(bytes([number]) * 1000,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert won == [path.read_bytes()]
    assert names_in(tmp_path) == ["file"]
