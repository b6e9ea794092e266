"""What the bot says to the Bot API, what its answers mean, and how updates are fetched."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from email import message_from_bytes
from typing import Any
from urllib.parse import parse_qsl

import pytest

from channels.base import (
    ContactButton,
    Image,
    OutboundMessage,
    RawRequest,
    Refusal,
    ReplyButton,
    UrlButton,
)
from channels.errors import (
    BadSignatureError,
    ChannelError,
    NotSentError,
    RejectedError,
    UncertainError,
    UnsupportedError,
)
from channels.outcome import new_client
from channels.telegram import Telegram
from channels.telegram.polling import Poller
from tests.contract.channel_case import clock
from tests.contract.channel_telegram import (
    CHAT_ID,
    SECRET,
    TOKEN,
    done,
    refused,
    sent,
    telegram,
    text,
)
from tests.contract.channel_wire import Fault, closed_port, http_wire
from tests.services import eventually

Answer = tuple[int, dict[str, str], bytes]


class BotApi:
    """A Bot API that answers by method, and keeps what it was asked."""

    def __init__(self) -> None:
        self.answers: dict[str, Answer] = {}
        self.calls: list[tuple[str, dict[str, str]]] = []

    def __call__(self, call: bytes, _: Fault) -> Answer:
        head, __, body = call.partition(b"\r\n\r\n")
        path = head.split()[1].decode()
        assert path.startswith(f"/bot{TOKEN}/"), path
        method = path.rpartition("/")[2]
        self.calls.append((method, _form(head, body)))
        return self.answers.get(method, sent() if method.startswith("send") else done(True))

    @property
    def last(self) -> dict[str, str]:
        """The fields of the last call."""
        return self.calls[-1][1]

    def methods(self) -> list[str]:
        """What was called, in order."""
        return [method for method, _ in self.calls]


def _form(head: bytes, body: bytes) -> dict[str, str]:
    kind = next(line for line in head.split(b"\r\n") if line.lower().startswith(b"content-type"))
    if b"multipart" not in kind:
        return dict(parse_qsl(body.decode(), keep_blank_values=True))
    form = message_from_bytes(kind + b"\r\n\r\n" + body)
    return {
        str(each.get_param("name", header="content-disposition")): str(
            each.get_filename() or each.get_payload()
        )
        for each in form.walk()
        if not each.is_multipart()
    }


@asynccontextmanager
async def at_work() -> AsyncIterator[tuple[Telegram, BotApi]]:
    api = BotApi()
    async with http_wire(api) as wire:
        channel = telegram(wire.port)
        try:
            yield channel, api
        finally:
            await channel.aclose()


async def send(channel: Telegram, message: OutboundMessage) -> str:
    return (await channel.send(message, idempotency_key="k")).provider_id


async def test_a_text_goes_plain_and_without_preview() -> None:
    async with at_work() as (channel, api):
        assert await send(channel, text("a <b> & *c*")) == f"{CHAT_ID}:5"
    assert api.methods() == ["sendMessage"]
    assert json.loads(api.last.pop("link_preview_options")) == {"is_disabled": True}
    assert api.last == {"chat_id": CHAT_ID, "text": "a <b> & *c*"} | {
        key: value for key, value in api.last.items() if key == "link_preview_options"
    }


async def test_html_goes_as_html() -> None:
    async with at_work() as (channel, api):
        await send(channel, replace(text("a"), html="<b>a</b>"))
    assert (api.last["text"], api.last["parse_mode"]) == ("<b>a</b>", "HTML")


async def test_buttons_that_open_and_answer_are_inline() -> None:
    buttons = (UrlButton("Pagar", "https://x.example/?a=1"), ReplyButton("Sí", "ñ" * 32))
    async with at_work() as (channel, api):
        await send(channel, replace(text("a"), buttons=buttons))
    rows = json.loads(api.last["reply_markup"])["inline_keyboard"]
    assert rows == [
        [{"text": "Pagar", "url": "https://x.example/?a=1"}],
        [{"text": "Sí", "callback_data": "ñ" * 32}],
    ]


async def test_a_contact_is_asked_for_with_a_key() -> None:
    async with at_work() as (channel, api):
        await send(channel, replace(text("a"), buttons=(ContactButton("Mi número"),)))
    markup = json.loads(api.last["reply_markup"])
    assert markup["keyboard"] == [[{"text": "Mi número", "request_contact": True}]]
    assert markup["one_time_keyboard"]


async def test_a_picture_bears_the_text_as_its_caption() -> None:
    async with at_work() as (channel, api):
        await send(channel, replace(text("x" * 1024), image=Image(b"\x89PNG", "qr.png")))
    assert api.methods() == ["sendPhoto"]
    assert api.last["caption"] == "x" * 1024
    key = api.last["photo"].removeprefix("attach://")
    assert api.last[key] == "qr.png"


async def test_an_earlier_message_is_replaced() -> None:
    async with at_work() as (channel, api):
        message = replace(text("new"), replaces=f"{CHAT_ID}:3")
        assert await send(channel, message) == f"{CHAT_ID}:3"
    assert api.methods() == ["editMessageText"]
    assert (api.last["chat_id"], api.last["message_id"]) == (CHAT_ID, "3")


@pytest.mark.parametrize(
    ("description", "methods", "number"),
    [
        ("message is not modified: specified new message content…", ["editMessageText"], 3),
        ("message to edit not found", ["editMessageText", "sendMessage"], 5),
        ("message can't be edited", ["editMessageText", "sendMessage"], 5),
        ("there is no text in the message to edit", ["editMessageText", "sendMessage"], 5),
    ],
)
async def test_what_cannot_be_replaced_is_sent_anew(
    description: str, methods: list[str], number: int
) -> None:
    async with at_work() as (channel, api):
        api.answers["editMessageText"] = refused(400, f"Bad Request: {description}")
        message = replace(text("new"), replaces=f"{CHAT_ID}:3")
        assert await send(channel, message) == f"{CHAT_ID}:{number}"
    assert api.methods() == methods


async def test_another_chats_message_is_not_touched() -> None:
    async with at_work() as (channel, api):
        assert await send(channel, replace(text("new"), replaces="1:3")) == f"{CHAT_ID}:5"
    assert api.methods() == ["sendMessage"]


async def test_an_edit_whose_answer_is_lost_is_not_followed_by_a_second_message() -> None:
    async with at_work() as (channel, api):
        api.answers["editMessageText"] = refused(500, "Internal Server Error")
        with pytest.raises(UncertainError):
            await send(channel, replace(text("new"), replaces=f"{CHAT_ID}:3"))
    assert api.methods() == ["editMessageText"]


@pytest.mark.parametrize(
    "answer",
    [
        done(True),
        refused(400, "Bad Request: query is too old and response timeout expired"),
        refused(401, "Unauthorized"),
        refused(429, "Too Many Requests", retry_after=9),
        (502, {}, b"<html>"),
    ],
)
async def test_a_tap_is_answered_and_that_never_matters(answer: Answer) -> None:
    async with at_work() as (channel, api):
        api.answers["answerCallbackQuery"] = answer
        assert await send(channel, replace(text("a"), answers="77")) == f"{CHAT_ID}:5"
    assert sorted(api.methods()) == ["answerCallbackQuery", "sendMessage"]


@pytest.mark.parametrize(
    ("answer", "error", "refusal"),
    [
        (refused(403, "Forbidden: bot was blocked by the user"), RejectedError, "opted_out"),
        (refused(403, "Forbidden: user is deactivated"), RejectedError, "address"),
        (
            refused(403, "Forbidden: bot can't initiate conversation with a user"),
            RejectedError,
            "address",
        ),
        (refused(400, "Bad Request: chat not found"), RejectedError, "address"),
        (refused(400, "Bad Request: PEER_ID_INVALID"), RejectedError, "address"),
        (refused(400, "Bad Request: can't parse entities: x"), RejectedError, "content"),
        (refused(400, "Bad Request: message is too long"), RejectedError, "content"),
        (
            refused(400, "Bad Request: group chat was upgraded", migrate_to_chat_id=-1001),
            RejectedError,
            "address",
        ),
        (refused(401, "Unauthorized"), RejectedError, "config"),
        (refused(404, "Not Found"), RejectedError, "config"),
        (refused(409, "Conflict: terminated by other getUpdates request"), RejectedError, "config"),
        (refused(413, "Request Entity Too Large"), RejectedError, "content"),
        (refused(418, "I'm a teapot"), RejectedError, "content"),
        (refused(429, "Too Many Requests: retry after 7", retry_after=7), NotSentError, None),
        (refused(429, "Too Many Requests"), NotSentError, None),
        ((429, {"retry-after": "7"}, b"<html>"), NotSentError, None),
        (refused(500, "Internal Server Error"), UncertainError, None),
        (refused(500, "Internal Server Error: restart"), UncertainError, None),
        ((502, {}, b"<html>"), UncertainError, None),
        ((413, {}, b"<html>"), RejectedError, "content"),
        ((302, {"location": "/login"}, b""), RejectedError, "config"),
        ((200, {}, b""), UncertainError, None),
        ((200, {}, b"[" * 100_000), UncertainError, None),
        ((200, {}, b'{"ok": true}'), UncertainError, None),
        (done({"message_id": "x"}), UncertainError, None),
    ],
)
async def test_each_answer_has_its_end(
    answer: Answer, error: type[ChannelError], refusal: str | None
) -> None:
    async with at_work() as (channel, api):
        api.answers["sendMessage"] = answer
        with pytest.raises(error) as caught:
            await send(channel, text("a"))
    assert type(caught.value) is error
    assert getattr(caught.value, "refusal", None) == (refusal and Refusal(refusal))
    assert api.methods() == ["sendMessage"]
    assert CHAT_ID not in str(caught.value)


@pytest.mark.parametrize("token", ["", "42", "42:", ":secret", "x:secret", "42:se cret", "42:s/x"])
def test_a_bad_token_is_refused_and_not_shown(token: str) -> None:
    with pytest.raises(ValueError, match="token") as caught:
        Telegram(token, api_url="http://127.0.0.1:1", webhook_secret=None, clock=clock)
    assert not token or token not in str(caught.value)


async def test_the_webhook_is_set_with_its_secret() -> None:
    async with at_work() as (channel, api):
        await channel.set_webhook("https://pay.example/webhooks/telegram")
        assert api.calls[0][0] == "setWebhook"
        assert api.last["secret_token"] == SECRET
        assert json.loads(api.last["allowed_updates"]) == [
            "message",
            "callback_query",
            "my_chat_member",
        ]
        api.answers["setWebhook"] = refused(400, "Bad Request: bad webhook")
        with pytest.raises(RejectedError):
            await channel.set_webhook("http://pay.example")


async def test_without_a_secret_there_is_no_webhook_and_nobody_is_believed() -> None:
    channel = telegram(closed_port(), secret=None)
    with pytest.raises(ValueError, match="secret"):
        await channel.set_webhook("https://pay.example")
    for given in ({}, {"x-telegram-bot-api-secret-token": ""}):
        with pytest.raises(BadSignatureError):
            channel.verify(RawRequest("https://pay.example", given, b"{}"))
    await channel.aclose()


async def test_commands_are_set_for_one_chat_or_for_all() -> None:
    async with at_work() as (channel, api):
        await channel.set_commands({"pagos": "Mis pagos"}, language_code="es")
        assert json.loads(api.last["commands"]) == [
            {"command": "pagos", "description": "Mis pagos"}
        ]
        assert json.loads(api.last["scope"]) == {"type": "all_private_chats"}
        assert api.last["language_code"] == "es"
        await channel.set_commands({"cobrar": "Cobrar"}, chat_id="7")
        assert json.loads(api.last["scope"]) == {"type": "chat", "chat_id": 7}


async def test_a_start_link_names_the_bot_which_is_asked_for_once() -> None:
    async with at_work() as (channel, api):
        api.answers["getMe"] = done(
            {"id": 42, "is_bot": True, "first_name": "Pay", "username": "pay_bot"}
        )
        assert await channel.start_link("a-B_9") == "https://t.me/pay_bot?start=a-B_9"
        await channel.start_link("b")
        assert api.methods() == ["getMe"]
        for payload in ("", "a b", "ñ", "x" * 65):
            with pytest.raises(UnsupportedError):
                await channel.start_link(payload)


class Updates:
    """Updates of a bot that polls: they stay until a higher offset is asked for."""

    def __init__(self) -> None:
        self.waiting: list[dict[str, Any]] = [{"update_id": 7}, {"update_id": 8, "a": "\ud800"}]
        self.broken: list[Answer] = []
        self.offsets: list[int] = []
        self.is_webhook_set = True

    def __call__(self, call: bytes, _: Fault) -> Answer:
        head, __, body = call.partition(b"\r\n\r\n")
        if b"/deleteWebhook " in head:
            self.is_webhook_set = False
            return done(True)
        if self.is_webhook_set:
            return refused(409, "Conflict: can't use getUpdates method while webhook is active")
        if self.broken:
            return self.broken.pop(0)
        offset = int(dict(parse_qsl(body.decode())).get("offset", "0"))
        self.offsets.append(offset)
        self.waiting = [each for each in self.waiting if each["update_id"] >= offset]
        return done(self.waiting)


@asynccontextmanager
async def polling(updates: Updates, store: Callable[..., Any]) -> AsyncIterator[None]:
    async with http_wire(updates) as wire, new_client(timeout_s=5, keep_alive=True) as http:
        poller = Poller(http, f"http://127.0.0.1:{wire.port}/bot{TOKEN}", first_backoff_s=0.0)
        task = asyncio.create_task(poller.run(store))
        try:
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
            assert task.cancelled()


async def test_an_update_is_confirmed_only_once_it_is_stored() -> None:
    updates, may_store = Updates(), asyncio.Event()
    seen: list[list[int]] = []

    async def store(batch: Sequence[RawRequest]) -> None:
        seen.append([json.loads(each.body)["update_id"] for each in batch])
        await may_store.wait()

    async with polling(updates, store):
        await eventually(lambda: seen == [[7, 8]])
        assert updates.offsets == [0]
        may_store.set()
        await eventually(lambda: 9 in updates.offsets)
    assert seen == [[7, 8]]


async def test_what_could_not_be_stored_comes_again() -> None:
    updates, seen = Updates(), list[int]()

    async def store(batch: Sequence[RawRequest]) -> None:
        seen.append(len(batch))
        if len(seen) < 3:
            raise OSError("disk full")

    async with polling(updates, store):
        await eventually(lambda: 9 in updates.offsets)
    assert seen == [2, 2, 2]


@pytest.mark.parametrize(
    "broken",
    [
        refused(500, "Internal Server Error"),
        refused(429, "Too Many Requests", retry_after=1),
        refused(401, "Unauthorized"),
        (502, {}, b"<html>"),
        (200, {}, b"[]"),
        (200, {}, b"[" * 100_000),
        done(None),
        done([7, {}, {"update_id": True}]),
    ],
)
async def test_polling_outlives_a_bad_answer(
    broken: Answer, caplog: pytest.LogCaptureFixture
) -> None:
    updates, seen = Updates(), list[RawRequest]()
    updates.broken = [broken, broken]

    async def store(batch: Sequence[RawRequest]) -> None:
        seen.extend(batch)

    async with polling(updates, store):
        await eventually(lambda: 9 in updates.offsets)
    assert len(seen) == 2
    assert TOKEN not in caplog.text


async def test_a_webhook_that_is_set_meanwhile_is_deleted_again() -> None:
    updates = Updates()

    async def store(_: Sequence[RawRequest]) -> None:
        updates.is_webhook_set = True

    async with polling(updates, store):
        await eventually(lambda: 9 in updates.offsets)


async def test_polling_needs_no_aiogram_and_can_be_cancelled() -> None:
    async with at_work() as (channel, api):
        api.answers["getUpdates"] = done([])

        async def store(_: Sequence[RawRequest]) -> None:
            raise AssertionError("there is nothing to store")

        task = asyncio.create_task(channel.poll(store))
        await eventually(lambda: api.methods().count("getUpdates") > 1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert api.methods()[0] == "deleteWebhook"
        assert channel._api is None
