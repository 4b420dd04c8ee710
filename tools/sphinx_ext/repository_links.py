"""Links from a page to the repository: to a plugin's page where it leads to a plugin, otherwise to no more than text.

The pages are read in the repository, too, where such links lead to files that are not part of the site.
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
    """Replaces the links that lead out of the documentation, before anybody tries to follow them."""

    default_priority = 200

    def apply(self, **_: object) -> None:
        for link in list(self._links()):
            outside = self._outside(link)
            if outside is None:
                continue
            page = f"plugins/{outside.parts[1]}" if outside.parts[0] == "plugins" and len(outside.parts) > 1 else ""
            if page in self.env.found_docs:
                link.replace_self(self._to_page(page, link))
            else:
                text = nodes.inline("", "", *link.children, classes=["in-repository"])
                text["title"] = str(outside)
                link.replace_self(text)

    def _links(self) -> Iterator[nodes.Element]:
        for kind in (addnodes.download_reference, addnodes.pending_xref):
            yield from (link for link in self.document.findall(kind) if link.get("reftype") == "myst")

    def _outside(self, link: nodes.Element) -> Path | None:
        """Return where a link leads in the repository, `None` if that is in the documentation or nowhere."""
        source = Path(self.env.srcdir)
        path = str(link["reftarget"]).partition("#")[0] + (".md" if link.get("refdomain") == "doc" else "")
        here = Path(self.env.doc2path(self.env.docname)).resolve().parent  # of a plugin's README, the plugin
        target = Path(os.path.normpath(here / path))
        if not path or not target.exists() or target.is_relative_to(source):
            return None
        return target.relative_to(source.parent) if target.is_relative_to(source.parent) else None

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
            refexplicit=True,
        )


def setup(app: Sphinx) -> ExtensionMetadata:
    app.add_transform(RepositoryLinks)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
