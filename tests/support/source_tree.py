"""The modules of the project, and what each of them imports."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("runtime", "model", "calib", "export", "tools")

MODULES = sorted(
    path.relative_to(ROOT).as_posix()
    for folder in FOLDERS
    for path in (ROOT / folder).rglob("*.py")
)
"""Every module of the project, as a path from its root."""


class Import(NamedTuple):
    """One imported name, as it is written."""

    level: int
    """Dots in front."""
    module: str
    """What follows them."""
    name: str
    """What is taken out of the module; empty for a plain ``import module``."""
    at_import: bool
    """Whether importing the file runs it."""
    line: int

    def parts(self, package: list[str]) -> tuple[str, ...] | None:
        """The name from the project's root, for a module in this package.

        ``None`` where the import is absolute or climbs higher than the root.
        """
        if self.level == 0 or self.level > len(package) + 1:
            return None
        written = self.module.split(".") if self.module else []
        return (*package[: len(package) + 1 - self.level], *written, self.name)


def source_of(module: str) -> str:
    """The text of a module."""
    return (ROOT / module).read_text(encoding="utf-8")


def package_of(module: str) -> list[str]:
    """The folders that a module lies in."""
    return module.split("/")[:-1]


def _is_type_checking(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING")


def find_imports(node: ast.AST, at_import: bool = True) -> Iterator[Import]:
    """Yield every import below ``node``."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            for alias in child.names:
                yield Import(0, alias.name, "", at_import, child.lineno)
        elif isinstance(child, ast.ImportFrom):
            for alias in child.names:
                yield Import(child.level, child.module or "", alias.name, at_import, child.lineno)
        deferred = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        yield from find_imports(child, at_import and not deferred and not _is_type_checking(child))


@cache
def imports_of(source: str) -> tuple[Import, ...]:
    """Every import of a module's text."""
    return tuple(find_imports(ast.parse(source)))


def imported_modules(module: str, *, at_import: bool = False) -> set[str]:
    """The modules of the project that a module imports by name, as paths.

    Args:
        module: path of the module.
        at_import: leave out what is imported inside functions or for type checkers only.
    """
    found: set[str] = set()
    for one in imports_of(source_of(module)):
        if one.at_import or not at_import:
            parts = one.parts(package_of(module))
            found.update(filter(None, [_module_at(parts)] if parts else []))
    return found - {module}


def _module_at(parts: tuple[str, ...]) -> str | None:
    """The file behind a dotted name: a module, a package, or what holds the name."""
    for length in (len(parts), len(parts) - 1):
        path = "/".join(parts[:length])
        for module in (f"{path}.py", f"{path}/__init__.py"):
            if (ROOT / module).is_file():
                return module
    return None


def public_classes(module: str) -> list[str]:
    """Names of a module's public classes, without those inside functions and classes."""
    body = ast.parse(source_of(module)).body
    classes = [node.name for node in body if isinstance(node, ast.ClassDef)]
    return [name for name in classes if not name.startswith("_")]
