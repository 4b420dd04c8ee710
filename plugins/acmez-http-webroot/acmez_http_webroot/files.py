"""Challenge files below a web root.

A web root is often writable for others: the users of a shared host, a web application. So every directory
below it is opened relative to the one above, and a symbolic link that was planted there is not followed.
The web root itself is the administrator's word and may be one.
"""

from __future__ import annotations

import errno
import os
import secrets
import stat
import threading
from collections.abc import Collection, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path

from .errors import WebrootError, explained

#: Where the CA looks (RFC 8555 §8.3): each directory, relative to the web root.
DIRECTORIES = (".well-known", ".well-known/acme-challenge")

_DIRECTORY_MODE = 0o755
_OPEN_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
_ATTEMPTS = 100


class ChallengeFiles:
    """Writes and removes challenge files, and remembers which directories it made.

    Safe to use from several threads, and while other processes use the same web root.

    Args:
        mode: of the files, whatever the umask.
    """

    def __init__(self, mode: int) -> None:
        self._mode = mode
        self._lock = threading.Lock()
        self._made: set[Path] = set()

    def write(self, webroot: Path, token: str, content: bytes) -> list[str]:
        """Make the file appear, whole, and return the `DIRECTORIES` that are there because of this object.

        Raises:
            WebrootError: the web root is missing or cannot be written to.
        """
        for _ in range(_ATTEMPTS):
            try:
                return self._write(webroot, token, content)
            except FileNotFoundError:
                # Another process cleaned up and removed the directory before our file was in it.
                continue
        raise WebrootError(f"{webroot / DIRECTORIES[-1]}: is removed as often as it is made")

    def remove(self, webroot: Path, token: str, made: Collection[str], content: bytes | None) -> None:
        """Remove the file, and of the directories *made* those that are empty; what is gone is gone.

        Args:
            webroot: as given to `write`.
            token: as given to `write`.
            made: what `write` returned, here or in another process.
            content: as given to `write`, to leave a file alone that holds anything else; `None`: not known.
        """
        with ExitStack() as stack, self._lock:
            opened = _open_existing(webroot, stack)
            if len(opened) > len(DIRECTORIES):
                with explained(webroot / DIRECTORIES[-1]):
                    _remove_file(token, content, opened[-1])
            for parent, name in reversed([*zip(opened, DIRECTORIES, strict=False)]):
                if name in made or webroot / name in self._made:
                    self._remove_directory(webroot / name, parent)

    def _write(self, webroot: Path, token: str, content: bytes) -> list[str]:
        place = webroot / DIRECTORIES[-1]
        unfinished = f".{token}.{secrets.token_hex(4)}"
        with ExitStack() as stack:
            with self._lock:  # no other thread shall remove the directory while it is empty
                directory = self._enter(webroot, stack)
                with explained(place):
                    file = _create(unfinished, directory)
                made = [name for name in DIRECTORIES if webroot / name in self._made]
            try:
                with explained(place):
                    _fill(file, content, self._mode)
                    os.rename(unfinished, token, src_dir_fd=directory, dst_dir_fd=directory)
                    _sync(directory)
            except BaseException:
                with suppress(OSError):
                    os.unlink(unfinished, dir_fd=directory)
                raise
        return made

    def _enter(self, webroot: Path, stack: ExitStack) -> int:
        """Open the directory of the challenge files, making what is missing."""
        try:
            directory = _open(webroot, None, stack)
        except FileNotFoundError as error:
            raise WebrootError(f"{webroot}: no such directory; create the web root or correct the option") from error
        for name in DIRECTORIES:
            path = webroot / name
            try:
                directory = _open(path, directory, stack)
            except FileNotFoundError:
                directory = self._make(path, directory, stack)
        return directory

    def _make(self, path: Path, parent: int, stack: ExitStack) -> int:
        with explained(path.parent):
            try:
                os.mkdir(path.name, _DIRECTORY_MODE, dir_fd=parent)
            except FileExistsError:  # another process was faster
                return _open(path, parent, stack)
        self._made.add(path)
        directory = _open(path, parent, stack)
        with explained(path):
            os.fchmod(directory, _DIRECTORY_MODE)  # whatever the umask
            _sync(parent)
        return directory

    def _remove_directory(self, path: Path, parent: int) -> None:
        with explained(path.parent):
            try:
                os.rmdir(path.name, dir_fd=parent)
            except FileNotFoundError:
                pass
            except OSError as error:
                if error.errno not in {errno.ENOTEMPTY, errno.EEXIST, errno.EBUSY}:
                    raise
                return
        self._made.discard(path)


def _open(path: Path, parent: int | None, stack: ExitStack) -> int:
    """Open a directory below the directory *parent*, or the web root; it is closed with *stack*."""
    with explained(path):
        if parent is None:
            directory = os.open(path, _OPEN_DIRECTORY & ~os.O_NOFOLLOW)
        else:
            directory = os.open(path.name, _OPEN_DIRECTORY, dir_fd=parent)
    stack.callback(os.close, directory)
    return directory


def _open_existing(webroot: Path, stack: ExitStack) -> Sequence[int]:
    """Open the web root and `DIRECTORIES` as far as they exist."""
    opened: list[int] = []
    with suppress(FileNotFoundError):
        opened.append(_open(webroot, None, stack))
        for name in DIRECTORIES:
            opened.append(_open(webroot / name, opened[-1], stack))
    return opened


def _create(name: str, directory: int) -> int:
    return os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600, dir_fd=directory)


def _fill(file: int, content: bytes, mode: int) -> None:
    with os.fdopen(file, "wb") as stream:
        stream.write(content)
        stream.flush()
        os.fchmod(file, mode)
        os.fsync(file)


def _sync(directory: int) -> None:
    """Put the names in a directory on the disk, where the journal puts what it knows of them."""
    try:
        os.fsync(directory)
    except OSError as error:
        if error.errno != errno.EINVAL:  # some network file systems cannot
            raise


def _remove_file(token: str, content: bytes | None, directory: int) -> None:
    try:
        if content is None or _holds(token, content, directory):
            os.unlink(token, dir_fd=directory)
    except FileNotFoundError:
        # `write` did not come to its end, or `remove` did already; look for what a crash left.
        for name in os.listdir(directory):
            if name.startswith(f".{token}."):
                with suppress(FileNotFoundError):
                    os.unlink(name, dir_fd=directory)


def _holds(name: str, content: bytes, directory: int) -> bool:
    try:
        # O_NONBLOCK: whoever put a FIFO there shall not make us wait for its writer.
        file = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=directory)
    except OSError as error:
        if error.errno == errno.ELOOP:
            return False
        raise
    try:
        return stat.S_ISREG(os.fstat(file).st_mode) and os.read(file, len(content) + 1) == content
    finally:
        os.close(file)
