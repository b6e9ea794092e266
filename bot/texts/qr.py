"""Draws a link as a QR code, so that another phone can open it."""

import io
from functools import lru_cache

import segno

_SIDE_PX = 600
_QUIET_MODULES = 4
_MASK = 3
_SHADES = bytes((255, 0)) + bytes(254)
"""Of a light and a dark module."""


@lru_cache(maxsize=512)
def qr_png(url: str) -> bytes:
    """A black on white PNG of about 600 by 600 pixels, every module a whole number of pixels.

    The quiet zone is four modules wide, as ISO/IEC 18004 wants it. Repeating it is cheap: the
    last 512 are kept.
    """
    # Pillow takes a moment to load, and most processes draw none.
    from PIL import Image, ImageOps

    # Every mask can be read; trying all eight for the prettiest takes most of the time.
    code = segno.make_qr(url, error="m", boost_error=False, mask=_MASK)
    side = len(code.matrix)
    modules = Image.frombytes("L", (side, side), b"".join(code.matrix).translate(_SHADES))
    drawn = ImageOps.expand(modules.convert("1"), _QUIET_MODULES, fill=1)
    scale = max(1, round(_SIDE_PX / drawn.width))
    # Four times as fast as segno's own pictures, which are built pixel by pixel.
    drawn = drawn.resize((drawn.width * scale,) * 2, Image.Resampling.NEAREST)
    out = io.BytesIO()
    drawn.save(out, "PNG")
    return out.getvalue()
