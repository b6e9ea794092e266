"""JSON from outside, read without mercy, and written without loss.

Numbers with a fraction become `Decimal` and are written digit by digit, so that no amount ever
passes through a float. What two readers could understand differently is refused.
"""

import json
from collections.abc import Iterable
from decimal import Decimal, DecimalException
from typing import NoReturn, TypeAlias

Json: TypeAlias = "bool | int | Decimal | str | list[Json] | dict[str, Json] | None"

MAX_INT = 2**53
"""Largest integer that every JSON reader understands alike (RFC 8259, section 6)."""

_MAX_NUMBER_CHARS = 64
_MAX_EXPONENT = 308


class JsonError(ValueError):
    """The bytes are not JSON that may be trusted."""


def loads(body: bytes, *, max_depth: int = 32, max_items: int = 1000) -> Json:
    """Read one JSON document.

    Args:
        body: UTF-8 without byte order mark; the caller caps its length.
        max_depth: how many arrays and objects may lie within each other.
        max_items: how many values all arrays and objects may hold together.

    Raises:
        JsonError: not UTF-8, not JSON, too deep, too many items, a name twice in one object,
            NaN or Infinity, an integer beyond 2^53, a number of absurd length or exponent, a
            lone surrogate, or NUL in a string. No other exception leaves here.
    """
    try:
        document: Json = json.loads(
            body.decode("utf-8"),
            object_pairs_hook=_unique,
            parse_constant=_no_constant,
            parse_float=_decimal,
            parse_int=_integer,
        )
    except RecursionError:
        raise JsonError("nested too deeply") from None
    except UnicodeDecodeError:
        raise JsonError("not UTF-8") from None
    except json.JSONDecodeError as error:
        raise JsonError(f"not JSON: {error.msg} at {error.pos}") from None
    _check(document, max_depth, max_items)
    return document


def dumps(document: Json) -> bytes:
    """Write UTF-8 JSON; a `Decimal` keeps all its digits, as 150.00.

    Raises:
        JsonError: a number that is not finite.
    """
    return _text(document).encode("utf-8")


def _unique(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise JsonError("a name appears twice in one object")
    return members


def _no_constant(name: str) -> NoReturn:
    raise JsonError(f"{name} is no JSON number")


def _integer(digits: str) -> int:
    # Length first: turning 5,000 digits into an integer is work the sender should not order.
    if len(digits) > 17 or abs(int(digits)) > MAX_INT:
        raise JsonError("an integer beyond 2^53")
    return int(digits)


def _decimal(digits: str) -> Decimal:
    if len(digits) > _MAX_NUMBER_CHARS:
        raise JsonError("a number with too many digits")
    try:
        number = Decimal(digits)
    except DecimalException:
        raise JsonError("a number out of range") from None
    if abs(number.adjusted()) > _MAX_EXPONENT:
        raise JsonError("a number out of range")
    return number


def _check(document: Json, max_depth: int, max_items: int) -> None:
    pending = [(document, 0)]
    seen = 0
    while pending:
        value, depth = pending.pop()
        if isinstance(value, str):
            _check_text(value)
        elif isinstance(value, list | dict):
            if depth == max_depth:
                raise JsonError("nested too deeply")
            seen += len(value)
            if seen > max_items:
                raise JsonError("too many items")
            pending.extend((inner, depth + 1) for inner in _inner(value))


def _inner(value: "list[Json] | dict[str, Json]") -> Iterable[Json]:
    if isinstance(value, list):
        return value
    return [*value, *value.values()]


def _check_text(text: str) -> None:
    if "\0" in text:
        raise JsonError("NUL in a string")
    if not text.isascii() and any("\ud800" <= char <= "\udfff" for char in text):
        raise JsonError("a lone surrogate in a string")


def _text(value: Json) -> str:
    if isinstance(value, Decimal):
        if not value.is_finite():
            raise JsonError("a number must be finite")
        return str(value)
    if isinstance(value, list):
        return f"[{','.join(map(_text, value))}]"
    if isinstance(value, dict):
        members = (f"{json.dumps(name)}:{_text(inner)}" for name, inner in value.items())
        return f"{{{','.join(members)}}}"
    return json.dumps(value)
