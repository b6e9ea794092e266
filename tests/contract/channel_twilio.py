"""WhatsApp and SMS as the contract suite sees them."""

import base64
import hashlib
import hmac
import json
from dataclasses import replace
from urllib.parse import parse_qsl

from channels.base import (
    Address,
    ChannelName,
    DeliveryReport,
    DeliveryState,
    Image,
    InboundEvent,
    InboundMessage,
    OutboundMessage,
    RawRequest,
    Refusal,
    ReplyButton,
    Template,
)
from channels.sms import Sms
from channels.twilio import TwilioAccount
from channels.whatsapp import WhatsApp
from tests.contract.channel_case import HTTP_ENDS, Case, Inbound, clock, golden
from tests.contract.channel_wire import Fault, http_wire

ACCOUNT_SID = "AC00000000000000000000000000000000"
TOKENS = ("new-token-71", "old-token-72")
SID = "SM0123456789abcdef0123456789abcdef"
_OUR_SMS, _OUR_WHATSAPP = "+15005550006", "whatsapp:+14155238886"


def account(port: int = 1, tokens: tuple[str, ...] = TOKENS) -> TwilioAccount:
    return TwilioAccount(ACCOUNT_SID, tokens, f"http://127.0.0.1:{port}/api")


def answer(_: bytes, fault: Fault) -> tuple[int, dict[str, str], bytes]:
    """Speak as Twilio."""
    json_type = {"content-type": "application/json"}
    match fault:
        case Fault.REFUSED:
            return 400, json_type, golden_answer("error-unsubscribed")
        case Fault.THROTTLED:
            body = b'{"code": 20429, "message": "Too Many Requests", "status": 429}'
            return 429, {**json_type, "retry-after": "7"}, body
        case Fault.FAILED:
            return 500, json_type, b'{"code": 20500, "message": "Internal Server Error"}'
        case Fault.GARBAGE:
            return 201, {"content-type": "text/html"}, b"<html>"
        case _:
            return 201, json_type, golden_answer("created")


def golden_answer(name: str) -> bytes:
    """The body of a golden answer."""
    return golden("twilio", name)[2]


def prove(url: str, content_type: str, body: bytes, token: str = TOKENS[0]) -> RawRequest:
    """Sign as Twilio does; written from its documents, not with its SDK."""
    pairs = sorted(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True))
    text = url + "".join(name + value for name, value in pairs)
    digest = hmac.new(token.encode(), text.encode(), hashlib.sha1).digest()
    signature = base64.b64encode(digest).decode()
    return RawRequest(url, {"content-type": content_type, "x-twilio-signature": signature}, body)


def _report(
    status: str, ref: str, code: str = "", refusal: Refusal | None = None
) -> tuple[InboundEvent, ...]:
    report = DeliveryReport(
        event_id=f"{SID}:{status}:{code}",
        provider_id=SID,
        state=DeliveryState(status),
        code=code or None,
        refusal=refusal,
        message_ref=ref,
    )
    return (report,)


_PERSON = Address(ChannelName.WHATSAPP, "+50255551234")
_NO_NUMBER = Address(ChannelName.WHATSAPP, "whatsapp:GT.4566546130240823")

GOLDEN: dict[str, tuple[InboundEvent, ...]] = {
    "status-sent": _report("sent", "17.1"),
    "status-delivered": _report("delivered", "17.1"),
    "status-undelivered": _report("undelivered", "18.2", "30006", Refusal.ADDRESS),
    "status-whatsapp-read": _report("read", "19.1"),
    "status-window-closed": _report("failed", "20.1", "63016", Refusal.TEMPLATE),
    "inbound-sms": (
        InboundMessage(
            event_id=SID,
            sender=Address(ChannelName.SMS, "+50255551234"),
            text="Hola ¿cuánto debo?",
            recipient=_OUR_SMS,
            extra={"NumMedia": "0"},
        ),
    ),
    "inbound-stop": (
        InboundMessage(
            event_id=SID,
            sender=Address(ChannelName.SMS, "+50255551234"),
            text="Stop",
            recipient=_OUR_SMS,
            opt_out="STOP",
            extra={"NumMedia": "0"},
        ),
    ),
    "inbound-whatsapp-tap": (
        InboundMessage(
            event_id=SID,
            sender=_PERSON,
            text="Ya pagué",
            recipient=_OUR_WHATSAPP,
            payload="paid:42",
            replied_to="MM0123456789abcdef0123456789abcdef",
            sender_name="Ana",
            aliases=(_NO_NUMBER,),
            extra={"NumMedia": "0", "MessageType": "interactive", "button_text": "Ya pagué"},
        ),
    ),
    "inbound-whatsapp-no-number": (
        InboundMessage(
            event_id=SID,
            sender=_NO_NUMBER,
            text="Hola",
            recipient=_OUR_WHATSAPP,
            sender_name="Ana",
            extra={"NumMedia": "0", "MessageType": "text"},
        ),
    ),
    "inbound-whatsapp-mexico": (
        InboundMessage(
            event_id=SID,
            sender=Address(ChannelName.WHATSAPP, "+5215512345678"),
            text="",
            recipient=_OUR_WHATSAPP,
            sender_name="Luz",
            extra={
                "NumMedia": "1",
                "MediaUrl0": "https://api.twilio.com/media/ME1",
                "MediaContentType0": "image/jpeg",
                "MessageType": "text",
                "attachment": "photo",
            },
        ),
    ),
    "voice-status": (),
}

