"""Makes words given from outside safe to repeat in a message that asks for money.

What a customer or a merchant's own system typed goes in; one short line without links, control
characters or direction marks comes out. Escaping for HTML is not done here but by the template.
"""

import re
import unicodedata

NAME_CHARS = 60
CONCEPT_CHARS = 140
REFERENCE_CHARS = 64
DETAIL_CHARS = 600

# Anything longer is cut before a pattern sees it, so that no text can be slow to clean.
_READ_CHARS = 4000
_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn"})
_BLANK_LETTERS = dict.fromkeys(map(ord, "\u115f\u1160\u3164\uffa0\u2800\u034f\u17b4\u17b5"))
_MARKS = re.compile(r"([\u0300-\u036f\u0483-\u0489\u1ab0-\u1aff\u20d0-\u20ff]{2})[\u0300-\u20ff]*")
_VARIANTS = re.compile(r"[\ufe00-\ufe0f]")
_LINK_SIGNS = frozenset(".:/@")
_LINK = re.compile(
    r"""
      [a-z][a-z0-9+.\-]{1,15}:/\S*                        # any scheme
    | \b(?:mailto|tel|sms|javascript|data):\S+
    | \bwww\.\S+
    | \S+@[\w\-]+\.\S+                                    # an e-mail address is a link too
    | \b[\w\-]+(?:\.[\w\-]+)+[/?\#]\S*                    # a host with a path
    | \b\d{1,3}(?:\.\d{1,3}){3}(?::\d+)?\b
    | \b[\w\-]+(?:\.[\w\-]+)*\.(?:com|net|org|info|biz|io|co|me|app|dev|page|link|site|online|shop
      |store|xyz|top|club|live|gt|sv|hn|ni|cr|pa|mx|ar|cl|pe|ec|br|us|ly|cc|tk|ru|cn|eu|uk)\b
    """,
    re.IGNORECASE | re.VERBOSE,
)
_DOT_INSIDE = re.compile(r"(?<=[^\W\d_])\.(?=[^\W\d_]{2})")
_CHAT_HANDLE = re.compile(r"(?<!\w)[@/](?=\w)")


def one_line(text: str, limit: int) -> str:
    """Visible characters only, on one line, at most `limit` of them; the cut is marked by "…"."""
    composed = unicodedata.normalize("NFKC", text[:_READ_CHARS])
    visible = composed if composed.isprintable() else "".join(map(_visible, composed))
    visible = _VARIANTS.sub("", visible.translate(_BLANK_LETTERS))
    return shorten(" ".join(_MARKS.sub(r"\1", visible).split()), limit)


def no_links(text: str, limit: int) -> str:
    """`one_line` without anything that a chat client would turn into a link, mention or command.

    "Dr.Lopez" becomes "Dr. Lopez": a client may take any two words around a dot for a host.
    """
    line = one_line(text, _READ_CHARS).replace("。", ".")
    if not _LINK_SIGNS.isdisjoint(line):
        line = _DOT_INSIDE.sub(". ", _LINK.sub(" ", line))
        line = " ".join(_CHAT_HANDLE.sub("", line).split())
    return shorten(line, limit)


def _visible(char: str) -> str:
    if char.isspace():
        return " "
    return "" if unicodedata.category(char) in _HIDDEN else char


def shorten(text: str, limit: int) -> str:
    """At most `limit` characters, cut between words where one ends nearby."""
    if len(text) <= limit:
        return text
    if limit < 2:
        return ""
    cut = text[: limit - 1]
    space = cut.rfind(" ")
    if space > limit // 2:
        cut = cut[:space]
    return cut.rstrip(" ,.;:-") + "…"
