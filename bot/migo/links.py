"""Whether a URL from Migo may be shown to a customer.

The answer of a provider is untrusted: a link that points elsewhere would send a customer's card
to a stranger. Nothing is repaired and nothing is fetched; a URL passes or it is held.
"""

import ipaddress
import re
from collections.abc import Collection
from urllib.parse import SplitResult, urlsplit

MAX_LINK_CHARS = 512

# Printable ASCII without space and without what browsers and parsers read differently.
_PLAIN_URL = re.compile(r"[!#-;=?-\[\]_a-z~]+")
_DEFAULT_PORTS = {"https": 443, "http": 80}


class LinkError(ValueError):
    """The URL may not be sent; the text names no part of it."""


def check_link(url: object, hosts: Collection[str]) -> str:
    """Return `url` unchanged if it may be sent.

    Args:
        url: whatever stood under `URL` in Migo's answer.
        hosts: the allow-list; `host` means the scheme's own port, else `host:port`.

    Raises:
        LinkError: not a string, over 512 characters, a character beyond plain URL ones, user
            information, a host or port that is not on the list, or not https (http is taken
            for loopback hosts only).
    """
    if not isinstance(url, str) or not 0 < len(url) <= MAX_LINK_CHARS:
        raise LinkError("the link is not a string of 1 to 512 characters")
    if _PLAIN_URL.fullmatch(url) is None:
        raise LinkError("the link has characters that do not belong there")
    try:
        parts = urlsplit(url)
        authority = _authority(parts)
    except ValueError:
        raise LinkError("the link has no readable host") from None
    if authority not in {_allowed(entry, parts.scheme) for entry in hosts}:
        raise LinkError("the link's host is not on the list")
    if parts.scheme != "https" and not (parts.scheme == "http" and is_loopback(authority[0])):
        raise LinkError("the link is not https")
    return url


def is_loopback(host: str) -> bool:
    """Whether a host name or literal address means this machine itself."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _authority(parts: SplitResult) -> tuple[str, int]:
    """Host and port, only where no two parsers could disagree about them."""
    host = parts.hostname or ""
    port = parts.port
    # "host:", "host:0443" and "user@host" read alike to urlsplit, not to every browser.
    literal = f"[{host}]" if ":" in host else host
    written = literal if port is None else f"{literal}:{port}"
    if not host or parts.netloc.lower() != written:
        raise ValueError("user information, or an odd way to write a port")
    return host, port or _DEFAULT_PORTS.get(parts.scheme, 0)


def _allowed(entry: str, scheme: str) -> tuple[str, int]:
    parts = urlsplit(f"//{entry.strip().lower()}")
    return parts.hostname or "", parts.port or _DEFAULT_PORTS.get(scheme, 0)
