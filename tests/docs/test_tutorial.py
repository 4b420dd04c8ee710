"""The tutorial is done by somebody with a new environment and nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs.pages import DOCS
from tests.docs.reader import Reader
from tests.overlay import Overlay
from tests.pebble.ports import ReservedPorts

PAGE = (DOCS / "tutorial" / "first-certificate.md").read_text()


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[Reader]:
    place = tmp_path / "home"
    place.mkdir()
    with ReservedPorts(2) as reserved:
        ca, web = map(str, reserved.numbers)
        reader = Reader(Overlay.create(tmp_path / "before"), place, different={"14000": ca, "5002": web})
        yield reader
        reader.leave()


def test_ten_minutes_end_with_a_certificate_that_was_renewed(reader: Reader):
    reader.follow(PAGE)
    assert [line.partition(" ")[0] for line in reader.ran] == [
        *("python", "source", "pip", "acmez", "python", "acmez", "acmez"),
        *("ls", "openssl", "acmez", "acmez"),
    ]
    assert reader.overlay.python == reader.place / ".venv" / "bin" / "python"
    assert (reader.place / "certs/example.com/privkey.pem").stat().st_mode & 0o777 == 0o600
