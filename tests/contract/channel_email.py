"""Email as the contract suite sees it."""

from dataclasses import replace

from channels.base import (
    Address,
    ChannelName,
    OutboundMessage,
    Refusal,
    ReplyButton,
    Template,
)
from channels.email import Email
from channels.errors import NotSentError
from tests.contract.channel_case import HTTP_ENDS, Case, clock
from tests.contract.channel_wire import Fault, smtp_wire


def email(port: int) -> Email:
    return Email(f"smtp://127.0.0.1:{port}?tls=off", "Shop <pay@shop.example>", clock=clock)


def text(words: str) -> OutboundMessage:
    return OutboundMessage(Address(ChannelName.EMAIL, "ana@example.com"), words, subject="Cobro")


def _to(value: str) -> OutboundMessage:
    return OutboundMessage(Address(ChannelName.EMAIL, value), "x")


CASES = (
    Case(
        name=ChannelName.EMAIL,
        wire=smtp_wire,
        build=email,
        message=text,
        longest="a" * 100_000,
        # A 4xx to the dot is a plain no: the relay keeps nothing (RFC 5321, 4.2.5).
        ends={**HTTP_ENDS, Fault.FAILED: NotSentError},
        refusal=Refusal.ADDRESS,
        retry_after_s=None,
        secrets=("ana@example.com",),
        # Some mailboxes drop a twin by its Message-ID; no relay promises to.
        shows_key=True,
        unsupported=(
            OutboundMessage(Address(ChannelName.SMS, "+50255551234"), "x"),
            _to("ana"),
            _to("ana@"),
            _to("@example.com"),
            _to("ana@example.com\r\nBcc: eva@example.com"),
            _to("ana@example.com, eva@example.com"),
            _to("Ana <ana@example.com>"),
            _to("señora@example.com"),
            text(""),
            text("lone \ud800"),
            replace(text("x"), subject="a\r\nBcc: eva@example.com"),
            replace(text("x"), subject="a\nb"),
            replace(text("x"), subject="x" * 201),
            replace(text("x"), html="<p>\ud800</p>"),
            replace(text("x"), buttons=(ReplyButton("a", "b"),)),
            replace(text("x"), template=Template("HX", {})),
            replace(text("x"), replaces="<a@b>"),
        ),
    ),
)
