"""The picture is a PNG of the promised size with a clear code in it."""

import struct
import zlib

from bot.texts.qr import qr_png
from tests.unit.texts.examples import LINK

QUIET_MODULES = 4


def rows_of(png: bytes) -> list[list[bool]]:
    """The dark pixels of a one-bit PNG whose rows are plain or lean on the one above."""
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    width, height, depth, colours = struct.unpack(">IIBB", png[16:26])
    assert (depth, colours) == (1, 0)
    data, at = b"", 8
    while at < len(png):
        (size,) = struct.unpack(">I", png[at : at + 4])
        if png[at + 4 : at + 8] == b"IDAT":
            data += png[at + 8 : at + 8 + size]
        at += 12 + size
    raw, stride = zlib.decompress(data), (width + 7) // 8
    lines, above = [], bytes(stride)
    for start in range(0, len(raw), stride + 1):
        filtered = raw[start + 1 : start + 1 + stride]
        above = {
            0: filtered,
            2: bytes((a + b) % 256 for a, b in zip(filtered, above, strict=True)),
        }[raw[start]]
        lines.append(above)
    assert len(lines) == height
    return [[not line[x // 8] >> (7 - x % 8) & 1 for x in range(width)] for line in lines]


def test_the_code_is_large_sharp_and_has_its_quiet_zone() -> None:
    rows = rows_of(qr_png(LINK))
    side = len(rows)
    assert 500 <= side <= 700
    assert {len(row) for row in rows} == {side}
    first = next(y for y, row in enumerate(rows) if any(row))
    scale = first // QUIET_MODULES
    assert first == scale * QUIET_MODULES
    finder = rows[first][first : first + 8 * scale]
    assert finder == [True] * 7 * scale + [False] * scale
    modules = [rows[y][::scale] for y in range(0, side, scale)]
    sharp = [[dark for dark in row for _ in range(scale)] for row in modules for _ in range(scale)]
    assert rows == sharp


def test_each_link_has_its_own_picture() -> None:
    assert qr_png(LINK) == qr_png(LINK)
    assert qr_png(LINK) != qr_png(LINK[:-1] + "X")
