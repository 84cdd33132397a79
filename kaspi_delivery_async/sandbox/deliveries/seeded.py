"""Ids and chances that follow from the seed alone, whatever else happened in between."""

from hashlib import blake2b

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_ID_LENGTH = 14


def identifier(seed: int, prefix: str, number: int) -> str:
    """Make the ``number``-th id of its kind, such as ``dlv_01hfz18tnb7tqw``."""
    bits = int.from_bytes(blake2b(f"{seed}/{prefix}/{number}".encode(), digest_size=9).digest(), "big")
    return prefix + "".join([_ALPHABET[(bits >> shift) & 31] for shift in range(0, 5 * _ID_LENGTH, 5)])


def fraction(seed: int, *names: str) -> float:
    """Draw the number in [0, 1) that belongs to these names."""
    digest = blake2b("/".join((str(seed), *names)).encode(), digest_size=8).digest()
    return (int.from_bytes(digest, "big") >> 11) / 2**53
