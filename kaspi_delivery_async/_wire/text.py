"""Text as databases, JSON documents, terminals and people can take it."""

from __future__ import annotations

import re

FILLERS = "\u115f\u1160\u2800\u3164\uffa0"
"""Characters that look like a blank, although Unicode counts them as letters or symbols."""

INVISIBLE = (
    "\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f"  # controls, but for the blanks among them
    # Unicode's Default_Ignorable_Code_Point, which is spread over six categories
    "\xad\u034f\u061c\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufe00-\ufe0f\ufeff\ufff0-\ufff8"
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
    # annotations, format controls of old scripts, a note without a head
    "\ufff9-\ufffb\U00013430-\U0001343f\U00016fe4\U0001d159"
    # noncharacters
    "\ufdd0-\ufdef" + "".join(f"{chr(plane + 0xFFFE)}-{chr(plane + 0xFFFF)}" for plane in range(0, 0x110000, 0x10000))
)
"""Characters of which nothing is seen, as the inside of a character class of `re`."""

PLAINLY_VISIBLE = frozenset(map(chr, [*range(0x21, 0x7F), *range(0x410, 0x450)]))
"""Latin and Cyrillic letters, digits and signs. Most texts begin with one; the search below takes ten times as long."""

_first_visible = re.compile(rf"[^\s{FILLERS}{INVISIBLE}]").search


def plain(text: str) -> str:
    """Return the text of a string of any class.

    A member of ``class Ids(str, Enum)`` is equal to its text, but prints as ``Ids.FIVE``: what was
    compared, stored and sent would differ.
    """
    return str.__str__(text)


def is_blank(text: str) -> bool:
    """Whether a person would see nothing: the text is empty, or holds only blanks and invisible characters."""
    return text[:1] not in PLAINLY_VISIBLE and _first_visible(text) is None


def storable(text: str) -> str:
    """Replace the characters that no database keeps: NUL and lone surrogates."""
    return text.encode(errors="replace").decode().replace("\0", "\N{REPLACEMENT CHARACTER}")
