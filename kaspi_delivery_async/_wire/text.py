"""Text that every database, JSON document and terminal can hold."""

from __future__ import annotations


def storable(text: str) -> str:
    """Replace what no database keeps."""
    return text.encode(errors="replace").decode().replace("\0", "\N{REPLACEMENT CHARACTER}")
