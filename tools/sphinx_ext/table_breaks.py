"""Lets long names in tables be broken where they have joints: "tests/acme/test_jws.py::TestKeys::test_all"."""

from __future__ import annotations

import re
from collections.abc import Iterator

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util.typing import ExtensionMetadata

_JOINTS = re.compile(r"(?<=[/:._])(?=[\w/])")
_SHORT = 16


class TableBreaks(SphinxPostTransform):
    """Puts `<wbr>` behind joints of code in tables, but in the first column, which is never broken."""

    default_priority = 900
    formats = ("html",)

    def run(self, **_: object) -> None:
        for code in self.document.findall(nodes.literal):
            cell = _cell_of(code)
            text = code.astext()
            if cell is not None and cell.parent.index(cell) > 0 and len(text) > _SHORT:
                code.children = list(_broken(text))


def _broken(text: str) -> Iterator[nodes.Node]:
    for number, part in enumerate(_JOINTS.split(text)):
        if number:
            yield nodes.raw("", "<wbr>", format="html")
        yield nodes.Text(part)


def _cell_of(code: nodes.Node) -> nodes.entry | None:
    above: nodes.Node | None = code
    while above is not None and not isinstance(above, nodes.entry):
        above = above.parent
    return above


def setup(app: Sphinx) -> ExtensionMetadata:
    app.add_post_transform(TableBreaks)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
