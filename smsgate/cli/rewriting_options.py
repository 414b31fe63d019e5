"""Options that rewrite texts, so that they need fewer parts, and what rewriting would save.

Rule of this file: a text is rewritten only if the user asks for it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import typer

from ..languages import plural, say, spoken, translatable
from ..protocol.rewriting import Rewriting, Savings, Typographic
from ..protocol.transliteration import Language

__all__ = ["Rewrites", "saving_lines", "savings_document"]


@dataclass(frozen=True, slots=True)
class Rewrites:
    """How to rewrite the text. By default it is sent as it is."""

    typographic: Annotated[
        Typographic | None,
        typer.Option(
            metavar="replace",
            help=(
                "Replace typographic quotes, dashes and spaces with plain ones where that saves"
                " parts. Default: keep them."
            ),
        ),
    ] = None
    transliterate: Annotated[
        Language | None,
        typer.Option(
            help=(
                "Write the text in Latin letters, using the official table for Ukrainian or"
                " Russian. Default: keep the letters."
            )
        ),
    ] = None

    @property
    def rewriting(self) -> Rewriting:
        """Return the function that rewrites a text."""
        return Rewriting(self.typographic, self.transliterate)


def saving_lines(savings: Savings, parts: int, *, recipients: int = 1) -> list[str]:
    """Return a line for each rewriting that would save parts, the smallest change first.

    Args:
        savings: the parts that all messages together would save.
        parts: the parts that they have now.
        recipients: the number of messages, if their texts are equal; 0 if texts differ.
    """
    option = f"--transliterate {savings.language}"
    rows = (
        (
            translatable("Typographic replacements would save {parts}:"),
            savings.typographic,
            0,
            "--typographic replace",
        ),
        (
            translatable("Transliteration would save {parts}:"),
            savings.transliterated,
            0,
            option,
        ),
        (
            translatable("Both together would save {parts}:"),
            savings.both,
            max(savings.typographic, savings.transliterated),
            f"--typographic replace {option}",
        ),
    )
    return [
        f"{say(said, parts=_amount(saved, parts, recipients))}\n  {options}"
        for said, saved, least, options in rows
        if saved > least
    ]


def _amount(saved: int, parts: int, recipients: int) -> str:
    whole = _of_all(saved, parts)
    if recipients == 1:
        return whole
    if not recipients:
        return say("{parts}, in all messages together", parts=whole)
    each = _of_all(saved // recipients, parts // recipients)
    return say("{each} per message ({all})", each=each, all=whole)


def _of_all(saved: int, parts: int) -> str:
    count = spoken().count(saved)
    return plural("{saved} of {number} part", "{saved} of {number} parts", parts, saved=count)


def savings_document(savings: Savings) -> dict[str, Any]:
    """Return the parts that rewriting would save, for machines."""
    return {
        "typographic": savings.typographic,
        "transliterated": savings.transliterated,
        "both": savings.both,
        "language": savings.language,
    }
