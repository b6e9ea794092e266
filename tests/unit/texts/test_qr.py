"""The picture is a PNG of the promised size, sharp, and a reader reads the link in it."""

import io

import zxingcpp
from PIL import Image

from bot.texts.qr import qr_png
from tests.unit.texts.examples import LINK

QUIET_MODULES = 4


def rows_of(png: bytes) -> list[list[bool]]:
    """The dark pixels of a one-bit PNG."""
    with Image.open(io.BytesIO(png)) as picture:
        assert (picture.format, picture.mode) == ("PNG", "1")
        pixels, (width, height) = picture.tobytes(), picture.size
    stride = (width + 7) // 8
    lines = [pixels[start : start + stride] for start in range(0, height * stride, stride)]
    return [[not line[x // 8] >> (7 - x % 8) & 1 for x in range(width)] for line in lines]


def test_a_reader_reads_the_link() -> None:
    [found] = zxingcpp.read_barcodes(Image.open(io.BytesIO(qr_png(LINK))).convert("L"))
    assert found.text == LINK


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
