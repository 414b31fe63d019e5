"""How often the random tests try:

a small count in every run, the full one with `pytest --soak` (see `nox -s soak`).
"""

from __future__ import annotations

import ast
import inspect
from types import ModuleType

FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)

FULL = False
"""Set by `conftest.py` from the option `--soak`, before any test module is imported."""


def count(short: int, full: int) -> int:
    """Return `short`, or `full` in a soak run.

    Both must be large enough to find every planted bug.
    """
    return full if FULL else short


def counted(module: ModuleType) -> set[str]:
    """Return the names in a module, of functions and constants, that have a count or use one.

    Only they differ in a soak run.
    """
    uses: dict[str, set[str]] = {}
    found: set[str] = set()
    tree = ast.parse(inspect.getsource(module))
    fixtures = {node.name for node in tree.body if isinstance(node, FUNCTIONS)}
    for node in tree.body:
        here = [one for one in ast.walk(node) if isinstance(one, ast.Name)]
        stored = {one.id for one in here if isinstance(one.ctx, ast.Store)}
        names = {one.id for one in here} - stored
        if isinstance(node, ast.ImportFrom) and node.module == __name__:
            found |= {alias.asname or alias.name for alias in node.names}
        elif isinstance(node, FUNCTIONS):
            arguments = {one.arg for one in ast.walk(node) if isinstance(one, ast.arg)}
            uses[node.name] = (names - arguments) | (arguments & fixtures)
        elif isinstance(node, ast.ClassDef):
            uses[node.name] = names
        else:
            uses |= dict.fromkeys(stored, names)
    while more := {name for name, names in uses.items() if names & found} - found:
        found |= more
    return found
