"""The PIN of staff who are known by a number alone: how it is kept, and which are too easy."""

import hashlib
import hmac
import re
from dataclasses import dataclass
from datetime import datetime, timedelta

MAX_TRIES = 5
LOCKED_FOR = timedelta(minutes=15)

_PIN = re.compile(r"[0-9]{4,8}", re.ASCII)
_ROWS = ("0123456789012", "9876543210987")
# The cost that scrypt's author proposes for logins: 16 MiB, some 50 ms.
_COST, _BLOCK, _LANES = 2**14, 8, 1


def looks_like_pin(text: str) -> bool:
    """Whether the text is nothing but 4 to 8 digits."""
    return _PIN.fullmatch(text) is not None


def is_too_easy(pin: str) -> bool:
    """Whether it is one digit over and over, or digits in a row."""
    return len(set(pin)) == 1 or any(pin in row for row in _ROWS)


def hash_pin(pin: str, salt: bytes) -> str:
    """What is kept of a PIN: "scrypt$<salt>$<hash>" in hex.

    Source: RFC 7914.
    """
    return f"scrypt${salt.hex()}${_digest(pin, salt).hex()}"


def fits(pin: str, kept: str) -> bool:
    """Whether this PIN is the one that was kept; takes as long for a wrong one."""
    _, salt, digest = kept.split("$")
    return hmac.compare_digest(_digest(pin, bytes.fromhex(salt)), bytes.fromhex(digest))


def _digest(pin: str, salt: bytes) -> bytes:
    return hashlib.scrypt(pin.encode(), salt=salt, n=_COST, r=_BLOCK, p=_LANES, dklen=32)


@dataclass(frozen=True, slots=True)
class Tries:
    """How often a wrong PIN was given in a row, and until when no other is looked at."""

    wrong: int = 0
    locked_until: datetime | None = None

    def is_locked(self, now: datetime) -> bool:
        """Whether no PIN is looked at now."""
        return self.locked_until is not None and now < self.locked_until

    def failed(self, now: datetime) -> "Tries":
        """One more wrong PIN; the fifth locks."""
        wrong = self.wrong + 1
        return Tries(0, now + LOCKED_FOR) if wrong >= MAX_TRIES else Tries(wrong)
