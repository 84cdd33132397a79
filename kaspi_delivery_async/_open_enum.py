"""An enumeration of strings that keeps the values it does not know, as the API may add some at any time."""

from enum import Enum, StrEnum
from typing import Self


class OpenEnum(StrEnum):
    """Base of the enumerations that the API may extend.

    A value that is not among the members is kept as it is: it compares, hashes, prints, pickles and turns into JSON as
    its text, and `is_known` is false for it. It is a new object each time, so compare it with `==`, not with `is`.
    What is not a string raises ValueError.
    """

    @classmethod
    def _missing_(cls, value: object) -> Self | None:
        if not isinstance(value, str):
            return None
        text = str.__str__(value)
        # Not remembered: what a server sends must not fill the memory.
        unknown = str.__new__(cls, text)
        unknown._name_ = text
        unknown._value_ = text
        return unknown

    @property
    def is_known(self) -> bool:
        """Whether this value is one of the members."""
        return type(self).__members__.get(self.name) is self

    def __repr__(self) -> str:
        return Enum.__repr__(self) if self.is_known else f"<{type(self).__name__}: {self.value!r}, unknown>"

    def __reduce_ex__(self, protocol: object) -> tuple[type[Self], tuple[str]]:
        # By value: an unknown one cannot be found by its name.
        return type(self), (self.value,)
