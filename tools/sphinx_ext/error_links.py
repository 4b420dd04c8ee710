"""Lets the name of an error, written as code on any page, lead to the page that explains it."""

from __future__ import annotations

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.transforms import SphinxTransform
from sphinx.util.typing import ExtensionMetadata

from acmez import explanations


class ErrorLinks(SphinxTransform):
    """Wraps names of errors in links, but for those that are links, and those of the page's own error."""

    default_priority = 210

    def apply(self, **_: object) -> None:
        pages = {name: f"errors/pages/{name}" for name in explanations.names()}
        for code in list(self.document.findall(nodes.literal)):
            page = pages.get(code.astext().removeprefix("acmez.").removeprefix("acme."))
            if page not in {None, self.env.docname} and not _inside_link(code):
                code.replace_self(self._to(f"/{page}", code))

    def _to(self, page: str, code: nodes.literal) -> nodes.Element:
        return addnodes.pending_xref(
            "",
            code.deepcopy(),
            refdomain="std",
            reftype="doc",
            reftarget=page,
            refdoc=self.env.docname,
            refexplicit=True,
        )


def _inside_link(node: nodes.Node) -> bool:
    above = node.parent
    while above is not None:
        if isinstance(above, addnodes.pending_xref | nodes.reference | nodes.title):
            return True
        above = above.parent
    return False


def setup(app: Sphinx) -> ExtensionMetadata:
    app.add_transform(ErrorLinks)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