_BROKEN = (
    b"",
    b"\xff\xfe",
    b"MessageSid=%FF",
    b"MessageSid=" + SID.encode() + b"&Body=no+addresses&AccountSid=" + ACCOUNT_SID.encode(),
    b"&".join(b"a=1" for _ in range(600)),
)


def _inbound(build: type[WhatsApp] | type[Sms]) -> Inbound:
    def make(tokens: tuple[str, ...] = TOKENS) -> WhatsApp | Sms:
        return build(
            account(tokens=tokens),
            sender="+15005550006",
            messaging_service_sid=None,
            client=None,
            clock=clock,
        )

    return Inbound(
        build=make,
        prove=prove,
        proof_header="x-twilio-signature",
        covers_body_and_url=True,
        folder="twilio",
        golden=GOLDEN,
        two_of_one_message=("status-sent", "status-delivered"),
        broken=_BROKEN,
        build_without_secret=lambda: make(tokens=("",)),
    )


def _whatsapp_text(text: str) -> OutboundMessage:
    return OutboundMessage(
        _PERSON, text, status_url="https://pay.example/webhooks/twilio/status?m=1"
    )


def _sms_text(text: str) -> OutboundMessage:
    return OutboundMessage(Address(ChannelName.SMS, "+50255551234"), text)


def whatsapp(port: int) -> WhatsApp:
    return WhatsApp(
        account(port),
        sender="+14155238886",
        messaging_service_sid=None,
        client=None,
        clock=clock,
    )


def sms(port: int) -> Sms:
    return Sms(account(port), sender=_OUR_SMS, messaging_service_sid=None, client=None, clock=clock)


_TEMPLATE = Template("HX" + "0" * 32, {"1": "Ana"})
_IMAGE = Image(b"png", "qr.png")

CASES = (
    Case(
        name=ChannelName.WHATSAPP,
        wire=lambda: http_wire(answer),
        build=whatsapp,
        message=_whatsapp_text,
        longest="á" * 1600,
        ends=HTTP_ENDS,
        refusal=Refusal.OPTED_OUT,
        retry_after_s=7.0,
        secrets=(*TOKENS, "50255551234"),
        unsupported=(
            OutboundMessage(Address(ChannelName.SMS, "+50255551234"), "x"),
            OutboundMessage(Address(ChannelName.WHATSAPP, "50255551234"), "x"),
            OutboundMessage(Address(ChannelName.WHATSAPP, "whatsapp:gt.1"), "x"),
            OutboundMessage(_PERSON, ""),
            OutboundMessage(_PERSON, "lone \ud800"),
            OutboundMessage(_PERSON, "nul \0"),
            OutboundMessage(_PERSON, "x", buttons=(ReplyButton("a", "b"),)),
            OutboundMessage(_PERSON, "x", image=_IMAGE),
            OutboundMessage(_PERSON, "x", replaces=SID),
            OutboundMessage(_PERSON, "x", template=replace(_TEMPLATE, content_sid="HX1")),
            OutboundMessage(_PERSON, "x", template=replace(_TEMPLATE, variables={"1": " \n "})),
            OutboundMessage(_PERSON, "x", template=replace(_TEMPLATE, variables={"1": "\ud800"})),
            OutboundMessage(_PERSON, "x", template=replace(_TEMPLATE, variables={"1": "x" * 1601})),
        ),
        inbound=_inbound(WhatsApp),
    ),
    Case(
        name=ChannelName.SMS,
        wire=lambda: http_wire(answer),
        build=sms,
        message=_sms_text,
        longest="€" * 800,
        ends=HTTP_ENDS,
        refusal=Refusal.OPTED_OUT,
        retry_after_s=7.0,
        secrets=(*TOKENS, "50255551234"),
        unsupported=(
            OutboundMessage(_PERSON, "x"),
            OutboundMessage(Address(ChannelName.SMS, "50255551234"), "x"),
            OutboundMessage(Address(ChannelName.SMS, "+50255551234\n"), "x"),
            _sms_text("\ufe0f"),
            replace(_sms_text("x"), buttons=(ReplyButton("a", "b"),)),
            replace(_sms_text("x"), image=_IMAGE),
            replace(_sms_text("x"), template=_TEMPLATE),
            replace(_sms_text("x"), replaces=SID),
        ),
        inbound=_inbound(Sms),
    ),
)


def created(**fields: object) -> bytes:
    """The golden answer with other fields."""
    return json.dumps({**json.loads(golden_answer("created")), **fields}).encode()
