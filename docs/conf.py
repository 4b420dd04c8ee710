"""How Sphinx builds the documentation: `make docs`."""

from __future__ import annotations

import sys
from importlib.metadata import version as version_of
from pathlib import Path

from pygments.lexers.special import TextLexer
from sphinx.application import Sphinx

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

project = "acmez"
author = "the authors of acmez"
copyright = "the authors of acmez"  # noqa: A001 - Sphinx calls it so
version = release = version_of("acmez")

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_copybutton",
    "tools.sphinx_ext.docstrings",
    "tools.sphinx_ext.error_links",
    "tools.sphinx_ext.reference",
    "tools.sphinx_ext.repository_links",
    "tools.sphinx_ext.table_breaks",
]
nitpicky = True
# There is no network to ask where other projects document their types.
nitpick_ignore_regex = [
    (r"py:.*", r"(?!acmez).*"),
    (r"py:name", r".*"),
    (r"py:class", r".*\.T|(acmez\.config|acmez\.dns\.lookups|acmez_testkit\.(model|jws))\..*"),
]
default_role = "py:name"

autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
autodoc_typehints_format = "short"
autodoc_type_aliases = {name: name for name in ("Handle", "JSON", "JSONObject", "PrivateKey")}
python_maximum_signature_line_length = 80
napoleon_use_ivar = True
napoleon_attr_annotations = False
toc_object_entries_show_parents = "hide"

myst_enable_extensions = ["colon_fence", "deflist", "fieldlist"]
myst_heading_anchors = 4

html_theme = "furo"
html_title = f"acmez {release}"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_logo = html_favicon = "_static/logo.svg"
html_theme_options = {
    "light_css_variables": {"color-brand-primary": "#14704f", "color-brand-content": "#14704f"},
    "dark_css_variables": {"color-brand-primary": "#4cc79b", "color-brand-content": "#4cc79b"},
}
smartquotes_action = "D"  # dashes, but no quotes: they are copied
html_copy_source = False
html_show_sphinx = False
pygments_style = "friendly"
pygments_dark_style = "github-dark"

copybutton_prompt_text = "$ "
copybutton_only_copy_prompt_lines = True


def setup(app: Sphinx) -> None:
    app.add_lexer("haproxy", TextLexer)  # Pygments has none
