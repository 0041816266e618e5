"""Docstrings name things as Sphinx does; the site shows what is named as code."""

from __future__ import annotations

import re

import griffe

ROLE = re.compile(r":(?:attr|class|func|meth|mod):`~?\.*([^`]+)`")


def without_roles(text: str) -> str:
    """A docstring in which the roles are gone: ``:meth:`match``` becomes ```match```."""
    return ROLE.sub(r"`\1`", text).replace("``", "`")


class DocstringRoles(griffe.Extension):
    """Rewrites every docstring that is read for the reference."""

    def on_object(self, *, obj: griffe.Object, **_: object) -> None:
        """Rewrite the docstring of a module, class, function or attribute."""
        if obj.docstring is not None:
            obj.docstring.value = without_roles(obj.docstring.value)
