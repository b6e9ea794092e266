"""The memory channel as the contract suite sees it: nothing can go wrong with its provider."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime

from channels.base import Accepted, Address, ChannelName, OutboundMessage
from channels.memory import Memory
from tests.contract.channel_case import Case, clock
from tests.contract.channel_wire import Wire

_wires: list[Wire] = []


class Watched(Memory):
    """Tells the wire of each message that it did not know yet."""

    async def send(self, message: OutboundMessage, *, idempotency_key: str) -> Accepted:
        known = len(self.sent)
        accepted = await super().send(message, idempotency_key=idempotency_key)
        if len(self.sent) > known:
            _wires[-1].took(f"{idempotency_key}\n{message.text}".encode())
        return accepted


@asynccontextmanager
async def wire() -> AsyncIterator[Wire]:
    _wires.append(Wire())
    yield _wires[-1]
    _wires.pop()


def at(_: int) -> Memory:
    now: datetime = clock()
    return Watched(clock=lambda: now)


def text(words: str) -> OutboundMessage:
    return OutboundMessage(Address(ChannelName.WHATSAPP, "+50255551234"), words)


CASES = (
    Case(
        name="memory",
        wire=wire,
        build=at,
        message=text,
        longest="x" * 1600,
        ends={},
        refusal=None,
        retry_after_s=None,
        secrets=("50255551234",),
        unsupported=(
            text(""),
            OutboundMessage(Address(ChannelName.SMS, "+50255551234"), "x"),
        ),
    ),
)
