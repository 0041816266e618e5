"""Text around a word that is looked for does not show it as well."""

from __future__ import annotations

import numpy as np
import pytest

from qatm.tools.scenes.wording import LOOKALIKES, code, misread, without


@pytest.mark.parametrize(
    ("text", "banned", "expected"),
    [
        ("Update Date now", "date", "Item Item now"),
        ("item list", "Item", "group list"),
        ("in an invoice", "", "in an invoice"),
        ("12:30 list", "12:30", "12:30 list"),
    ],
)
def test_banned_words_are_replaced(text: str, banned: str, expected: str) -> None:
    assert without(text, banned) == expected


@pytest.mark.parametrize("changes", [1, 2, 3])
def test_a_misread_text_differs_in_so_many_signs(changes: int) -> None:
    random = np.random.default_rng(5)
    for text in ("AB-1234", "Invoice", "8080 OIQ"):
        for _ in range(20):
            read = misread(text, random, changes)
            assert len(read) == len(text)
            assert sum(a != b for a, b in zip(text, read, strict=True)) == changes


def test_signs_are_not_their_own_lookalikes() -> None:
    assert not [sign for sign, others in LOOKALIKES.items() if sign in others]


def test_a_code_follows_its_pattern() -> None:
    drawn = code(np.random.default_rng(1), "A0-x")
    assert drawn[0].isalpha()
    assert drawn[1].isdigit()
    assert drawn[2:] == "-x"
