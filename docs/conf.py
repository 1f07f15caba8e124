"""How `make docs` builds the site: Markdown by MyST, the reference from docstrings by autodoc; nothing is fetched."""

from sphinx.application import Sphinx

from elifpose import __version__

project = "ElifPose"
author = "the ElifPose authors"
copyright = f"2026, {author}"  # noqa: A001  # Sphinx's name for it
release = __version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_build"]
highlight_language = "none"  # most blocks are commands and what they print
myst_heading_anchors = 3

html_theme = "furo"
html_title = f"ElifPose {release}"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sphinx = False

default_role = "code"  # docstrings have names in single backticks
autodoc_member_order = "bysource"
autodoc_inherit_docstrings = False  # torch's and Lightning's are theirs
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
napoleon_use_ivar = True
maximum_signature_line_length = 100
toc_object_entries_show_parents = "hide"

nitpicky = True  # what a docstring refers to must be on a page; other libraries have pages of their own
_OTHERS = "torch|torchmetrics|lightning|numpy|collections|datetime|pathlib|typing|abc"
nitpick_ignore_regex = [(r"py:.*", rf"({_OTHERS})\..*")]


def setup(app: Sphinx) -> None:
    """Let docstrings be read as they are meant."""
    app.connect("autodoc-process-docstring", _keep_colons, priority=400)  # before napoleon


def _keep_colons(_app: Sphinx, what: str, _name: str, _object: object, _options: object, lines: list[str]) -> None:
    """Keep napoleon from taking what is before a colon for an attribute's type: types stand in the code."""
    if what in ("attribute", "data", "property"):
        lines.insert(0, "\\")  # an escaped line break, which is nothing
