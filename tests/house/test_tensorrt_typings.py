"""The type descriptions in typings/ agree with the installed library."""

from __future__ import annotations

import ast
import re

import pytest
from stub_files import TYPINGS, classes_of


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
