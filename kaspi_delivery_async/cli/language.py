"""Texts for people in the language of their environment; what programs read stays English."""

import gettext
import os
from functools import lru_cache
from pathlib import Path

_LOCALES = Path(__file__).parent / "locale"
_VARIABLES = ("LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG")


def translated(text: str) -> str:
    """Return a text in Russian or Kazakh if the environment asks for it (``LANGUAGE``, ``LC_ALL``, ``LANG``)."""
    return _translations(*(os.environ.get(name) for name in _VARIABLES)).gettext(text)


@lru_cache(maxsize=8)
def _translations(*_environment: str | None) -> gettext.NullTranslations:
    return gettext.translation("kaspi-delivery", _LOCALES, fallback=True)
