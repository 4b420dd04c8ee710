"""The solver: which web root a name has, and what is put there."""

from __future__ import annotations

import ipaddress
import logging
import os
import re
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field, fields
from pathlib import Path, PurePosixPath
from typing import ClassVar

from acmez.acme.challenges import http_01
from acmez.acme.identifier import Identifier, IdentifierType
from acmez.acme.wire import JSON, is_base64url
from acmez.options import AnyPath
from acmez.protocols import CancelScope, Challenge, Handle

from . import selinux
from .errors import WebrootError
from .files import DIRECTORIES, ChallengeFiles
from .remote import Remote

log = logging.getLogger(__name__)

_NAME = re.compile(r"(\*\.)?([a-z0-9_-]+\.)*[a-z0-9_-]+\Z")


@dataclass
class WebrootSolver:
    """Answers http-01 with files below the document root of a web server that runs already.

    Attributes:
        path: the web root of every name that `webroots` does not tell; may be left out if that tells all, or if the
            files go to other machines only.
        webroots: a name, "*." and a name (whatever is below it), or an IP address -> its web root. The most
            exact one counts.
        mode: permissions of the challenge files, whatever the umask; the web server must be able to read them.
        remote: copies the files to other machines.

    Raises:
        ValueError: there is no web root at all, or a value is impossible.
    """

    name: ClassVar[str] = "http-webroot"
    challenge_type: ClassVar[str] = "http-01"

    path: AnyPath | None = None
    webroots: dict[str, Path] = field(default_factory=dict)
    mode: int = 0o644
    remote: Remote | None = None

    def __post_init__(self) -> None:
        if self.path is None and not self.webroots and self.remote is None:
            raise ValueError("path, webroots or remote is required")
        if not 0o400 <= self.mode <= 0o777:
            raise ValueError(f"mode: {self.mode} is no file mode the owner can read (did you mean 0o644?)")
        self._roots = {_pattern(name): Path(root) for name, root in self.webroots.items()}
        self._files = ChallengeFiles(self.mode)
        self._warned: set[Path] = set()

    def __reduce__(self) -> tuple[type[WebrootSolver], tuple[object, ...]]:
        """Pickle the options: another process knows by itself what it made."""
        return type(self), tuple(getattr(self, option.name) for option in fields(self))

    def present(self, challenge: Challenge, scope: CancelScope) -> Handle:
        """Write the file, here and on other machines; return where it is and which directories were made for it.

        Raises:
            WebrootError: the name has no web root, the file cannot be written or copied, or the token cannot name one.
            MalformedAnswer: the CA's token or identifier cannot be used.
            Cancelled: *scope* ended; commands were killed.
        """
        scope.check()
        content = http_01.answer(challenge).body.encode()
        webroot, token = self._webroot(challenge.identifier), _token(challenge)
        if webroot is None and self.remote is None:
            raise WebrootError(f"{challenge.identifier}: no web root is set: add the name to 'webroots', or set 'path'")
        if token is None:
            raise WebrootError(f"{webroot or ''}/{DIRECTORIES[-1]}: the token is not base64url")
        file = f"{DIRECTORIES[-1]}/{token}"
        handle: dict[str, JSON] = {"file": file}
        if webroot is not None:
            handle |= {"webroot": str(webroot), "made": self._files.write(webroot, token, content)}
            self._warn(webroot / DIRECTORIES[-1])
        if self.remote is not None:
            self.remote.put(file, challenge.identifier.value, content, scope)
        return handle

    def clean_up(self, challenge: Challenge, handle: Handle | None, scope: CancelScope) -> None:
        """Remove the file here and elsewhere, and the directories that were made if they are empty.

        A file here with other contents than this challenge's is left alone.

        Raises:
            WebrootError: the file is there and cannot be removed, or *handle* is not this solver's.
        """
        with ExitStack() as both:  # the second is done although the first failed
            if self.remote is not None and (token := _token(challenge)) is not None:
                file = f"{DIRECTORIES[-1]}/{token}"
                both.callback(self.remote.take_away, file, challenge.identifier.value, scope)
            self._clean_up_here(challenge, handle)

    def _clean_up_here(self, challenge: Challenge, handle: Handle | None) -> None:
        known = challenge.token and challenge.thumbprint
        content = challenge.key_authorization.encode() if known else None
        if handle is None:
            webroot, token = self._webroot(challenge.identifier), _token(challenge)
            if webroot is not None and token is not None:
                self._files.remove(webroot, token, (), content)
        elif self.remote is None or "webroot" in handle:
            self._files.remove(*_read(handle), content)

    def _warn(self, directory: Path) -> None:
        """Tell once of a directory that web servers may not read."""
        if directory not in self._warned:
            self._warned.add(directory)
            if reason := selinux.unreadable(directory):
                log.warning("%s", reason)

    def _webroot(self, identifier: Identifier) -> Path | None:
        root = next((self._roots[p] for p in _patterns(identifier) if p in self._roots), self.path)
        # The real place: a link such as `current` may lead to the next release when it is cleaned up.
        return None if root is None else Path(os.path.realpath(root))


def _pattern(text: str) -> str:
    """Return a key of `webroots` as `_patterns` yields it."""
    name = text.lower().rstrip(".")
    try:
        return str(ipaddress.ip_address(name))
    except ValueError:
        if _NAME.match(name):
            return name
    hint = "" if text.isascii() else " (write its A-labels, xn--...)"
    raise ValueError(f"webroots: {text!r} is no name, '*.' and a name, or IP address{hint}")


def _patterns(identifier: Identifier) -> Iterator[str]:
    """Yield what may stand for an identifier in `webroots`, most exact first."""
    kind, name = identifier.key
    yield name
    while kind == IdentifierType.DNS and "." in name:
        name = name.partition(".")[2]
        yield f"*.{name}"


def _token(challenge: Challenge) -> str | None:
    """Return the token if it is safe as a file name, whoever made the challenge."""
    return challenge.token if challenge.token is not None and is_base64url(challenge.token) else None


def _read(handle: Handle) -> tuple[Path, str, list[str]]:
    """Return the web root, token and directories made that *handle* tells."""
    match handle:
        case {"webroot": str(webroot), "file": str(file), "made": list(made)}:
            place = PurePosixPath(file)
            if Path(webroot).is_absolute() and str(place.parent) == DIRECTORIES[-1] and is_base64url(place.name):
                return Path(webroot), place.name, [name for name in DIRECTORIES if name in made]
    raise WebrootError(f"{DIRECTORIES[-1]}: the handle is not one of 'http-webroot'")
