"""The identity of an order: when two external order ids name the same order."""

from __future__ import annotations

import re
import unicodedata

from kaspi_delivery_async._wire.headers import is_visible_ascii
from kaspi_delivery_async._wire.text import FILLERS, INVISIBLE, plain

_invisible = re.compile(f"[{INVISIBLE}]")
_filler = re.compile(f"[{FILLERS}]")


def canonical_order_id(order_id: str) -> str:
    """Return the one form of an external order id that is sent, stored and compared.

    An order is what a person sees, so ids that look the same are one: the canonical composition of
    Unicode (NFC), without invisible characters of any category, without blanks around, and with one
    space for each run of blanks inside. Every way in uses this rule: a program, an order file, a
    webhook, a response. Letters of different scripts or cases stay different. The result may be empty.
    """
    text = order_id if type(order_id) is str else plain(order_id)
    if is_visible_ascii(text):
        return text
    visible = unicodedata.normalize("NFC", _filler.sub(" ", _invisible.sub("", text)))
    return " ".join(visible.split())
