"""What goes wrong with files, told to the person who can mend it."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from acmez.errors import AcmezError

from . import selinux


class WebrootError(AcmezError):
    """A challenge file could not be written or removed; the message starts with the path."""


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Raise `WebrootError` about the directory *path* for every `OSError` but "no such file"."""
    try:
        yield
    except FileNotFoundError:
        raise
    except OSError as error:
        raise WebrootError(f"{path}: {_reason(error, path)}") from error


def _reason(error: OSError, path: Path) -> str:
    match error.errno:
        case errno.EACCES | errno.EPERM:
            hint = "; SELinux is enforcing, see 'ausearch -m AVC -ts recent'" if selinux.enforcing() else ""
            return f"permission denied: let user {_user(os.geteuid())} write to this directory{_owner(path)}{hint}"
        case errno.EROFS:
            return "read-only file system: the web root must be writable where acmez runs"
        case errno.ENOSPC | errno.EDQUOT:
            return "no space left on the file system"
        case errno.ELOOP | errno.ENOTDIR if path.is_symlink():
            return (
                "is a symbolic link, which is not followed below the web root"
                " (let the web server map this location to a directory instead)"
            )
        case errno.ENOTDIR:
            return "is not a directory"
        case _:
            return (error.strerror or type(error).__name__).lower()


def _owner(path: Path) -> str:
    with suppress(OSError):
        status = path.stat()
        return f" (it belongs to {_user(status.st_uid)}, mode {status.st_mode & 0o7777:04o})"
    return ""


def _user(uid: int) -> str:
    import pwd

    try:
        return repr(pwd.getpwuid(uid).pw_name)
    except KeyError:
        return str(uid)
