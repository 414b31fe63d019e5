"""The search for messages: words that must all match, and words for one field, as one table.

    to:+380 50 123 45 67  is:not-delivered  "ваш код"

Rule of this file: a number is found as the inbox shows it and as people write it, with spaces,
brackets and dashes. A word that is not a field, such as `https:`, is searched in everything.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field

from ..protocol.answers import DeliveryState
from .store import SandboxMessage

__all__ = [
    "EVERYTHING",
    "SEARCH_FIELDS",
    "Search",
    "SearchField",
    "parse_narrow_search",
    "parse_search",
]

_LONGEST = 1_000
_NOT_DIGITS = re.compile(r"[^0-9]")
_STATES = [one for one in DeliveryState if one is not DeliveryState.NOT_FOUND]

StateOf = Callable[[SandboxMessage], DeliveryState]
_Test = Callable[[SandboxMessage, str, StateOf], bool]


@dataclass(frozen=True, slots=True)
class SearchField:
    """One kind of word.

    Attributes:
        name: what is written before the word, with its colon; empty for an ordinary word.
        example: how it is used.
        note: what it finds.
        makes: returns the test of a word in lower case, and the text to mark in the messages.
    """

    name: str
    example: str
    note: str
    makes: Callable[[str], tuple[_Test, str]]


@dataclass(frozen=True, slots=True)
class Search:
    """A parsed search.

    Attributes:
        marks: the texts that the inbox marks in what was found, in lower case.
    """

    tests: tuple[_Test, ...] = field(default=(), repr=False)
    marks: tuple[str, ...] = field(default=(), repr=False)

    def __bool__(self) -> bool:
        return bool(self.tests)

    def finds(self, message: SandboxMessage, searched: str, state_of: StateOf) -> bool:
        """Return whether each word matches. `searched` is `message.searched`."""
        return all(test(message, searched, state_of) for test in self.tests)


EVERYTHING = Search()
"""The search that finds every message."""


def parse_search(text: str) -> Search:
    """Parse a search. Words are separated by spaces; quotes hold a phrase together.

    Raises:
        ValueError: the search is too long, or the word of a field is not possible.
    """
    if len(text) > _LONGEST:
        raise ValueError(f"search: at most {_LONGEST:,} characters")
    tests, marks = [], []
    for name, quoted, word in _WORDS.findall(text.casefold()):
        wanted = (quoted or word).strip(' "')
        if wanted:
            test, mark = _BY_NAME[name].makes(wanted)
            tests.append(test)
            marks.append(mark)
    return Search(tuple(tests), tuple(filter(None, marks)))


def parse_narrow_search(text: str) -> Search:
    """Parse a search that decides what is deleted, so it must have a word.

    Raises:
        ValueError: the search has no word, or is not possible.
    """
    search = parse_search(text)
    if not search:
        # A program whose variable is empty must not delete everything.
        raise ValueError("search: no word to search for, which would delete every message")
    return search


def _anywhere(word: str) -> tuple[_Test, str]:
    digits = _NOT_DIGITS.sub("", word)
    if digits == word or not _NUMBER.fullmatch(word):
        return lambda _, searched, __: word in searched, word
    parts = word.split()

    def finds(message: SandboxMessage, _: str, __: StateOf) -> bool:
        # In a text, such as "1 249 UAH", the digits are words.
        text = _text_of(message)
        return (
            digits in message.destination
            or digits in message.sender
            or all(part in text for part in parts)
        )

    return finds, digits


def _text_of(message: SandboxMessage) -> str:
    return f"{message.text or ''}\n{message.wappush or ''}".casefold()


def _to(word: str) -> tuple[_Test, str]:
    digits = _NOT_DIGITS.sub("", word)
    if not digits:
        raise ValueError("search: to: needs digits of a number, such as to:501234567")
    return lambda message, _, __: digits in message.destination, digits


def _from(word: str) -> tuple[_Test, str]:
    digits = _NOT_DIGITS.sub("", word) if _NUMBER.fullmatch(word) else word
    return lambda message, _, __: digits in message.sender.casefold(), digits


def _text(word: str) -> tuple[_Test, str]:
    def finds(message: SandboxMessage, searched: str, _: StateOf) -> bool:
        # The first test is quick, and excludes most messages.
        return word in searched and word in _text_of(message)

    return finds, word


def _is(word: str) -> tuple[_Test, str]:
    wanted = word.replace("-", " ")
    states = frozenset(state for state in _STATES if state.startswith(wanted))
    if not states:
        names = ", ".join(state.replace(" ", "-") for state in _STATES)
        raise ValueError(f"search: is: needs the beginning of a delivery status: {names}")
    return lambda message, _, state_of: state_of(message) in states, ""


def _has(word: str) -> tuple[_Test, str]:
    # The beginning is enough, so that a search can be typed letter by letter.
    if not "code".startswith(word):
        raise ValueError("search: has: must be has:code")
    return lambda message, _, __: message.code is not None, ""


def _account(word: str) -> tuple[_Test, str]:
    return lambda message, _, __: message.account.casefold() == word, ""


SEARCH_FIELDS: tuple[SearchField, ...] = (
    SearchField("", "ваш код", "each word, in number, sender, text or id", _anywhere),
    SearchField("", "(050) 123-45-67", "a number, however it is written", _anywhere),
    SearchField("", '"ваш код"', "a phrase", _anywhere),
    SearchField("to:", "to:501234567", "digits of the number", _to),
    SearchField("from:", "from:shop", "the sender", _from),
    SearchField("text:", 'text:"ваш код"', "the text or the link", _text),
    SearchField("is:", "is:not-delivered", "the delivery status, or its beginning", _is),
    SearchField("has:", "has:code", "a one-time code in the text", _has),
    SearchField("account:", "account:promo", "the account, if there are several", _account),
)
"""All kinds of words, in the order in which they are shown."""

_BY_NAME = {row.name: row for row in SEARCH_FIELDS}
# Digits with what people write between them; it must end where a word ends.
_DIGITS = r"\+?[ \t\xa0]?\(?[0-9][0-9\s()./\u2010-\u2015\u202f-]*[0-9](?!\S)"
_NUMBER = re.compile(_DIGITS)
_WORDS = re.compile(
    rf'({"|".join(row.name for row in SEARCH_FIELDS if row.name)}|)(?:("[^"]*"?)|({_DIGITS}|\S+))'
)
