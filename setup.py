"""The description that a package index shows: the README without what only the project has.

Everything else is in ``pyproject.toml``. An index has no files beside its page: pictures and links
that lead to some would be broken there, and so would links to its own headings.
"""

import re
from pathlib import Path

from setuptools import setup

PICTURE = re.compile(r"^!\[[^\]]*\]\((?!https://)[^)]*\)\n+", re.MULTILINE)
LINK = re.compile(r"(?<!!)\[([^\]]*)\]\((?!https://)[^)]*\)")


def alone(text: str) -> str:
    """A page that stands alone: without pictures that are files, and such links as plain text."""
    return LINK.sub(r"\1", PICTURE.sub("", text))


setup(
    long_description=alone(Path(__file__).with_name("README.md").read_text(encoding="utf-8")),
    long_description_content_type="text/markdown",
)
