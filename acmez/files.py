"""Files that survive a crash: written whole or not at all, with the right mode from the start."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path


def write(path: Path, data: bytes, *, mode: int) -> None:
    """Replace *path* by *data*, atomically and durably; on any failure the old file stays as it was.

    A symbolic link is replaced itself: what it points to may be another's.

    Raises:
        OSError: it cannot be written; nothing is left behind.
    """
    write_all(path.parent, [(path.name, data, mode)])


def write_all(directory: Path, contents: Sequence[tuple[str, bytes, int]]) -> None:
    """Replace several files like `write`, none of them before the data of all is on the disk.

    Args:
        contents: name, data and mode of each; they are replaced in this order.

    Raises:
        OSError: one cannot be written; nothing is left behind.
    """
    with synced(directory), ExitStack() as stack:
        ready = [(stack.enter_context(_temporary(directory, data, mode)), name) for name, data, mode in contents]
        for temporary, name in ready:
            temporary.replace(directory / name)


def create(path: Path, data: bytes, *, mode: int, owner: tuple[int, int] | None = None) -> None:
    """Write *path* like `write`, but never over a file or a link that is there.

    Args:
        owner: user and group; `None`: who runs this.

    Raises:
        FileExistsError: somebody else was quicker.
        OSError: it cannot be written; nothing is left behind.
    """
    with synced(path.parent), _temporary(path.parent, data, mode, owner) as temporary:
        path.hardlink_to(temporary)


@contextmanager
def _temporary(directory: Path, data: bytes, mode: int, owner: tuple[int, int] | None = None) -> Iterator[Path]:
    """Yield a file with *data* that is on the disk, and remove what is left under its name."""
    descriptor, name = tempfile.mkstemp(prefix=".acmez-", dir=directory)
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            if owner is not None:
                os.fchown(file.fileno(), *owner)
            os.fchmod(file.fileno(), mode)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        yield temporary
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def synced(directory: Path) -> Iterator[None]:
    """Put on the disk what became of the names in *directory*; it is opened first, when failing harms nothing."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield
        try:
            os.fsync(descriptor)
        except OSError as exc:
            if exc.errno != errno.EINVAL:  # some network file systems cannot sync a directory
                raise
    finally:
        os.close(descriptor)
