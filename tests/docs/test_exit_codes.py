"""The page about crashes lists what the command returns."""

from __future__ import annotations

import re

from acmez.cli.app import EXIT_CODES
from tests.docs.pages import DOCS

PAGE = (DOCS / "how-to" / "crash-and-resume.md").read_text()


def test_every_exit_code_is_there():
    assert [int(code) for code in re.findall(r"^\| (\d+) \|", PAGE, re.MULTILINE)] == list(EXIT_CODES)
