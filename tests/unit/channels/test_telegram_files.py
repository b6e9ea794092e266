"""Files to and from a Telegram chat: what leaves as a document, and how one is fetched."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from channels.base import File, Image, InboundMessage, OutboundMessage, Refusal
from channels.errors import NotSentError, RejectedError, UncertainError, UnsupportedError
from channels.telegram import Telegram
from channels.telegram.files import MAX_BYTES
from channels.telegram.updates import parse_update
from tests.contract.channel_telegram import CHAT_ID, TOKEN, done, refused, sent, telegram, text
from tests.contract.channel_wire import Fault, http_wire

Answer = tuple[int, dict[str, str], bytes]
CSV = File(b"\xef\xbb\xbffila;motivo\r\n", "errores.csv")


class FileServer:
    """A Bot API that has one file; keeps the paths that were asked for."""

    def __init__(self, content: bytes = b"a;b\n", path: object = "documents/file_1.csv") -> None:
        self.where: Answer = done({"file_id": "F1", "file_path": path})
        self.file: Answer = (200, {"content-type": "application/octet-stream"}, content)
        self.paths: list[str] = []

    def __call__(self, call: bytes, _: Fault) -> Answer:
        path = call.split()[1].decode()
        self.paths.append(path.replace(TOKEN, "T"))
        return self.where if path.endswith("/getFile") else self.file


@asynccontextmanager
async def serving(server: FileServer) -> AsyncIterator[Telegram]:
    async with http_wire(server) as wire:
        channel = telegram(wire.port)
        try:
            yield channel
        finally:
            await channel.aclose()


async def test_a_file_is_found_and_read() -> None:
    server = FileServer(b"x" * MAX_BYTES)
    async with serving(server) as channel:
        assert await channel.fetch_file("F1") == b"x" * MAX_BYTES
    assert server.paths == ["/botT/getFile", "/file/botT/documents/file_1.csv"]


async def test_what_is_too_large_is_not_read_to_its_end() -> None:
    async with serving(FileServer(b"x" * (MAX_BYTES + 1))) as channel:
        with pytest.raises(RejectedError) as caught:
            await channel.fetch_file("F1")
    assert (caught.value.code, caught.value.refusal) == ("413", Refusal.CONTENT)


@pytest.mark.parametrize(
    "path",
    ["https://evil.example/x", "//evil.example/x", "../../etc/passwd", "a/../b", "", None, "a?b=c"],
)
async def test_a_path_that_leads_elsewhere_is_not_followed(path: object) -> None:
    server = FileServer(path=path)
    async with serving(server) as channel:
        with pytest.raises(UncertainError):
            await channel.fetch_file("F1")
    assert server.paths == ["/botT/getFile"]


async def test_a_file_id_of_other_letters_is_not_asked_for() -> None:
    server = FileServer()
    async with serving(server) as channel:
        with pytest.raises(RejectedError):
            await channel.fetch_file("../getMe")
    assert server.paths == []


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        (refused(400, "Bad Request: invalid file_id"), RejectedError),
        (refused(429, "Too Many Requests", retry_after=3), NotSentError),
        ((502, {}, b"<html>"), UncertainError),
        ((200, {}, b"<html>"), UncertainError),
        (done([]), UncertainError),
    ],
)
async def test_each_answer_has_its_end(where: Answer, expected: type[Exception]) -> None:
    server = FileServer()
    server.where = where
    async with serving(server) as channel:
        with pytest.raises(expected):
            await channel.fetch_file("F1")


async def test_a_document_bears_the_text_and_the_buttons() -> None:
    calls: list[bytes] = []

    def take(call: bytes, _: Fault) -> Answer:
        calls.append(call)
        return sent()

    async with http_wire(take) as wire:
        channel = telegram(wire.port)
        message = replace(text("3 filas con error"), file=CSV)
        accepted = await channel.send(message, idempotency_key="k")
        await channel.aclose()
    assert accepted.provider_id == f"{CHAT_ID}:5"
    assert b"/sendDocument" in calls[0]
    assert CSV.content in calls[0]
    assert b'filename="errores.csv"' in calls[0]
    assert b"3 filas con error" in calls[0]


@pytest.mark.parametrize(
    "message",
    [
        replace(text("x" * 1025), file=CSV),
        replace(text("x"), file=CSV, image=Image(b"\x89PNG", "qr.png")),
        replace(text("x"), file=CSV, replaces=f"{CHAT_ID}:3"),
    ],
    ids=["caption too long", "picture too", "edit"],
)
async def test_what_a_document_cannot_be_is_refused_before_any_call(
    message: OutboundMessage,
) -> None:
    channel = telegram()
    with pytest.raises(UnsupportedError):
        await channel.send(message, idempotency_key="k")
    await channel.aclose()


@pytest.mark.parametrize(
    ("name", "attachment"),
    [
        ("photo", "photo"),
        ("video_note", "video"),
        ("voice", "recording"),
        ("sticker", "sticker"),
        ("location", None),
    ],
)
def test_the_kind_of_a_file_is_known(name: str, attachment: str | None) -> None:
    message = {
        "message_id": 7,
        "from": {"id": 1, "is_bot": False, "first_name": "Ana"},
        "chat": {"id": 1, "type": "private"},
        "date": 1774000000,
        name: [] if name == "photo" else {},
    }
    [event] = parse_update(json.dumps({"update_id": 5, "message": message}).encode())
    assert isinstance(event, InboundMessage)
    assert event.extra.get("attachment") == attachment
