"""What SELinux has to do with it: a web server may read no file of another type than its own."""

from __future__ import annotations

import os
from pathlib import Path

ENFORCE = Path("/sys/fs/selinux/enforce")
ATTRIBUTE = "security.selinux"
READABLE = "httpd_"  # what the types begin with that nginx and Apache may read: httpd_sys_content_t, ...


def enforcing() -> bool:
    """Whether SELinux refuses what its policy does not allow."""
    try:
        return ENFORCE.read_text().strip() == "1"
    except OSError:
        return False


def unreadable(directory: Path) -> str | None:
    """Return why a web server may not read what is in *directory*, and what to type, or `None` if it may."""
    if not enforcing():
        return None
    kind = _type(directory)
    if kind is None or kind.startswith(READABLE):
        return None
    return (
        f"{directory}: SELinux is enforcing, and the type {kind!r} is not one that web servers may read: "
        f"restorecon -Rv {directory}, or chcon -Rt httpd_sys_content_t {directory}"
    )


def _type(path: Path) -> str | None:
    """Return the type of a file's context, `None` if it has none that can be read."""
    try:
        context = os.getxattr(path, ATTRIBUTE).decode(errors="replace").rstrip("\0")
    except OSError:
        return None
    parts = context.split(":")
    return parts[2] if len(parts) > 2 else None
