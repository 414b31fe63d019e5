"""The catalogue of sentences: what the code says, what is translated, and the file that is read.

After changing a sentence or `smsgate/locale/uk/LC_MESSAGES/smsgate.po`, compile the translations
with `python tests/catalogue.py`. It also says what is missing. Rule of this file: the code is read,
not run, so no sentence can hide behind a branch.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

from babel.messages.catalog import Catalog, Message
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

import smsgate

ROOT = Path(smsgate.__file__).parent
FOLDER = ROOT / "locale" / "uk" / "LC_MESSAGES"
TRANSLATED, COMPILED = FOLDER / "smsgate.po", FOLDER / "smsgate.mo"

Sentence = str | tuple[str, str]
"""A sentence, or the pair of one with a singular and a plural."""

_MARKS = {"say": 1, "translatable": 1, "plural": 2, "translatable_plural": 2}
"""The functions that mark a sentence, each with how many of its arguments are one."""


def sentences_in(source: str) -> Iterator[Sentence]:
    """Yield the sentences that a module says."""
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call):
            continue
        name = getattr(node.func, "attr", getattr(node.func, "id", ""))
        given = node.args[: _MARKS.get(name, 0)]
        said = tuple(
            one.value
            for one in given
            if isinstance(one, ast.Constant) and isinstance(one.value, str)
        )
        if given and len(said) == len(given):
            yield said[0] if len(said) == 1 else (said[0], said[1])


def sentences() -> set[Sentence]:
    """Return every sentence that the package marks for translation."""
    return {one for path in ROOT.rglob("*.py") for one in sentences_in(path.read_text("utf-8"))}


def translations() -> dict[Sentence, Message]:
    """Return every entry of the Ukrainian catalogue, by its English sentence."""
    with TRANSLATED.open("rb") as opened:
        catalogue = read_po(opened, locale="uk", abort_invalid=True)
    return {_key(message): message for message in catalogue if message.id}


def _key(message: Message) -> Sentence:
    return message.id if isinstance(message.id, str) else (message.id[0], message.id[1])


def compiled() -> bytes:
    """Return what `smsgate.mo` must hold."""
    with TRANSLATED.open("rb") as opened:
        catalogue: Catalog = read_po(opened, locale="uk")
    made = BytesIO()
    write_mo(made, catalogue)
    return made.getvalue()


def main() -> int:
    """Compile the translations, and print what is missing and what is not used any more."""
    said, translated = sentences(), translations()
    for missing in sorted(said - set(translated), key=str):
        print("missing:", missing)
    for unused in sorted(set(translated) - said, key=str):
        print("unused:", unused)
    COMPILED.write_bytes(compiled())
    return int(said != set(translated))


if __name__ == "__main__":
    sys.exit(main())
