"""Check the links of the built pages without a network: `python docs/check_links.py FOLDER`.

Each internal link must lead to a page and an anchor, and no page may load anything from another
host.
"""

from __future__ import annotations

import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

LOADED = {"link": "href", "script": "src", "img": "src", "iframe": "src", "source": "src"}
HINTS = {"canonical", "index", "search", "next", "prev"}
"""Values of `rel` that load nothing."""


class Page(HTMLParser):
    """The links, the loaded files and the anchors of one page."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.links: list[str] = []
        self.loads: list[str] = []
        self.anchors: set[str] = {"", "top"}
        self.feed(path.read_text("utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Record the link, the loaded file and the anchor of a tag."""
        given = {name: value or "" for name, value in attrs}
        self.anchors.update(given[name] for name in ("id", "name") if name in given)
        if tag == "a" and "href" in given:
            self.links.append(given["href"])
        if LOADED.get(tag, "") in given and given.get("rel") not in HINTS:
            self.loads.append(given[LOADED[tag]])


def faults(folder: Path) -> list[str]:
    """Return a line for each broken link or external file in the pages of a folder."""
    pages = {path.resolve(): Page(path) for path in folder.rglob("*.html")}
    found = [] if pages else [f"{folder}: no pages"]
    for path, page in pages.items():
        for address in [*page.links, *page.loads]:
            parts = urlsplit(address)
            if parts.scheme or parts.netloc:
                if address in page.loads and parts.scheme != "data":
                    found.append(f"{path.name} loads {address}")
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            if not target.is_file():
                found.append(f"{path.name}: no such file: {address}")
            elif target in pages and unquote(parts.fragment) not in pages[target].anchors:
                found.append(f"{path.name}: no such anchor: {address}")
    return found


if __name__ == "__main__":
    complaints = faults(Path(sys.argv[1]))
    sys.exit("\n".join(complaints) or 0)
