"""What a test searches for, to say that it is absent, cannot occur by chance:

it is no short number.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import needles
import pytest

pytestmark = [pytest.mark.heavy, pytest.mark.unmeasured]

TESTS = Path(__file__).parent
BY_CHANCE = re.compile(r"[0-9a-f .,:+-]*[0-9][0-9a-f .,:+-]*", re.IGNORECASE)
"""What durations, times, counts and hexadecimal ids consist of."""
LONG_ENOUGH = 7
"""Phone numbers consist of digits, so a search for one has at least so many:

one chance in ten million.
"""


def literals(node: ast.AST, names: dict[str, ast.AST]) -> Iterator[str]:
    """Yield the texts that an expression is known to have."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str | bytes):
        yield node.value if isinstance(node.value, str) else node.value.decode("latin-1")
    elif isinstance(node, ast.Name) and node.id in names:
        yield from literals(
            names[node.id], {name: value for name, value in names.items() if name != node.id}
        )
    elif isinstance(node, ast.Tuple | ast.List | ast.Set):
        for element in node.elts:
            yield from literals(element, names)


def bindings(tree: ast.AST) -> dict[str, ast.AST]:
    """Return what each name is assigned, or loops over."""
    found: dict[str, ast.AST] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.For | ast.comprehension) and isinstance(node.target, ast.Name):
            found[node.target.id] = node.iter
        elif isinstance(node, ast.Assign) and len(node.targets) == 1:
            (target,) = node.targets
            if isinstance(target, ast.Name):
                found[target.id] = node.value
            elif isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple):
                pairs = zip(target.elts, node.value.elts, strict=True)
                found.update(
                    {name.id: value for name, value in pairs if isinstance(name, ast.Name)}
                )
    return found


def searched(source: str) -> Iterator[tuple[int, str]]:
    """Yield the line and the text of each search that must find nothing."""
    tree = ast.parse(source)
    names = bindings(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Compare) and isinstance(node.ops[0], ast.NotIn):
            yield from ((node.lineno, text) for text in literals(node.left, names))
        # assert not [secret for secret in (…) if secret in said], assert not any(…)
        elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            inside = (
                one
                for one in ast.walk(node)
                if isinstance(one, ast.Compare) and isinstance(one.ops[0], ast.In)
            )
            yield from ((one.lineno, text) for one in inside for text in literals(one.left, names))


def by_chance(text: str) -> bool:
    return (
        BY_CHANCE.fullmatch(text) is not None
        and len(re.sub(r"[^0-9a-fA-F]", "", text)) < LONG_ENOUGH
    )


@pytest.mark.parametrize("path", sorted(TESTS.glob("test_*.py")), ids=lambda path: path.stem)
def test_no_test_searches_for_what_occurs_by_chance(path: Path):
    assert [
        f"line {line}: {text!r}"
        for line, text in searched(path.read_text("utf-8"))
        if by_chance(text)
    ] == []


@pytest.mark.parametrize(
    "source",
    [
        "assert '4815' not in said",
        "CODE = '4815'\nassert CODE not in said",
        "for secret in ('+380501234567', '48,15'): assert secret not in said",
        (
            "NUMBER, CODE = '+380501234567', '4815'\n"
            "for secret in (NUMBER, CODE): assert secret not in said"
        ),
        "assert not [secret for secret in ('10000', 'shop') if secret in said]",
        "assert b'c0ffee' not in path.read_bytes()",
    ],
)
def test_search_for_a_short_number_is_found(source: str):
    assert [text for _, text in searched(source) if by_chance(text)]


@pytest.mark.parametrize(
    "source",
    [
        "assert '4815' in said",
        "assert 'horse' not in said",
        "assert '380501234567' not in said",
        "assert '' not in names",
    ],
)
def test_other_searches_are_ignored(source: str):
    assert not [text for _, text in searched(source) if by_chance(text)]


@pytest.mark.parametrize("name", [name for name in vars(needles) if name.isupper()])
def test_no_needle_occurs_by_chance(name: str):
    assert not by_chance(getattr(needles, name))
