"""A message names the path, what is wrong, and what to do."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from acmez_http_webroot import WebrootError, WebrootSolver

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount a file system")
NOBODY = 65534

PRESENT_ON_A_FILE_SYSTEM_OF_ITS_OWN = """
import subprocess, sys
from pathlib import Path
from acmez.acme.identifier import Identifier
from acmez.protocols import CancelScope, Challenge
from acmez_http_webroot import WebrootError, WebrootSolver

webroot, options, before = sys.argv[1:]
subprocess.run(["mount", "-t", "tmpfs", "-o", options, "none", webroot], check=True)
exec(before)
challenge = Challenge("http-01", "", "pending", Identifier.dns("example.com"), token="tok", thumbprint="thumb")
try:
    WebrootSolver(path=Path(webroot)).present(challenge, CancelScope(30))
except WebrootError as error:
    print(error)
for file in Path(webroot).rglob("*/*"):
    if file.is_file():
        print(file.name, file.read_text())
"""

AN_OLD_FILE_AND_NO_ROOM = """
place = Path(webroot, ".well-known/acme-challenge")
place.mkdir(parents=True)
(place / "tok").write_text("old")
Path(webroot, "ballast").write_bytes(bytes(4096))
"""


@pytest.fixture
def public_webroot() -> Iterator[Path]:
    """A web root that any user can reach and nobody but root can write to."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        root.chmod(0o555)
        yield root
        root.chmod(0o755)


@pytest.fixture
def unprivileged() -> Iterator[None]:
    """Run the test as a user without rights, where it is started by root."""
    before = os.geteuid()
    if before == 0:
        os.seteuid(NOBODY)
    yield
    os.seteuid(before)


def present_on_own_file_system(webroot: Path, options: str, before: str = "") -> str:
    script = [sys.executable, "-c", PRESENT_ON_A_FILE_SYSTEM_OF_ITS_OWN, str(webroot), options, before]
    done = subprocess.run(["unshare", "--mount", *script], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_a_missing_web_root_is_not_made(webroot, challenge, scope):
    missing = webroot / "typo"
    with pytest.raises(WebrootError, match=f"^{missing}: no such directory; create the web root or correct"):
        WebrootSolver(path=missing).present(challenge, scope)
    assert not missing.exists()


def test_a_web_root_that_is_a_file_is_told(webroot, challenge, scope):
    file = webroot / "index.html"
    file.write_text("")
    with pytest.raises(WebrootError, match=f"^{file}: is not a directory$"):
        WebrootSolver(path=file).present(challenge, scope)


@pytest.mark.usefixtures("unprivileged")
def test_a_refused_write_names_the_user_and_the_directory(public_webroot, challenge, scope):
    with pytest.raises(WebrootError) as caught:
        WebrootSolver(path=public_webroot).present(challenge, scope)
    message = str(caught.value)
    assert message.startswith(f"{public_webroot}: permission denied: let user ")
    assert message.endswith("mode 0555)")
    assert isinstance(caught.value.__cause__, PermissionError)


@needs_root
@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ("ro", "read-only file system: the web root must be writable where acmez runs"),
        ("nr_inodes=1", "no space left on the file system"),
    ],
)
def test_a_file_system_that_takes_nothing_is_told(webroot, options, reason):
    assert present_on_own_file_system(webroot, options) == f"{webroot}: {reason}"


@needs_root
def test_a_full_disk_is_told_and_leaves_the_old_file_and_nothing_else(webroot):
    said = present_on_own_file_system(webroot, "size=8192", AN_OLD_FILE_AND_NO_ROOM)
    assert said == f"{webroot / '.well-known/acme-challenge'}: no space left on the file system\ntok old"


@needs_root
def test_a_disk_that_takes_no_further_file_is_told(webroot):
    # Room for the two directories, and for no file.
    message = present_on_own_file_system(webroot, "nr_inodes=3")
    assert message == f"{webroot / '.well-known/acme-challenge'}: no space left on the file system"


def test_no_message_holds_the_token(webroot, challenge, scope):
    (webroot / ".well-known/acme-challenge/tok-EN_1").mkdir(parents=True)
    with pytest.raises(WebrootError) as caught:
        WebrootSolver(path=webroot).present(challenge, scope)
    assert "tok-EN_1" not in str(caught.value)
