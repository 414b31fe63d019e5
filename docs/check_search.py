"""Check that the search of the pages answers: `python docs/check_search.py FOLDER`.

The index that the search reads is a file of the build. Each word below must have an entry, under
which the search lists the page first.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

EXPECTED = {
    "callback": "howto/delivery-status",
    "idempotency": "outbox",
    "retry": "explanation/at-most-once",
    "webhook": "howto/delivery-status",
    "вебхук": "uk",
}
"""Words that people search for, and the pages that answer."""


def faults(folder: Path) -> list[str]:
    """Return a line for each word that the search does not lead to its page."""
    written = (folder / "searchindex.js").read_text("utf-8")
    index: dict[str, Any] = json.loads(written.removeprefix("Search.setIndex(").removesuffix(")"))
    pages = index["docnames"]
    found = {
        (word, pages[page])
        for entry, places in index["indexentries"].items()
        for page, *_ in places
        for word in entry.split()
    }
    return [
        f"{word}: no index entry in {page}"
        for word, page in EXPECTED.items()
        if (word, page) not in found
    ]


if __name__ == "__main__":
    sys.exit("\n".join(faults(Path(sys.argv[1]))) or 0)
