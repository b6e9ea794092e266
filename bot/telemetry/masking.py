"""The second net under the log: what looks like a person, a payment link or a secret is cut.

The first net is not to log it at all; this one is for what libraries and exceptions let slip.
"""

import re
from collections.abc import Callable, Collection

from bot.domain.cards import hide_cards

_MIN_SECRET_CHARS = 6
"""A shorter known secret is not looked for: cutting it everywhere would make the log unreadable."""

_URL = re.compile(r"(?i)\b([a-z][a-z0-9+.-]*)://([^\s/?#\"'<>]*)([^\s\"'<>]*)")
_EMAIL = re.compile(r"([A-Za-z0-9._%+-])[A-Za-z0-9._%+-]*@([A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+)")
_PHONE = re.compile(r"\+\d[\d ().-]{5,18}\d(?!\d)|(?<![\w.+-])\d{10,19}(?![\w-]|\.\d)")
_BOT_TOKEN = re.compile(r"\b(\d{3,}):[A-Za-z0-9_-]{20,}")
_NAMED = re.compile(
    r"(?i)\b((?:proxy-)?authorization|[\w-]*(?:token|secret|password|api[_-]?key|signature)|"
    r"private_?key|public_?key|(?:set-)?cookie)"
    r"([\"']?\s*[:=]\s*[\"']?)(?:(?:bearer|basic)\s+)?[^\s\"',;&)}\]]+"
)
_SCHEME = re.compile(r"(?i)\b(bearer|basic)\s+[A-Za-z0-9._~+/=-]{6,}")


class Mask:
    """Cuts addresses to their ends, URLs to their host, and secrets to nothing."""

    def __init__(self, secrets: Collection[str] = ()) -> None:
        """Take the secrets that are known, to be found in whatever shape they turn up."""
        known = sorted({text for text in secrets if len(text) >= _MIN_SECRET_CHARS}, key=len)[::-1]
        self._known = re.compile("|".join(map(re.escape, known))) if known else None

    def __call__(self, text: str) -> str:
        """`+50255551234` to `+502****1234`, `ana@example.com` to `a***@example.com`, and so on."""
        if self._known:
            text = self._known.sub("***", text)
        for pattern, cut in _CUTS:
            text = pattern.sub(cut, text)
        return hide_cards(text)


def _cut_url(match: re.Match[str]) -> str:
    scheme, host, rest = match.groups()
    return f"{scheme}://{host.rpartition('@')[2]}{'/***' if len(rest) > 1 else rest}"


def _cut_phone(match: re.Match[str]) -> str:
    digits = re.sub(r"\D", "", match[0])
    if not 8 <= len(digits) <= 19:
        return match[0]
    return f"{'+' + digits[:3] if match[0].startswith('+') else ''}****{digits[-4:]}"


_Cut = str | Callable[[re.Match[str]], str]
_CUTS: tuple[tuple[re.Pattern[str], _Cut], ...] = (
    (_NAMED, r"\1\2***"),
    (_SCHEME, r"\1 ***"),
    (_URL, _cut_url),
    (_BOT_TOKEN, r"\1:***"),
    (_EMAIL, r"\1***@\2"),
    (_PHONE, _cut_phone),
)
