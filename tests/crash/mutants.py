"""Requests made from good ones by breaking them: fields, bytes and headers, by chance of a seed."""

import copy
import json
import random
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qsl, urlencode

from tests.crash.wire import json_bytes
from tests.flow.nasty import ODD, UNREADABLE

GOLDEN = Path(__file__).resolve().parents[1] / "golden"
_VALUES: tuple[object, ...] = (
    *(
        None,
        True,
        False,
        0,
        -1,
        1,
        2**31,
        2**53 + 1,
        2**63,
        -(2**63) - 1,
        10**400,
        0.1,
        1e308,
        -0.0,
    ),
    *("", " ", "0", "a" * 300, "\x00", "\n", "\u202e", "\ud83d\ude00", "é", "'; drop table x; --"),
    *("../../etc", "<b>", "%s%n", "{{7*7}}", "=1+1", "+50255550101", "ana@example.com", "GTQ"),
    *([], {}, [[]], ["a"] * 50, {"a": {"a": {"a": {}}}}, "9" * 5000, "whatsapp", "approved"),
)
_HEADERS: tuple[tuple[bytes, bytes], ...] = (
    (b"content-type", b"text/plain"),
    (b"content-type", b"application/json; charset=utf-16"),
    (b"content-type", b"\xff\xfe"),
    (b"content-type", b""),
    (b"content-encoding", b"gzip"),
    (b"content-length", b"5"),
    (b"content-length", b"-1"),
    (b"content-length", b"9" * 30),
    (b"transfer-encoding", b"chunked"),
    (b"authorization", b"Bearer"),
    (b"authorization", b"Bearer \xe9\xff"),
    (b"x-api-key", b"\xc3\xa9" * 30),
    (b"x-twilio-signature", b"AAAA"),
    (b"x-telegram-bot-api-secret-token", b"\x00"),
    (b"idempotency-key", b"\xff"),
    (b"idempotency-key", b"k" * 300),
    (b"host", b"evil.example"),
    (b"x-forwarded-for", b"1.2.3.4, ::1"),
    (b"user-agent", b"u" * 9000),
    (b"i-twilio-idempotency-token", b"\x80"),
)

_ID = re.compile(rb'("update_id": ?|"external_id":"INV-|"uid": ?"u{6}|SM[0-9a-f]{17})[0-9a-fu]+')


@dataclass(frozen=True, slots=True)
class Aim:
    """An endpoint and the good requests that mutants are made of.

    `prove` gives the headers that let a body in; `place` puts what varies into the path.
    """

    name: str
    method: str
    path: str
    bodies: tuple[bytes, ...]
    prove: Callable[[bytes, str], Mapping[bytes, bytes]]
    is_form: bool = False
    queries: tuple[str, ...] = ("",)


@dataclass(slots=True)
class Mutant:
    """One request to try."""

    method: str
    path: str
    query: bytes
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)
    body: bytes = b""


def golden_bodies(folder: str, begins: str = "") -> tuple[bytes, ...]:
    """The bodies of recorded requests."""
    found = sorted((GOLDEN / folder).glob(f"{begins}*.http"))
    return tuple(path.read_bytes().partition(b"\n\n")[2].strip() for path in found)


def nasty_bodies() -> tuple[bytes, ...]:
    return (*UNREADABLE.values(), *ODD.values())


def mutant(aim: Aim, chance: random.Random) -> Mutant:
    """Make one request: sometimes good, mostly broken in one or a few places."""
    body = _freshen(chance.choice(aim.bodies), chance)
    how = chance.random()
    if how < 0.5:
        body = _break_fields(body, chance, is_form=aim.is_form)
    elif how < 0.75:
        body = _break_bytes(body, chance)
    elif how < 0.8:
        body = chance.randbytes(chance.randint(0, 400))
    query = chance.choice(aim.queries)
    if query and chance.random() < 0.4:
        query = _break_bytes(query.encode(), chance).decode("latin-1")
    headers = dict(aim.prove(body, query))
    if chance.random() < 0.25:
        name, value = chance.choice(_HEADERS)
        headers[name] = value
    if headers and chance.random() < 0.05:
        headers.pop(chance.choice(sorted(headers)))
    method = aim.method if chance.random() < 0.98 else chance.choice(["GET", "PUT", "TRACE", "X"])
    path = (
        aim.path if chance.random() < 0.97 else aim.path + chance.choice(["/", "/..", "%00", "é"])
    )
    return Mutant(method, path, query.encode("latin-1", "replace"), list(headers.items()), body)


def _freshen(body: bytes, chance: random.Random) -> bytes:
    """Put new ids in, or the door would take most requests for repeats."""
    return _ID.sub(lambda found: found[1] + b"%015d" % chance.randrange(10**14, 10**15), body)


def _break_fields(body: bytes, chance: random.Random, *, is_form: bool) -> bytes:
    if is_form:
        fields = dict(parse_qsl(body.decode("latin-1"), keep_blank_values=True))
        for _ in range(chance.randint(1, 3)):
            _break_one(fields, chance)
        texts = {name: "" if value is None else str(value) for name, value in fields.items()}
        return urlencode(texts, errors="surrogatepass").encode()
    try:
        tree = json.loads(body)
    except (ValueError, RecursionError):
        return _break_bytes(body, chance)
    for _ in range(chance.randint(1, 3)):
        _break_one(_somewhere(tree, chance), chance)
    return json_bytes(tree)


def _somewhere(tree: object, chance: random.Random) -> object:
    """The tree itself or a dictionary or list within."""
    while chance.random() < 0.5:
        inner = tree.values() if isinstance(tree, dict) else tree if isinstance(tree, list) else ()
        inside = [each for each in inner if isinstance(each, dict | list)]
        if not inside:
            break
        tree = chance.choice(inside)
    return tree


def _break_one(tree: object, chance: random.Random) -> None:
    value = copy.deepcopy(chance.choice(_VALUES))
    if isinstance(tree, list):
        tree[chance.randint(0, len(tree)) :] = [value]
    if not isinstance(tree, dict) or not tree:
        return
    name = chance.choice(list(tree))
    match chance.randint(0, 3):
        case 0:
            del tree[name]
        case 1:
            tree[f"{name}x"] = value
        case _:
            tree[name] = value


def _break_bytes(body: bytes, chance: random.Random) -> bytes:
    broken = bytearray(body)
    for _ in range(chance.randint(1, 4)):
        at = chance.randint(0, len(broken))
        match chance.randint(0, 3):
            case 0:
                broken[at : at + 1] = chance.randbytes(1)
            case 1:
                broken[at:at] = chance.choice([b"\x00", b"\xff", b"{", b'"', b"\\u", b"[" * 50])
            case 2:
                del broken[at : at + chance.randint(1, 20)]
            case _:
                broken += broken[at : at + 50]
    return bytes(broken)
