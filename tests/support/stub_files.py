"""What the type descriptions in typings/ declare."""

from __future__ import annotations

import ast
from pathlib import Path

TYPINGS = Path(__file__).resolve().parents[2] / "typings"


def functions_of(path: Path) -> dict[str, list[str]]:
    """Parameter names of each function of a stub."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    found = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
    return {node.name: [argument.arg for argument in node.args.args] for node in found}


def classes_of(path: Path) -> dict[str, ast.ClassDef]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {node.name: node for node in tree.body if isinstance(node, ast.ClassDef)}
