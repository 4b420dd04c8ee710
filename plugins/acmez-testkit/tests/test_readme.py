"""What the README shows is so."""

from __future__ import annotations

import re
from pathlib import Path

README = (Path(__file__).resolve().parents[1] / "README.md").read_text()


def test_the_dns_server_is_used_as_shown():
    (code,) = [text for text in re.findall(r"```python\n(.*?)```", README, re.DOTALL) if "FakeDNS(" in text]
    names: dict[str, object] = {}
    exec(code, names)  # noqa: S102 - our own text
    assert names["server"].queries == []  # type: ignore[attr-defined]
