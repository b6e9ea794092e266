"""JSON from outside, read without mercy, and written without loss.

Numbers with a fraction become `Decimal` and are written digit by digit, so that no amount ever
passes through a float. What two readers could understand differently is refused: everywhere in a
document that is ours to define, in the members that are read in one that may hold more.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal, DecimalException
from typing import Any, NoReturn, TypeAlias

Json: TypeAlias = "bool | int | Decimal | str | list[Json] | dict[str, Json] | None"

MAX_INT = 2**53
"""Largest integer that every JSON reader understands alike (RFC 8259, section 6)."""

_MAX_NUMBER_CHARS = 64
_MAX_EXPONENT = 308


class JsonError(ValueError):
    """The bytes are not JSON that may be trusted."""


@dataclass(frozen=True, slots=True)
class Doubt:
    """A value that two readers could understand differently, and why."""

    why: str


@dataclass(frozen=True, slots=True)
class Members:
    """An object of which only some members are read; what is wrong with the others hurts nobody."""

    values: "Mapping[str, Json | Members | list[object] | Doubt]"

    def read(self, name: str) -> Json:
        """A member's value; None for one that is missing, an object or a list.

        Raises:
            JsonError: it may not be trusted.
        """
        value = self.values.get(name)
        if isinstance(value, Doubt):
            raise JsonError(f"{value.why}, in {name}")
        return None if isinstance(value, Members | list | dict) else value

    def inner(self, name: str) -> "Members":
        """The members of a member; none where it is no object."""
        value = self.values.get(name)
        return value if isinstance(value, Members) else Members({})


def skim(body: bytes, *, max_depth: int = 32, max_items: int = 1000) -> Members:
    """Read one JSON object in which whoever writes it may put more than we know.

    Args:
        body: UTF-8 without byte order mark; the caller caps its length.
        max_depth: how many arrays and objects may lie within each other.
        max_items: how many values all arrays and objects may hold together.

    Raises:
        JsonError: not JSON, no object, too deep or too many items. A member that `loads` would
            refuse raises only when it is read. No other exception leaves here.
    """
    # Bytes that are no UTF-8 become lone surrogates, and so a doubt about one text alone.
    document = _parse(
        body.decode("utf-8", "surrogateescape"),
        object_pairs_hook=_members,
        parse_constant=lambda name: Doubt(f"{name} is no JSON number"),
        parse_float=lambda digits: _or_doubt(_decimal, digits),
        parse_int=lambda digits: _or_doubt(_integer, digits),
        strict=False,
    )
    if not isinstance(document, Members):
        raise JsonError("not a JSON object")
    _measure(document, max_depth, max_items)
    return document


def _or_doubt(read: Callable[[str], Json], digits: str) -> "Json | Doubt":
    try:
        return read(digits)
    except JsonError as error:
        return Doubt(str(error))


def _members(pairs: list[tuple[str, Any]]) -> Members:
    values: dict[str, Any] = {}
    for name, value in pairs:
        why = "a name appears twice in one object" if name in values else _why_doubtful(value)
        values[name] = value if why is None else Doubt(why)
    return Members(values)


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
        text = body.decode("utf-8")
    except UnicodeDecodeError:
        raise JsonError("not UTF-8") from None
    document: Json = _parse(
        text,
        object_pairs_hook=_unique,
        parse_constant=_no_constant,
        parse_float=_decimal,
        parse_int=_integer,
    )
    for value in _measure(document, max_depth, max_items):
        if (why := _why_doubtful(value)) is not None:
            raise JsonError(why)
    return document


def _parse(text: str, **how: Any) -> Any:
    try:
        return json.loads(text, **how)
    except RecursionError:
        raise JsonError("nested too deeply") from None
    except json.JSONDecodeError as error:
        raise JsonError(f"not JSON: {error.msg} at {error.pos}") from None


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


def _measure(document: object, max_depth: int, max_items: int) -> list[object]:
    """Everything in a document, names included, if it is neither too deep nor too long."""
    pending, found = [(document, 0)], []
    seen = 0
    while pending:
        value, depth = pending.pop()
        found.append(value)
        if isinstance(value, list | dict | Members):
            inner = _inner(value)
            if depth == max_depth:
                raise JsonError("nested too deeply")
            seen += len(value) if isinstance(value, list) else len(inner) // 2
            if seen > max_items:
                raise JsonError("too many items")
            pending.extend((each, depth + 1) for each in inner)
    return found


def _inner(value: "list[Any] | dict[str, Any] | Members") -> list[object]:
    if isinstance(value, list):
        return value
    members = value.values if isinstance(value, Members) else value
    return [*members, *members.values()]


def _why_doubtful(value: object) -> str | None:
    if not isinstance(value, str):
        return value.why if isinstance(value, Doubt) else None
    if "\0" in value:
        return "NUL in a string"
    if not value.isascii() and any("\ud800" <= char <= "\udfff" for char in value):
        return "a lone surrogate in a string"
    return None


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
