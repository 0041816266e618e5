"""The type descriptions in typings/ agree with the installed library."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

TYPINGS = Path(__file__).resolve().parents[1] / "typings"


def functions_of(path: Path) -> dict[str, list[str]]:
    """Parameter names of each function of a stub."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    found = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
    return {node.name: [argument.arg for argument in node.args.args] for node in found}


def classes_of(path: Path) -> dict[str, ast.ClassDef]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {node.name: node for node in tree.body if isinstance(node, ast.ClassDef)}


@pytest.mark.parametrize("name", ["tensorrt", "tensorrt_rtx"])
def test_members_and_parameters_exist_in_the_library(name):
    library = pytest.importorskip(name)
    checked = 0
    for kind, node in classes_of(TYPINGS / name / "__init__.pyi").items():
        real = getattr(library, kind)
        for member in node.body:
            if isinstance(member, ast.Assign | ast.AnnAssign):
                target = member.target if isinstance(member, ast.AnnAssign) else member.targets[0]
                assert hasattr(real, ast.unparse(target)), f"{kind}.{ast.unparse(target)}"
            elif isinstance(member, ast.FunctionDef):
                actual = getattr(real, member.name)
                text = actual.__doc__ or ""
                if member.decorator_list or member.name.startswith("__") or "self:" not in text:
                    continue
                signatures = [line for line in text.splitlines() if f"{member.name}(self" in line]
                wanted = [argument.arg for argument in member.args.args[1:]]
                names = [re.findall(r"(?:\(|, )(\w+): ", line)[1:] for line in signatures]
                assert wanted in names, f"{kind}.{member.name}{wanted} is not in {names}"
                checked += 1
    assert checked >= 15
