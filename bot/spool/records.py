"""How a record looks on disk: its state, lengths and checksum, then a JSON header and the body."""

import hashlib
import json
import mmap
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

LIVE, FREED = b"PBs1", b"PBf1"
_PREFIX = struct.Struct(">4sdII32s")
"""State, time of arrival, lengths of header and body, and the checksum of all but the state."""


class TornError(ValueError):
    """There is no whole record here."""


@dataclass(frozen=True, slots=True)
class Found:
    """A whole record at an offset; `at` is the Unix time of its arrival."""

    offset: int
    size: int
    is_live: bool
    at: float
    header: Mapping[str, object]
    body: bytes


def encode(at: float, header: Mapping[str, object], body: bytes) -> bytes:
    """A live record."""
    text = json.dumps(header).encode()
    digest = _digest(at, text, body)
    return _PREFIX.pack(LIVE, at, len(text), len(body), digest) + text + body


def decode(view: "mmap.mmap | bytes", offset: int) -> Found:
    """The record that begins at `offset`.

    Raises:
        TornError: none begins there, or its checksum is wrong.
    """
    prefix = view[offset : offset + _PREFIX.size]
    if len(prefix) < _PREFIX.size or prefix[:4] not in (LIVE, FREED):
        raise TornError
    state, at, header_bytes, body_bytes, digest = _PREFIX.unpack(prefix)
    start = offset + _PREFIX.size
    end = start + header_bytes + body_bytes
    text, body = view[start : start + header_bytes], view[start + header_bytes : end]
    if len(text) + len(body) != header_bytes + body_bytes or _digest(at, text, body) != digest:
        raise TornError
    return Found(offset, end - offset, state == LIVE, at, json.loads(text), body)


def scan(view: "mmap.mmap | bytes") -> Iterator[Found]:
    """Every whole record in order, passing over what is torn between them."""
    offset = 0
    while 0 <= offset < len(view):
        try:
            found = decode(view, offset)
        except TornError:
            ahead = (view.find(state, offset + 1) for state in (LIVE, FREED))
            offset = min((place for place in ahead if place >= 0), default=-1)
        else:
            yield found
            offset += found.size


def _digest(at: float, text: bytes, body: bytes) -> bytes:
    lengths = struct.pack(">dII", at, len(text), len(body))
    return hashlib.sha256(lengths + text + body).digest()
