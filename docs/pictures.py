"""Reduce the size of screenshots. Used by `screenshots.py` and `report_screenshots.py`."""

from __future__ import annotations

import struct
import zlib
from collections import Counter
from collections.abc import Callable

__all__ = ["smaller"]


def smaller(png: bytes) -> bytes:
    """Return the PNG with at most 256 colours.

    This halves its size without a visible difference.
    """
    width, height, depth, kind = struct.unpack(">IIBB", png[16:26])
    assert (depth, kind) == (8, 2), "chromium writes three bytes a pixel"  # noqa: S101 - the code below depends on it
    chunks, at = b"", 8
    while at < len(png):
        size, name = struct.unpack(">I4s", png[at : at + 8])
        chunks += png[at + 8 : at + 8 + size] if name == b"IDAT" else b""
        at += size + 12
    rows = unfiltered(zlib.decompress(chunks), width * 3)
    pixels = [[bytes(row[x : x + 3]) for x in range(0, len(row), 3)] for row in rows]
    counts = Counter(pixel for row in pixels for pixel in row)
    palette: list[bytes] = []
    for colour, _ in counts.most_common():
        # After the 32 most frequent colours, skip similar ones, or a small red icon would get no
        # colour among many greys.
        if len(palette) < 32 or min(distance(colour, one) for one in palette) > 90:
            palette.append(colour)
    del palette[256:]
    nearest = {
        colour: min(range(len(palette)), key=lambda one: distance(palette[one], colour))
        for colour in counts
    }
    data = zlib.compress(
        b"".join(b"\0" + bytes(nearest[pixel] for pixel in row) for row in pixels), 9
    )
    head = struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)
    return png[:8] + b"".join(
        chunk(*one)
        for one in ((b"IHDR", head), (b"PLTE", b"".join(palette)), (b"IDAT", data), (b"IEND", b""))
    )


def unfiltered(data: bytes, stride: int) -> list[bytearray]:
    """Undo the filters of a PNG with three bytes per pixel (RFC 2083, section 6)."""
    rows, above = [], bytearray(stride)
    for start in range(0, len(data), stride + 1):
        row = bytearray(data[start + 1 : start + 1 + stride])
        undo = _FILTERS[data[start]]
        if undo:
            for i in range(stride):
                left, corner = (row[i - 3], above[i - 3]) if i >= 3 else (0, 0)
                row[i] = (row[i] + undo(left, above[i], corner)) & 255
        rows.append(row)
        above = row
    return rows


def paeth(left: int, up: int, corner: int) -> int:
    """Return the prediction of the Paeth filter (RFC 2083, section 6.6)."""
    guess = left + up - corner
    return min((left, up, corner), key=lambda one: abs(guess - one))


_FILTERS: tuple[Callable[[int, int, int], int] | None, ...] = (
    None,
    lambda left, _up, _corner: left,
    lambda _left, up, _corner: up,
    lambda left, up, _corner: (left + up) // 2,
    paeth,
)


def distance(one: bytes, other: bytes) -> int:
    """Return the squared distance of two colours."""
    return sum((a - b) ** 2 for a, b in zip(one, other, strict=True))


def chunk(name: bytes, data: bytes) -> bytes:
    """Return one chunk of a PNG."""
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
