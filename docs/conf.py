"""Configuration of the site: ``nox -s docs`` builds it from the Markdown files of the whole repository.

Sphinx reads from the root of the repository, so that links between the files are the same on a forge and on the site.
"""

import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kaspi_delivery_async import __version__

if TYPE_CHECKING:
    from sphinx.application import Sphinx

ROOT = Path(__file__).parents[1]

project = "kaspi-delivery-async"
author = "kaspi_delivery_async contributors"
copyright = "kaspi_delivery_async contributors"  # noqa: A001 - the name that Sphinx reads
release = __version__
today = project  # where a manual page would show a date, which changes with each build

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
    "sphinx_copybutton",
    "sphinxcontrib.mermaid",
]
root_doc = "docs/index"
include_patterns = [
    "docs/**.md",
    "benchmarks/README.md",
    "codegen/*.md",
    "openapi/README.md",
    "CHANGELOG.md",
    "CODE_OF_CONDUCT.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
]
exclude_patterns = [".*", "**/.*", "build", "dist", "kaspi_delivery_async", "mutants", "tests"]

myst_enable_extensions = ["deflist", "fieldlist"]
myst_heading_anchors = 4
myst_fence_as_directive = ["mermaid"]

html_theme = "furo"
html_title = f"kaspi-delivery-async {release}"
html_static_path = ["_static", "../build/scripts"]
html_css_files = ["site.css"]
html_extra_path = ["_start"]
html_show_sphinx = False
html_copy_source = False
html_theme_options = {
    "navigation_with_keys": True,
    # Furo's own colours of links and code have too little contrast for WCAG AA.
    "light_css_variables": {"color-brand-primary": "#0b5c56", "color-brand-content": "#0b5c56"},
    "dark_css_variables": {"color-brand-primary": "#5fd3c8", "color-brand-content": "#5fd3c8"},
}
copybutton_exclude = ".linenos, .gp, .go"
copybutton_prompt_text = "$ "
mermaid_use_local = "mermaid/mermaid.esm.min.mjs"  # the reader's browser asks no other host
mermaid_fullscreen = False

default_role = "py:obj"
suppress_warnings = ["ref.python"]  # `type` of an annotation is no field of that name
autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
autodoc_default_options = {"members": True, "exclude-members": "__init__"}
autodoc_preserve_defaults = True
autoclass_content = "both"
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 90
napoleon_use_rtype = False
man_pages = [("docs/reference/command-line", "kaspi-delivery", "order couriers in Kazakhstan", [author], 1)]


def link_sources(_app: "Sphinx", _kind: str, _name: str, _value: Any, _options: Any, lines: list[str]) -> None:
    """Make each ``Source: GS AU`` of a docstring a link to the table of the vendor's pages."""
    lines[:] = [re.sub(r"Source: ((?:[A-Z]{2}\b,? ?)+)", r":doc:`Source </docs/sources>`: \1", line) for line in lines]


def command_reference(_app: "Sphinx", docname: str, source: list[str]) -> None:
    """Write the reference of the command line from the commands themselves."""
    if docname == "docs/reference/command-line":
        source[0] += commands()


def commands() -> str:
    """Return the help of every command, as Markdown."""
    typer = [sys.executable, "-m", "typer", "kaspi_delivery_async.cli.app", "utils", "docs", "--name", "kaspi-delivery"]
    text = subprocess.run(typer, cwd=ROOT, check=True, capture_output=True, text=True).stdout  # noqa: S603
    return re.sub(r"^#", "##", text, flags=re.MULTILINE)


def accessible(app: "Sphinx", exception: Exception | None) -> None:
    """Mend what axe finds in the pages of Sphinx and Furo: headings without a level, and areas that no key scrolls."""
    for path in Path(app.outdir).rglob("*.html") if exception is None else ():
        text = path.read_text(encoding="utf-8")
        text = text.replace('role="heading"', 'role="heading" aria-level="2"')
        text = text.replace("<pre>", '<pre tabindex="0">')
        text = text.replace('<table class="docutils', '<table tabindex="0" class="docutils')
        text = SIGNATURE.sub(lambda found: re.sub(r"<(/?)d[ld]>", _spans, found[0]), text)
        path.write_text(text, encoding="utf-8")


SIGNATURE = re.compile(r'<span class="sig-paren">\(</span>\s*<dl>.*?</dl>', re.DOTALL)


def _spans(tag: re.Match[str]) -> str:
    return "</span>" if tag[1] else '<span class="sig-line">'


def setup(app: "Sphinx") -> None:
    """Add what is specific to this project."""
    app.connect("build-finished", accessible)
    app.connect("autodoc-process-docstring", link_sources)
    app.connect("source-read", command_reference)
