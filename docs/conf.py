"""How the documentation is built: `nox -s docs`. Nothing is loaded from elsewhere, neither by the build nor by the pages."""

from __future__ import annotations

import re
import sys
from enum import Enum
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

import generate  # noqa: E402 - it stands beside this file

import smsgate  # noqa: E402 - the same

project = "smsgate"
author = "The smsgate founders"
copyright = author  # noqa: A001 - Sphinx wants this name
version = release = smsgate.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = "smsgate"
html_copy_source = False
html_show_copyright = False

myst_enable_extensions = ["deflist"]
myst_heading_anchors = 3

default_role = "py:obj"  # `name` in a docstring is a link where the name is known, and code where it is not
add_module_names = False
autodoc_inherit_docstrings = False  # those of pydantic are written in another language
autodoc_preserve_defaults = True  # as they are written: `os.environ` would be the one of this machine
autodoc_typehints_format = "short"
autodoc_default_options = {"members": True, "member-order": "bysource", "exclude-members": "model_config, LIMIT"}
python_maximum_signature_line_length = 100
python_use_unqualified_type_names = True


def _without_constructor(*event: Any) -> tuple[str, None] | None:
    """Leave the arguments of errors and members of enumerations away: nobody makes one."""
    made, signature = event[3], event[5]
    return ("", None) if signature and isinstance(made, type) and issubclass(made, (BaseException, Enum)) else None


def _drawn(*event: Any) -> None:
    """Put the drawing from the table in place of its mermaid block, which would need a script from elsewhere."""
    source = event[-1]
    source[0] = re.sub(
        r"```mermaid\nstateDiagram.*?```", f"```{{raw}} html\n{generate.states()}\n```", source[0], flags=re.DOTALL
    )


def setup(app: Any) -> None:
    """Generate the pages that are drawn from the code, and put what readers need in place of what maintainers need."""
    generate.write(HERE / "generated")
    app.connect("autodoc-process-signature", _without_constructor)
    app.connect("source-read", _drawn)
