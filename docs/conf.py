"""Configuration of Sphinx; `nox -s docs` builds the documentation.

Neither the build nor a page loads anything external.
"""

from __future__ import annotations

import re
import sys
from enum import Enum
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

import generate  # noqa: E402 - a file beside this one

import smsgate  # noqa: E402 - installed, or beside docs/

project = "smsgate"
author = "The smsgate founders"
copyright = author  # noqa: A001 - Sphinx wants this name
version = release = smsgate.__version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
    "api_pages",
    "sphinx_copybutton",
    "sphinx_design",
]
exclude_patterns = ["_build"]
highlight_language = "sh"
html_theme = "furo"
html_title = f"smsgate {release}"
pygments_dark_style = "github-dark"
html_favicon = html_logo = "../smsgate/sandbox/static/logo.svg"
html_static_path = ["static"]
html_css_files = ["smsgate.css"]
html_copy_source = False
html_show_copyright = False

myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3

default_role = "py:obj"  # `name` in a docstring is a link if the name is known, and code if not
add_module_names = False
autodoc_inherit_docstrings = False  # pydantic's docstrings are Markdown
autodoc_preserve_defaults = True  # or `os.environ` would show the environment of this machine
autodoc_typehints_format = "short"
autodoc_default_options = {
    "members": True,
    "member-order": "bysource",
    "exclude-members": "model_config, LIMIT",
}
python_maximum_signature_line_length = 100
python_use_unqualified_type_names = True


def _without_constructor(*event: Any) -> tuple[str, None] | None:
    """Omit the constructor arguments of errors and enumerations: users do not create them."""
    made, signature = event[3], event[5]
    return (
        ("", None)
        if signature and isinstance(made, type) and issubclass(made, (BaseException, Enum))
        else None
    )


def _drawn(*event: Any) -> None:
    """Replace the mermaid block with a drawing of the table:

    mermaid would need an external script.
    """
    source = event[-1]
    source[0] = re.sub(
        r"```mermaid\nstateDiagram.*?```",
        f"```{{raw}} html\n{generate.states()}\n```",
        source[0],
        flags=re.DOTALL,
    )


def _without_way_back(*event: Any) -> None:
    """Remove the links from source code to the API.

    They would name the module that defines something, and the API names the one that exports it.
    """
    page, context = event[1], event[3]
    if page.startswith("_modules/") and "body" in context:
        # Aliases of types count as objects of the module builtins, which has no source.
        context["body"] = re.sub(
            r'<a class="viewcode-back"[^>]*>.*?</a>|<li><a href="builtins.html">.*?</li>',
            "",
            context["body"],
            flags=re.DOTALL,
        )


def setup(app: Any) -> None:
    """Generate the pages that are drawn from the code, and connect the handlers above."""
    generate.write(HERE / "generated")
    app.connect("autodoc-process-signature", _without_constructor)
    app.connect("source-read", _drawn)
    app.connect("html-page-context", _without_way_back)
