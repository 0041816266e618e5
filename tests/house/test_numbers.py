"""Numbers have a home: what was fitted or chosen is in the recipes, nowhere else.

A number in a module of the runtime is a bound or mere arithmetic, and says which
(:mod:`qatm.runtime.kinds`). One that was picked by a figure belongs in a recipe.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
HOME = (
    "runtime/bundle/recipes.py",
    "runtime/bundle/match_recipe.py",
    "runtime/bundle/track_recipe.py",
)
KINDS = ("Bound", "Numeric")
ROOMS = ("patches", "match", "track", "align", "verify")

MODULES = sorted(
    path.relative_to(ROOT).as_posix()
    for path in (ROOT / "runtime").rglob("*.py")
    if path.relative_to(ROOT).as_posix() not in HOME
)

PLAIN = frozenset({0.0, 0.25, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 255.0})
"""Factors of formulas: halves, squares, centres of pixels."""

SMALL = 1e-6
"""Smaller numbers keep a division or a logarithm away from zero."""


def numbers_in(node: ast.AST) -> Iterator[float]:
    """Yield the numbers that an expression is made of, truth values left out."""
    for part in ast.walk(node):
        if (
            isinstance(part, ast.Constant)
            and isinstance(part.value, (int, float))
            and not isinstance(part.value, bool)
        ):
            yield float(part.value)


def undeclared(source: str) -> list[str]:
    """Names of a module's numbers that do not say what they are."""
    found = []
    for node in ast.parse(source).body:
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            kind = ast.unparse(node.annotation).split("[")[0].split(".")[-1]
            named, value = [node.target.id], node.value if kind not in KINDS else None
        elif isinstance(node, ast.Assign):
            named, value = [ast.unparse(target) for target in node.targets], node.value
        else:
            continue
        numeric = isinstance(value, (ast.Constant, ast.UnaryOp, ast.BinOp, ast.Tuple, ast.List))
        if value is not None and numeric and any(True for _ in numbers_in(value)):
            found += named
    return found


def unexplained(source: str) -> list[str]:
    """Fractions inside functions that look picked rather than derived."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            continue
        for part in ast.walk(node):
            if isinstance(part, ast.Constant) and type(part.value) is float:
                value = abs(part.value)
                if value not in PLAIN and value > SMALL and value < 1 / SMALL:
                    found.append(f"line {part.lineno}: {part.value}")
    return found


@pytest.mark.parametrize("module", MODULES)
def test_numbers_of_a_module_say_what_they_are(module: str) -> None:
    names = undeclared((ROOT / module).read_text(encoding="utf-8"))
    assert not names, f"{module}: {', '.join(names)}: a Bound, a Numeric, or a field of a recipe"


@pytest.mark.parametrize("module", [m for m in MODULES if m.split("/")[1] in ROOMS])
def test_functions_hold_no_picked_numbers(module: str) -> None:
    found = unexplained((ROOT / module).read_text(encoding="utf-8"))
    assert not found, f"{module}: {'; '.join(found)}: give it a name in a recipe"


@pytest.mark.parametrize(
    ("source", "names"),
    [
        ("GAIN = 1.2", ["GAIN"]),
        ("SIZES = (1.0, 2.0)", ["SIZES"]),
        ("LOW, HIGH = 0.1, 0.9", ["(LOW, HIGH)"]),
        ("WHOLE = 1024 * 1024", ["WHOLE"]),
        ("GAIN: float = 1.2", ["GAIN"]),
        ("TILE: Bound = 1024", []),
        ("EPSILON: kinds.Numeric = 1e-6", []),
        ("NAMES = ('a', 'b')", []),
        ("ON = True", []),
        ("def f(x=1.2): return x", []),
    ],
)
def test_the_check_of_modules_sees(source: str, names: list[str]) -> None:
    assert undeclared(source) == names


@pytest.mark.parametrize(
    ("source", "count"),
    [
        ("def f(x): return 1.3 * x", 1),
        ("def f(x): return 0.5 * x - 2.0 + 1e-9", 0),
        ("class A:\n    def f(self, x=0.7):\n        return x", 1),
        ("def f(x): return 3 * x", 0),
    ],
)
def test_the_check_of_functions_sees(source: str, count: int) -> None:
    assert len(unexplained(source)) == count
