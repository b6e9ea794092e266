"""Telegram as the contract suite sees it."""

import json
from dataclasses import replace
from datetime import UTC, datetime

from channels.base import (
    Address,
    ChannelName,
    ContactButton,
    Image,
    InboundEvent,
    InboundMessage,
    OutboundMessage,
    RawRequest,
    ReachChange,
    Refusal,
    ReplyButton,
    SharedContact,
    Template,
    UrlButton,
)
from channels.telegram import Telegram
from tests.contract.channel_case import HTTP_ENDS, Case, Inbound, clock
from tests.contract.channel_wire import Fault, http_wire

TOKEN = "42:TEST-token-of-a-bot"
SECRET = "webhook-secret-73"
CHAT_ID = "987654321"


def answer(call: bytes, fault: Fault) -> tuple[int, dict[str, str], bytes]:
    """Speak as the Bot API."""
    match fault:
        case Fault.REFUSED:
            return refused(403, "Forbidden: bot was blocked by the user")
        case Fault.THROTTLED:
            return refused(429, "Too Many Requests: retry after 7", retry_after=7)
        case Fault.FAILED:
            return 502, {"content-type": "text/html"}, b"<html>Bad Gateway</html>"
        case Fault.GARBAGE:
            return 200, {"content-type": "text/html"}, b"<html>"
        case _:
            return sent()


def sent(message_id: int = 5) -> tuple[int, dict[str, str], bytes]:
    """The answer to a message."""
    chat = {"id": int(CHAT_ID), "type": "private", "first_name": "Ana"}
    result = {"message_id": message_id, "date": 1795435200, "chat": chat, "text": "x"}
    return done(result)


def done(result: object) -> tuple[int, dict[str, str], bytes]:
    """Any answer that is a yes."""
    body = json.dumps({"ok": True, "result": result}).encode()
    return 200, {"content-type": "application/json"}, body


def refused(status: int, description: str, **parameters: int) -> tuple[int, dict[str, str], bytes]:
    """Any answer that is a no."""
    body: dict[str, object] = {"ok": False, "error_code": status, "description": description}
    if parameters:
        body["parameters"] = parameters
    return status, {"content-type": "application/json"}, json.dumps(body).encode()


def telegram(port: int = 1, secret: str | None = SECRET) -> Telegram:
    url = f"http://127.0.0.1:{port}/"
    return Telegram(TOKEN, api_url=url, webhook_secret=secret, clock=clock)


def text(words: str) -> OutboundMessage:
    return OutboundMessage(Address(ChannelName.TELEGRAM, CHAT_ID), words)


def prove(url: str, content_type: str, body: bytes) -> RawRequest:
    """Call as Telegram does."""
    proof = {"content-type": content_type, "x-telegram-bot-api-secret-token": SECRET}
    return RawRequest(url, proof, body)


_AT = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
_ANA = Address(ChannelName.TELEGRAM, "111")
_SPOKEN = {"language_code": "es"}
_WROTE = InboundMessage(
    event_id="900001",
    sender=_ANA,
    text="Hola",
    at=_AT,
    sender_name="Ana",
    user_id="111",
    extra=_SPOKEN,
)

GOLDEN: dict[str, tuple[InboundEvent, ...]] = {
    "message": (_WROTE,),
    "start": (replace(_WROTE, event_id="900002", text="/start abc_123-X"),),
    "tap": (
        replace(
            _WROTE,
            event_id="900003",
            text="",
            at=None,
            payload="confirm:7",
            extra={},
            tap_id="4382bfdwdsb323b2d9",
            replied_to="111:4",
        ),
    ),
    "tap-old": (
        replace(
            _WROTE,
            event_id="900004",
            text="",
            at=None,
            payload="x",
            extra={},
            tap_id="77",
            replied_to="111:3",
        ),
    ),
    "contact-own": (
        replace(
            _WROTE,
            event_id="900005",
            text="",
            replied_to="111:7",
            contact=SharedContact("+50255551234", is_own=True),
        ),
    ),
    "contact-other": (
        replace(
            _WROTE,
            event_id="900006",
            text="",
            contact=SharedContact("+50255559999", is_own=False),
        ),
    ),
    "blocked": (ReachChange("900007", _ANA, is_reachable=False, at=_AT),),
    "back": (ReachChange("900008", _ANA, is_reachable=True, at=_AT),),
    "document": (
        replace(
            _WROTE,
            event_id="900009",
            text="cobros",
            extra={
                **_SPOKEN,
                "file_id": "BQAC",
                "file_name": "cobros.csv",
                "mime_type": "text/csv",
                "size": "321",
                "attachment": "document",
            },
        ),
    ),
    "forwarded": (),
    "group": (),
    "edited": (),
    "channel-post": (),
    "from-bot": (),
}

_BROKEN = (
    b"",
    b"\xff",
    b"null",
    b"[]",
    b"{",
    b"[" * 100_000,
    b'{"update_id": true}',
    b'{"update_id": "1"}',
    b'{"update_id": 1, "message": 5}',
    b'{"update_id": 1, "message": {"chat": {"id": 1, "type": "private"}, "from": {}}}',
    b'{"update_id": 1, "message": {"chat": {"id": "1", "type": "private"}}}',
    b'{"update_id": 1, "message": {"chat": {"id": 1, "type": "private"}, "from": {"id": 1},'
    b' "text": 7}}',
    b'{"update_id": 1, "message": {"chat": {"id": 1, "type": "private"}, "from": {"id": 1},'
    b' "date": 99999999999999999}}',
    b'{"update_id": 1, "callback_query": {"id": "1"}}',
    b'{"update_id": 1, "my_chat_member": {}}',
)

CASES = (
    Case(
        name=ChannelName.TELEGRAM,
        wire=lambda: http_wire(answer),
        build=telegram,
        message=text,
        longest="a" * 4096,
        ends=HTTP_ENDS,
        refusal=Refusal.OPTED_OUT,
        retry_after_s=7.0,
        secrets=(TOKEN, SECRET, CHAT_ID),
        unsupported=(
            OutboundMessage(Address(ChannelName.SMS, "+50255551234"), "x"),
            OutboundMessage(Address(ChannelName.TELEGRAM, "@ana"), "x"),
            OutboundMessage(Address(ChannelName.TELEGRAM, "٣"), "x"),
            text(" "),
            text("lone \ud800"),
            text("😀" * 2049),
            replace(text("x" * 1025), image=Image(b"png", "qr.png")),
            replace(text("x"), template=Template("HX", {})),
            replace(text("x"), buttons=(ReplyButton("a", "ñ" * 33),)),
            replace(text("x"), buttons=(ReplyButton("a", ""),)),
            replace(text("x"), buttons=(ContactButton("a"), UrlButton("b", "https://x.example"))),
            replace(text("x"), replaces="nonsense"),
            replace(text("x"), replaces=f"{CHAT_ID}:5", image=Image(b"png", "qr.png")),
            replace(text("x"), replaces=f"{CHAT_ID}:5", buttons=(ContactButton("a"),)),
        ),
        inbound=Inbound(
            build=telegram,
            prove=prove,
            proof_header="x-telegram-bot-api-secret-token",
            covers_body_and_url=False,
            folder="telegram",
            golden=GOLDEN,
            two_of_one_message=("message", "tap"),
            broken=_BROKEN,
            build_without_secret=lambda: telegram(secret=""),
        ),
    ),
)
