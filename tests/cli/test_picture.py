"""The picture in the README shows what `make demo` prints."""

from __future__ import annotations

import re
from collections import defaultdict
from pathlib import Path
from xml.etree import ElementTree as ET

from tools.picture import PICTURE, run

README = Path(__file__).parents[2] / "README.md"


def text_of(picture: str) -> list[str]:
    """Return the lines in the terminal of a picture."""
    lines: defaultdict[float, list[tuple[float, str]]] = defaultdict(list)
    for element in ET.fromstring(picture).iter("{http://www.w3.org/2000/svg}text"):  # noqa: S314 - our own
        if "clip-path" in element.attrib:
            lines[float(element.attrib["y"])].append((float(element.attrib["x"]), element.text or ""))
    return ["".join(text for _, text in sorted(pieces)) for _, pieces in sorted(lines.items())]


def told(lines: list[str]) -> list[str]:
    """Return what stays the same from run to run; requests are counted and take their time as it happens."""
    same = [re.sub(r"[0-9.]+", "#", "".join(line.split())) for line in lines if line.strip()]
    begin = same.index("#Wherethetimewent:") + 1
    spans = {re.sub(r"━+#ms$", "", line) for line in same[begin:-1]}
    return [*same[:begin], *sorted(spans), same[-1]]


def test_it_shows_what_the_demo_prints():
    printed = run().export_text().splitlines()
    assert told(text_of(PICTURE.read_text())) == told(printed), "make picture"


def test_it_loads_nothing():
    picture = PICTURE.read_text()
    assert re.findall(r'(?:href|src|url)\s*[=(]\s*["\']?(?!#)([a-z]+:[^"\')]+)', picture) == []


def test_the_readme_has_it():
    assert "](docs/demo.svg)" in README.read_text()
