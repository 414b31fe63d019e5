"""What `Campaign.create` takes for the rows of a list: how texts are rewritten.

Rule of this file: an option that is absent changes nothing.
"""

from __future__ import annotations

from typing import TypedDict

from ..protocol.rewriting import Rewriting, Typographic
from ..protocol.transliteration import Language

__all__ = ["RowOptions", "rewriting_of"]


class RowOptions(TypedDict, total=False):
    """How the rows of a list become messages. An option that is absent or None changes nothing."""

    typographic: Typographic | None
    """`"replace"` replaces typographic characters, as `smsgate.replace_typography` does."""
    transliterate: Language | None
    """`"uk"` or `"ru"` writes texts in Latin letters, as `smsgate.transliterate` does."""


def rewriting_of(options: RowOptions) -> Rewriting:
    """Return how texts are rewritten. Raises `ValueError` for an unknown option."""
    return Rewriting(options.get("typographic"), options.get("transliterate"))
