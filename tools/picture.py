"""Draw docs/demo.svg: what `make demo` prints, from a real run."""

from __future__ import annotations

import io
import re
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import TerminalTheme

from acmez.cli import demo

PICTURE = Path(__file__).parent.parent / "docs/demo.svg"
WIDTH = 100

_FONTS = "ui-monospace, SFMono-Regular, Menlo, Consolas, DejaVu Sans Mono, Liberation Mono, monospace"

_THEME = TerminalTheme(
    (22, 27, 34),
    (201, 209, 217),
    [
        (72, 79, 88),
        (255, 123, 114),
        (63, 185, 80),
        (210, 153, 34),
        (88, 166, 255),
        (188, 140, 255),
        (57, 197, 207),
        (177, 186, 196),
    ],
)


def run() -> Console:
    """Run the demo, and return what has recorded it."""
    console = Console(record=True, width=WIDTH, file=io.StringIO(), force_terminal=False, highlight=False)
    demo.run(console)
    return console


def draw() -> str:
    """Return the picture, which loads no fonts from anywhere."""
    picture = run().export_svg(title="make demo", theme=_THEME, unique_id="demo")
    picture = re.sub(r"@font-face \{.*?\}\s*", "", picture, flags=re.DOTALL)
    return picture.replace("Fira Code, monospace", _FONTS)


if __name__ == "__main__":
    PICTURE.write_text(draw())
