"""Links that lead out of the documentation: to the page that stands for the file, otherwise to no more than text.

Some pages are symbolic links to files elsewhere in the repository: the READMEs of plugins, the explanations of errors.
All pages are read in the repository, too, where links may lead to files that are not part of the site.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.transforms import SphinxTransform
from sphinx.util.typing import ExtensionMetadata


class RepositoryLinks(SphinxTransform):
    """Replaces such links before anybody tries to follow them."""

    default_priority = 200

    def apply(self, **_: object) -> None:
        pages = {path.resolve(): name for name in self.env.found_docs if (path := self._path(name)) != path.resolve()}
        for link in list(self._links()):
            target = self._outside(link)
            if target is None:
                continue
            page = pages.get(target.resolve()) or pages.get(target.resolve() / "README.md")
            if page is not None:
                link.replace_self(self._to_page(page, link))
            else:
                link.replace_self(nodes.inline("", "", *link.children))

    def _links(self) -> Iterator[nodes.Element]:
        for kind in (addnodes.download_reference, addnodes.pending_xref):
            yield from (link for link in self.document.findall(kind) if link.get("reftype") == "myst")

    def _outside(self, link: nodes.Element) -> Path | None:
        """Return what a link leads to in the repository, `None` if that is in the documentation or nowhere."""
        source = Path(self.env.srcdir)
        path = str(link["reftarget"]).partition("#")[0] + (".md" if link.get("refdomain") == "doc" else "")
        here = self._path(self.env.docname).resolve().parent  # of a plugin's README, the plugin
        target = Path(os.path.normpath(here / path))
        if not path or not target.exists() or target.is_relative_to(source):
            return None
        return target if target.is_relative_to(source.parent) else None

    def _path(self, page: str) -> Path:
        return Path(self.env.doc2path(page))

    def _to_page(self, page: str, link: nodes.Element) -> nodes.Element:
        text = nodes.inline("", "", *link.children)
        return addnodes.pending_xref(
            "",
            text,
            refdomain="doc",
            reftype="myst",
            reftarget=page,
            reftargetid=None,
            refdoc=self.env.docname,
            refexplicit=link.get("refexplicit", True),
        )


def setup(app: Sphinx) -> ExtensionMetadata:
    app.add_transform(RepositoryLinks)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
