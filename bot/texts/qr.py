"""Draws a link as a QR code, so that another phone can open it."""

import io
from functools import lru_cache

import segno

_SIDE_PX = 600
_QUIET_MODULES = 4
_MASK = 3


@lru_cache(maxsize=512)
def qr_png(url: str) -> bytes:
    """A black on white PNG of about 600 by 600 pixels, every module a whole number of pixels.

    The quiet zone is four modules wide, as ISO/IEC 18004 wants it. Repeating it is cheap: the
    last 512 are kept.
    """
    # Every mask can be read; trying all eight for the prettiest takes most of the time.
    code = segno.make_qr(url, error="m", boost_error=False, mask=_MASK)
    modules, _ = code.symbol_size(border=_QUIET_MODULES)
    out = io.BytesIO()
    scale = max(1, round(_SIDE_PX / modules))
    code.save(out, kind="png", scale=scale, border=_QUIET_MODULES, compresslevel=6)
    return out.getvalue()
