"""How a message becomes a mail, and how the relay is spoken to."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from email import message_from_bytes, policy
from email.message import EmailMessage

import pytest

from channels.base import Address, ChannelName, File, Image, OutboundMessage, Refusal
from channels.email import Email
from channels.email.mime import Writer
from channels.email.relay import CONNECTIONS
from channels.errors import ChannelError, NotSentError, RejectedError, UncertainError
from tests.contract.channel_case import NOW, clock
from tests.contract.channel_wire import closed_port
from tests.services import eventually

LINK = "https://sandbox.migopayments.com/?orderId=" + "7JV3UKvc2XEretWV2Rb57" * 4
MESSAGE = OutboundMessage(
    Address(ChannelName.EMAIL, "ana@example.com"),
    f"¿Pagás aquí?\n.\n..dots\n{LINK}\n",
    subject="Cobro de 150.00 – Ñandú",
    html=f'<p>Pagá</p><img src="cid:qr"><a href="{LINK}">{LINK}</a>',
    image=Image(b"\x89PNG\r\n\x1a\n.\r\n", "qr.png"),
)


def parsed(content: bytes) -> EmailMessage:
    mail = message_from_bytes(content, policy=policy.default)
    assert isinstance(mail, EmailMessage)
    return mail


def write(message: OutboundMessage = MESSAGE, key: str = "k") -> EmailMessage:
    return parsed(Writer("Tienda Ñ <pay@shop.example>").write(message, key=key, at=NOW).content)


def part(mail: EmailMessage, kind: str) -> EmailMessage:
    (found,) = (each for each in mail.walk() if each.get_content_type() == kind)
    assert isinstance(found, EmailMessage)
    return found


def lines(mail: EmailMessage) -> list[str]:
    content: str = mail.get_content()
    return content.splitlines()


def test_the_headers_are_complete() -> None:
    mail = write()
    assert mail["From"] == "Tienda Ñ <pay@shop.example>"
    assert mail["To"] == "ana@example.com"
    assert mail["Reply-To"] == "pay@shop.example"
    assert mail["Subject"] == "Cobro de 150.00 – Ñandú"
    assert mail["Date"].datetime == NOW
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail["Message-ID"].endswith("@shop.example>")


def test_text_html_and_picture_say_the_same_to_every_reader() -> None:
    mail = write()
    assert mail.get_content_type() == "multipart/alternative"
    assert lines(part(mail, "text/plain")) == MESSAGE.text.splitlines()
    assert LINK in part(mail, "text/html").get_content()
    picture = part(mail, "image/png")
    assert picture["Content-ID"] == "<qr>"
    assert picture.get_content_disposition() == "inline"
    assert picture.get_content() == b"\x89PNG\r\n\x1a\n.\r\n"


def test_without_html_the_picture_is_attached() -> None:
    mail = write(replace(MESSAGE, html=None))
    assert mail.get_content_type() == "multipart/mixed"
    assert part(mail, "image/png").get_content_disposition() == "attachment"
    assert lines(part(mail, "text/plain")) == MESSAGE.text.splitlines()


def test_what_travels_is_seven_bits_in_short_lines() -> None:
    content = Writer("pay@shop.example").write(MESSAGE, key="k", at=NOW).content
    assert content.isascii()
    assert max(map(len, content.split(b"\r\n"))) <= 998
    assert b"\n" not in content.replace(b"\r\n", b"")


def test_text_that_is_a_boundary_of_the_same_mail_ends_nothing() -> None:
    boundary = write().get_boundary()
    assert boundary is not None
    text = f"before\n--{boundary}\n\n--{boundary}--\nafter"
    mail = write(replace(MESSAGE, text=text))
    assert mail.get_boundary() == boundary
    assert lines(part(mail, "text/plain")) == text.splitlines()
    assert part(mail, "image/png").get_content().startswith(b"\x89PNG")


def test_one_key_one_message_id() -> None:
    first, again, other = write(key="a"), write(replace(MESSAGE, subject="x"), key="a"), write()
    assert first["Message-ID"] == again["Message-ID"] != other["Message-ID"]


def test_a_domain_of_other_letters_is_written_as_in_the_dns() -> None:
    to = Address(ChannelName.EMAIL, "ana@ñandú.example")
    mail = Writer("pay@shop.example").write(replace(MESSAGE, to=to), key="k", at=NOW)
    assert mail.recipient == "ana@xn--and-6ma2c.example"


def test_without_a_subject_the_first_line_serves() -> None:
    assert write(replace(MESSAGE, subject=None))["Subject"] == "¿Pagás aquí?"


Reply = Callable[[bytes], bytes | None]


_USUAL = {b"EHLO": b"250-relay.example\r\n250 SIZE 1000\r\n", b"QUIT": b"221 bye\r\n"}


class Relay:
    """A relay that answers what it is told; replies are by verb, None hangs up."""

    def __init__(self) -> None:
        self.replies: dict[bytes, bytes | None] = {}
        self.once: dict[bytes, bytes] = {}
        self.greeting = b"220 relay.example\r\n"
        self.connections = 0
        self.mails: list[bytes] = []
        self.verbs: list[bytes] = []
        self.writers: set[asyncio.StreamWriter] = set()
        self.most_at_once = 0
        self.gate = asyncio.Event()
        self.gate.set()
        self.port = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._busy = 0

    async def take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.writers.add(writer)
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            writer.write(self.greeting)
            while await self._answer(reader, writer):
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        self.writers.discard(writer)
        writer.close()
        self._tasks.discard(task)

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        line = await reader.readuntil(b"\r\n")
        verb = line.split()[0].upper()
        self.verbs.append(verb)
        if verb == b"DATA" and b"DATA" not in self.replies:
            writer.write(b"354 go on\r\n")
            self.mails.append(await reader.readuntil(b"\r\n.\r\n"))
            verb = b"."
            self._busy += 1
            self.most_at_once = max(self.most_at_once, self._busy)
            await self.gate.wait()
            self._busy -= 1
        reply = self.once.pop(verb, self.replies.get(verb, _USUAL.get(verb, b"250 2.0.0 ok\r\n")))
        if reply is not None:
            writer.write(reply)
        return reply is not None and verb != b"QUIT"

    def hang_up(self) -> None:
        """Close every connection, as an idle time-out does."""
        for writer in self.writers:
            writer.close()

    async def close(self) -> None:
        """Leave nothing open."""
        self.gate.set()
        for writer in list(self.writers):
            writer.transport.abort()
        await asyncio.gather(*self._tasks)


@asynccontextmanager
async def at_work(query: str = "?tls=off", user: str = "") -> AsyncIterator[tuple[Email, Relay]]:
    relay = Relay()
    listener = await asyncio.start_server(relay.take, "127.0.0.1", 0)
    relay.port = listener.sockets[0].getsockname()[1]
    email = Email(f"smtp://{user}127.0.0.1:{relay.port}{query}", "pay@shop.example", clock=clock)
    try:
        yield email, relay
    finally:
        await email.aclose()
        listener.close()
        await relay.close()


async def test_connections_are_kept_and_mails_go_side_by_side() -> None:
    async with at_work() as (email, relay):
        relay.gate.clear()
        sends = [
            asyncio.create_task(email.send(MESSAGE, idempotency_key=str(number)))
            for number in range(3 * CONNECTIONS)
        ]
        await eventually(lambda: len(relay.mails) == CONNECTIONS)
        relay.gate.set()
        await asyncio.gather(*sends)
        assert (relay.connections, relay.most_at_once) == (CONNECTIONS, CONNECTIONS)
        assert len(relay.mails) == 3 * CONNECTIONS


async def test_dots_survive() -> None:
    async with at_work() as (email, relay):
        await email.send(replace(MESSAGE, html=None, image=None), idempotency_key="k")
    text = parsed(relay.mails[0].removesuffix(b".\r\n").replace(b"\r\n..", b"\r\n."))
    assert lines(text) == MESSAGE.text.splitlines()


async def test_a_connection_that_went_stale_is_no_news() -> None:
    async with at_work() as (email, relay):
        await email.send(MESSAGE, idempotency_key="1")
        relay.hang_up()
        await eventually(lambda: not relay.writers)
        await email.send(MESSAGE, idempotency_key="2")
        assert (relay.connections, len(relay.mails)) == (2, 2)


async def test_a_kept_connection_that_takes_no_more_is_replaced() -> None:
    async with at_work() as (email, relay):
        await email.send(MESSAGE, idempotency_key="1")
        relay.once[b"MAIL"] = b"421 4.4.2 too long idle\r\n"
        await email.send(MESSAGE, idempotency_key="2")
        assert relay.verbs.count(b"MAIL") == 3
        assert (relay.connections, len(relay.mails)) == (2, 2)


@pytest.mark.parametrize(
    ("verb", "reply", "error", "refusal"),
    [
        (b"MAIL", b"450 4.3.2 later\r\n", NotSentError, None),
        (b"MAIL", b"550 5.7.1 not your sender\r\n", RejectedError, Refusal.CONFIG),
        (b"MAIL", b"530 5.7.0 authenticate\r\n", RejectedError, Refusal.CONFIG),
        (b"MAIL", None, NotSentError, None),
        (b"MAIL", b"banana\r\n", NotSentError, None),
        (b"RCPT", b"450 4.2.1 busy\r\n", NotSentError, None),
        (b"RCPT", b"454 Throttling failure\r\n", NotSentError, None),
        (b"RCPT", b"550 5.1.1 no such user\r\n", RejectedError, Refusal.ADDRESS),
        (b"RCPT", b"550 no such user\r\n", RejectedError, Refusal.ADDRESS),
        (b"RCPT", b"552 5.2.2 mailbox full\r\n", RejectedError, Refusal.ADDRESS),
        (b"RCPT", b"550 5.7.1 relaying denied\r\n", RejectedError, Refusal.CONFIG),
        (b"RCPT", b"550 5.7.1 spam\r\n", RejectedError, Refusal.CONTENT),
        (b"RCPT", b"530 5.7.0 authenticate\r\n", RejectedError, Refusal.CONFIG),
        (b"RCPT", None, NotSentError, None),
        (b"DATA", b"451 4.3.0 later\r\n", NotSentError, None),
        (b"DATA", b"554 5.6.0 no\r\n", RejectedError, Refusal.CONTENT),
        (b"DATA", None, UncertainError, None),
        (b".", b"451 4.3.0 later\r\n", NotSentError, None),
        (b".", b"554 5.7.1 spam\r\n", RejectedError, Refusal.CONTENT),
        (b".", b"550 5.1.1 no such user\r\n", RejectedError, Refusal.ADDRESS),
        (b".", b"banana\r\n", UncertainError, None),
        (b".", b"299 perhaps\r\n", UncertainError, None),
        (b".", None, UncertainError, None),
    ],
)
async def test_each_reply_has_its_end_and_nothing_is_sent_twice(
    verb: bytes, reply: bytes | None, error: type[ChannelError], refusal: Refusal | None
) -> None:
    async with at_work() as (email, relay):
        relay.replies[verb] = reply
        with pytest.raises(error) as caught:
            await email.send(MESSAGE, idempotency_key="k")
        assert type(caught.value) is error
        assert getattr(caught.value, "refusal", None) is refusal
        assert caught.value.__cause__ is None
        assert relay.verbs.count(b"MAIL") == 1
        relay.replies.clear()
        await email.send(MESSAGE, idempotency_key="k")


async def test_a_refused_mail_leaves_the_connection_in_use() -> None:
    async with at_work() as (email, relay):
        relay.replies[b"RCPT"] = b"550 5.1.1 no such user\r\n"
        with pytest.raises(RejectedError):
            await email.send(MESSAGE, idempotency_key="1")
        relay.replies.clear()
        await email.send(MESSAGE, idempotency_key="2")
        assert relay.connections == 1


async def test_a_busy_greeting_is_surely_not_sent() -> None:
    async with at_work() as (email, relay):
        relay.greeting = b"421 4.3.2 too many connections\r\n"
        with pytest.raises(NotSentError) as caught:
            await email.send(MESSAGE, idempotency_key="k")
        assert caught.value.code == "421"


async def test_no_mail_leaves_in_the_clear_where_tls_is_wanted() -> None:
    async with at_work(query="") as (email, relay):
        with pytest.raises(RejectedError) as caught:
            await email.send(MESSAGE, idempotency_key="k")
        assert caught.value.refusal is Refusal.CONFIG
        assert b"MAIL" not in relay.verbs


async def test_a_login_that_is_refused_is_for_staff() -> None:
    async with at_work(user="user:p%40ss@") as (email, relay):
        relay.replies[b"EHLO"] = b"250-relay.example\r\n250 AUTH PLAIN\r\n"
        relay.replies[b"AUTH"] = b"535 5.7.8 no\r\n"
        with pytest.raises(RejectedError) as caught:
            await email.send(MESSAGE, idempotency_key="k")
        assert caught.value.refusal is Refusal.CONFIG
        relay.replies[b"AUTH"] = b"454 4.7.0 later\r\n"
        with pytest.raises(NotSentError):
            await email.send(MESSAGE, idempotency_key="k")
        relay.replies[b"AUTH"] = b"235 2.7.0 ok\r\n"
        await email.send(MESSAGE, idempotency_key="k")


async def test_cancelling_closes_the_connection_and_frees_its_place() -> None:
    async with at_work() as (email, relay):
        relay.gate.clear()
        sends = [
            asyncio.create_task(email.send(MESSAGE, idempotency_key=str(number)))
            for number in range(CONNECTIONS)
        ]
        await eventually(lambda: len(relay.mails) == CONNECTIONS)
        for task in sends:
            task.cancel()
        ends = await asyncio.gather(*sends, return_exceptions=True)
        assert all(isinstance(end, asyncio.CancelledError) for end in ends)
        relay.gate.set()
        await email.send(MESSAGE, idempotency_key="k")
        assert relay.connections == CONNECTIONS + 1
        await eventually(lambda: len(relay.writers) == 1)


async def test_where_every_connection_is_busy_it_is_surely_not_sent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with at_work() as (email, relay):
        relay.gate.clear()
        sends = [
            asyncio.create_task(email.send(MESSAGE, idempotency_key=str(number)))
            for number in range(CONNECTIONS)
        ]
        await eventually(lambda: len(relay.mails) == CONNECTIONS)
        monkeypatch.setattr("channels.email.relay.PLACE_TIMEOUT_S", 0.02)
        with pytest.raises(NotSentError, match="busy"):
            await email.send(MESSAGE, idempotency_key="k")
        relay.gate.set()
        await asyncio.gather(*sends)
        await email.send(MESSAGE, idempotency_key="k")
        assert len(relay.mails) == CONNECTIONS + 1


async def test_goodbye_is_said() -> None:
    async with at_work() as (email, relay):
        await email.send(MESSAGE, idempotency_key="k")
        await email.aclose()
        await eventually(lambda: relay.verbs[-1] == b"QUIT")


async def test_a_relay_that_is_not_there_is_surely_not_sent() -> None:
    for scheme in ("smtp", "smtps"):
        url = f"{scheme}://127.0.0.1:{closed_port()}"
        email = Email(url, "pay@shop.example", clock=clock)
        with pytest.raises(NotSentError):
            await email.send(MESSAGE, idempotency_key="k")


@pytest.mark.parametrize("sender", ["", "nobody", "a@b@c", "Señor <señor@example.com>"])
def test_a_sender_must_be_an_address(sender: str) -> None:
    with pytest.raises(ValueError, match="address"):
        Email("smtp://127.0.0.1", sender, clock=clock)


def test_a_file_is_attached_beside_whatever_else_there_is() -> None:
    mail = write(replace(MESSAGE, file=File(b"fila;motivo\r\n", "errores de año.csv")))
    [attached] = mail.iter_attachments()
    assert attached.get_filename() == "errores de año.csv"
    assert attached.get_content() == b"fila;motivo\r\n"
