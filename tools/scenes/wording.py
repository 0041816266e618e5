"""Words, names and numbers that text is made of."""

from __future__ import annotations

import numpy as np

Random = np.random.Generator

WORDS_TEXT = (
    "account address amount annual answer apply archive around balance before between board "
    "budget building business button cancel capital change city client close code company "
    "contact content control copy cost council country create customer daily data date "
    "default delete delivery design detail device direct disk display district document down "
    "draft edit energy enter event every export field file filter final find first folder "
    "form general group health help home image import in income index info inside invoice "
    "issue item key label language large last layout letter level library light line link "
    "list local lock login main manage map market member memory menu message method middle "
    "mode model money month move name network new next night no note notice number of office "
    "on open option order other our output owner page panel paper part party paste path "
    "payment people period person phone place plan please point policy post power preview "
    "price print private product profile program project public quality question quick rate "
    "read receipt record reference region release remove rename reply report request reset "
    "review right room route row sale save search second secure select send series service "
    "share show sign size small sort source space special start state status stop store "
    "street subject submit summary support system table target task tax team term test text "
    "the their this time title to today token tool top total trade transfer type under union "
    "unit up update upload user value version view volume water week width will window with "
    "work world year yes your zone"
)
WORDS = tuple(WORDS_TEXT.split())

NAMES_TEXT = (
    "Orbita Delta Growth Atomix Nordwind Helios Lumen Vertex Marina Quanta Solaris Terra "
    "Zenith Arcadia Boreal Cobalt Dynamo Ember Fulcrum Galena Harbor Ionix Jasper Krona Lyra "
    "Monolit Nimbus Opal Pylon Quartz Rivera Sigma Tundra Umbra Vector Wren Xenon Yukon "
    "Zephyr Alpina"
)
NAMES = tuple(NAMES_TEXT.split())

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
DIGITS = "0123456789"

LOOKALIKES = {
    "O": "QCDG", "I": "TLJ", "E": "FBL", "P": "RBF", "C": "GOE", "M": "NWH", "V": "YWU",
    "8": "369", "3": "825", "1": "742", "5": "632", "0": "869", "6": "850", "7": "124",
    "n": "hurm", "e": "acos", "a": "eosu", "i": "lrt", "o": "aceu", "t": "fli", "r": "nvs",
    "s": "zae", "l": "tik", "u": "nva",
}  # fmt: skip
"""Letters and digits that are taken for each other, which a near-duplicate swaps."""


def words(random: Random, count: int) -> list[str]:
    """Some words."""
    return [WORDS[int(index)] for index in random.integers(0, len(WORDS), count)]


def without(text: str, banned: str) -> str:
    """A text in which no word holds one of the banned words; others stand for them.

    Where a word is looked for, text around it must not show it as well.
    """
    taken = [word.lower() for word in banned.split() if word.isalpha()]
    if not taken:
        return text
    spare = [word for word in ("item", "group", "mode", "size") if not _holds(word, taken)]
    return " ".join(_like(word, spare[0]) if _holds(word, taken) else word for word in text.split())


def title(random: Random, count: int) -> str:
    """Some words with capitals."""
    return " ".join(word.capitalize() for word in words(random, count))


def number(random: Random, digits: int) -> str:
    """A number of so many digits."""
    return "".join(DIGITS[int(index)] for index in random.integers(0, 10, digits))


def code(random: Random, pattern: str) -> str:
    """A text by its pattern: ``A`` a letter, ``0`` a digit, others stand for themselves."""
    drawn = {"A": LETTERS, "0": DIGITS}
    return "".join(
        drawn[sign][int(random.integers(len(drawn[sign])))] if sign in drawn else sign
        for sign in pattern
    )


def misread(text: str, random: Random, changes: int = 1) -> str:
    """A text that differs in so many letters or digits, of the same length."""
    letters = list(text)
    places = [index for index, sign in enumerate(letters) if sign.isalnum()]
    for index in random.permutation(places)[:changes]:
        sign = letters[index]
        if random.random() < 0.6 and sign in LOOKALIKES:
            choice = LOOKALIKES[sign]
        elif sign.isdigit():
            choice = DIGITS
        else:
            choice = LETTERS if sign.isupper() else LETTERS.lower()
        choice = choice.replace(sign, "")
        letters[index] = choice[int(random.integers(len(choice)))]
    return "".join(letters)


def _holds(word: str, taken: list[str]) -> bool:
    """Whether a word is or contains one of others."""
    return any(one in word.lower() for one in taken)


def _like(word: str, other: str) -> str:
    """Another word with the first one's capital."""
    return other.capitalize() if word[:1].isupper() else other
