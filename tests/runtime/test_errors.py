"""Messages of errors: one line, whatever names the files of others have."""

from __future__ import annotations

import pickle

import pytest

from qatm.runtime.errors import BundleError, InputError, PackageError, plain


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a.png is missing; copy it", "a.png is missing; copy it"),
        ("two\nlines\r\n  of\x85text\u2028 here\n", "two lines of text here"),
        ("two  spaces stay", "two  spaces stay"),
        ("naïve 日本 …", "naïve 日本 …"),
        ("\x1b[31mred\x07 \0", r"\x1b[31mred\x07 \x00"),
        ("\u202egnp.exe \u200b", r"\u202egnp.exe \u200b"),
        ("\udc80", r"\udc80"),
    ],
)
def test_a_message_is_one_line_that_can_be_printed(text: str, shown: str) -> None:
    assert plain(text) == shown
    assert str(BundleError(text)) == shown
    assert shown.isprintable()


def test_a_message_has_an_end() -> None:
    message = str(BundleError(f"file {'x' * (1 << 20)} is no graph; export it again"))
    assert len(message) == 2000
    assert len(plain("\0" * 2000)) == 2000
    assert message.startswith("file xxx")
    assert message.endswith("is no graph; export it again")


def test_errors_are_those_of_python_too() -> None:
    error = InputError("a\nb", 3)
    assert isinstance(error, ValueError)
    assert error.args == ("a b", 3)
    assert str(PackageError("a\nb")) == "a b"
    again = pickle.loads(pickle.dumps(BundleError("\x07")))
    assert str(again) == r"\x07"
