"""What the contract suite must know of one channel: how to build it, and what it looks like."""

from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from channels.base import (
    Channel,
    InboundChannel,
    InboundEvent,
    OutboundMessage,
    RawRequest,
    Refusal,
)
from channels.errors import ChannelError, NotSentError, RejectedError, UncertainError
from tests.contract.channel_wire import Fault, Wire

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
PUBLIC_URL = "https://pay.example"
GOLDEN = Path(__file__).parent.parent / "golden"

HTTP_ENDS: Mapping[Fault, type[ChannelError]] = {
    Fault.REFUSED: RejectedError,
    Fault.THROTTLED: NotSentError,
    Fault.FAILED: UncertainError,
    Fault.GARBAGE: UncertainError,
    Fault.LOST: UncertainError,
    Fault.NO_CONNECTION: NotSentError,
}
"""What becomes of an HTTP exchange."""


def clock() -> datetime:
    """Noon."""
    return NOW


@dataclass(frozen=True)
class Inbound:
    """A channel whose provider calls us.

    `prove` makes a genuine request of a URL, a content type and a body. `golden` maps the files of
    `folder` to what they must be read as. `broken` bodies are genuine but unreadable.
    """

    build: Callable[[], InboundChannel]
    prove: Callable[[str, str, bytes], RawRequest]
    proof_header: str
    covers_body_and_url: bool
    folder: str
    golden: Mapping[str, tuple[InboundEvent, ...]]
    two_of_one_message: tuple[str, str]
    broken: tuple[bytes, ...]
    build_without_secret: Callable[[], object]


@dataclass(frozen=True)
class Case:
    """One channel.

    `build` takes the port of its provider. `message` words a text to an address that the provider
    knows. `longest` fits just so, one more `x` does not. `ends` has one error a fault; none for a
    channel without a provider. `shows_key` is for a key that is on the wire without any promise of
    the provider's.
    """

    name: str
    wire: Callable[[], AbstractAsyncContextManager[Wire]]
    build: Callable[[int], Channel]
    message: Callable[[str], OutboundMessage]
    longest: str
    ends: Mapping[Fault, type[ChannelError]]
    refusal: Refusal | None
    retry_after_s: float | None
    secrets: tuple[str, ...]
    unsupported: tuple[OutboundMessage, ...]
    shows_key: bool = False
    inbound: Inbound | None = None


def golden(folder: str, name: str) -> tuple[str, str, bytes]:
    """A golden request as URL, content type and body; its first line must say its source."""
    text = (GOLDEN / folder / f"{name}.http").read_text("utf-8")
    source, _, rest = text.partition("\n")
    assert source.startswith("# Source: "), f"{name} does not say where it is from"
    head, _, body = rest.partition("\n\n")
    start, *lines = head.splitlines()
    headers = {key.lower(): value for key, _, value in (line.partition(": ") for line in lines)}
    target = start.split()[1]
    return PUBLIC_URL + target, headers["content-type"], body.rstrip("\n").encode()
