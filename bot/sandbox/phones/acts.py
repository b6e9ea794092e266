"""What a person can do on each phone; one table, used by the page and by tests."""

import base64
from collections.abc import Awaitable, Callable, Mapping

from bot.sandbox.people import Person
from bot.sandbox.webhooks import Posted
from bot.sandbox.world import World

Body = Mapping[str, object]
Act = Callable[[Person, Body], Awaitable[None]]

MAX_FILE_BYTES = 20 * 1024 * 1024
"""Source: Telegram Bot API, getFile: a bot can download files of up to 20 MB."""

_OTHER_PHONE = "+50255559999"


class Acts:
    """Acts by channel: what each needs stands beside its name.

    whatsapp: `write` text; `tap` id, title; `send_file` name, content (base64); `read`; `block` on;
    `break` on; `window` open.
    sms: `write` text; `break` on. email: `break` on.
    telegram: `start` payload?; `write` text; `tap` id, data; `send_file` name, content (base64);
    `share_contact` phone?; `block` on.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        self._table: dict[tuple[str, str], Act] = {
            ("whatsapp", "write"): self._write_whatsapp,
            ("whatsapp", "tap"): self._tap_whatsapp,
            ("whatsapp", "send_file"): self._send_whatsapp_file,
            ("whatsapp", "read"): self._read_whatsapp,
            ("whatsapp", "block"): self._block_whatsapp,
            ("whatsapp", "break"): self._break_whatsapp,
            ("whatsapp", "window"): self._window,
            ("sms", "write"): self._write_sms,
            ("sms", "break"): self._break_sms,
            ("email", "break"): self._break_email,
            ("telegram", "start"): self._start_telegram,
            ("telegram", "write"): self._write_telegram,
            ("telegram", "tap"): self._tap_telegram,
            ("telegram", "send_file"): self._send_file,
            ("telegram", "share_contact"): self._share_contact,
            ("telegram", "block"): self._block_telegram,
            ("telegram", "break"): self._block_telegram,
        }

    async def perform(self, person: Person, channel: str, act: str, body: Body) -> None:
        """Do one act; returns at once, webhooks go out in the background.

        Raises:
            LookupError: there is no such act, button or message.
        """
        found = self._table.get((channel, act))
        if found is None:
            raise LookupError(f"nobody can {act} on {channel}")
        await found(person, body)
        self._world.journal.touch()

    def _later(self, work: Awaitable[Posted | None]) -> None:
        async def run() -> None:
            await work

        self._world.postman.start(run())

    async def _write_whatsapp(self, person: Person, body: Body) -> None:
        text = str(body.get("text", ""))
        self._later(self._world.twilio.handsets.write(f"whatsapp:{person.phone}", text))

    async def _write_sms(self, person: Person, body: Body) -> None:
        self._later(self._world.twilio.handsets.write(person.phone, str(body.get("text", ""))))

    async def _tap_whatsapp(self, person: Person, body: Body) -> None:
        handsets = self._world.twilio.handsets
        sid, title = str(body.get("id", "")), str(body.get("title", ""))
        # Looked up here, so that a wrong button is an answer and not a lost background task.
        handsets.button(sid, title)
        self._later(handsets.tap(f"whatsapp:{person.phone}", sid, title))

    async def _read_whatsapp(self, person: Person, body: Body) -> None:
        self._world.postman.start(self._world.twilio.delivery.mark_read(f"whatsapp:{person.phone}"))

    async def _block_whatsapp(self, person: Person, body: Body) -> None:
        _set(self._world.twilio.handsets.blocked, f"whatsapp:{person.phone}", body)

    async def _break_whatsapp(self, person: Person, body: Body) -> None:
        _set(self._world.twilio.handsets.broken, f"whatsapp:{person.phone}", body)

    async def _break_sms(self, person: Person, body: Body) -> None:
        _set(self._world.twilio.handsets.broken, person.phone, body)

    async def _break_email(self, person: Person, body: Body) -> None:
        _set(self._world.mailbox.broken, person.email.lower(), body)

    async def _window(self, person: Person, body: Body) -> None:
        handsets = self._world.twilio.handsets
        handsets.set_window(f"whatsapp:{person.phone}", is_open=bool(body.get("open")))

    async def _start_telegram(self, person: Person, body: Body) -> None:
        self._world.telegram.start(person.telegram_id, str(body.get("payload") or ""))

    async def _write_telegram(self, person: Person, body: Body) -> None:
        self._world.telegram.write(person.telegram_id, str(body.get("text", "")))

    async def _tap_telegram(self, person: Person, body: Body) -> None:
        number, data = int(str(body.get("id", 0))), str(body.get("data", ""))
        self._world.telegram.tap(person.telegram_id, number, data)

    async def _send_file(self, person: Person, body: Body) -> None:
        self._world.telegram.send_document(person.telegram_id, *_file(body))

    async def _send_whatsapp_file(self, person: Person, body: Body) -> None:
        address = f"whatsapp:{person.phone}"
        self._later(self._world.twilio.handsets.send_document(address, *_file(body)))

    async def _share_contact(self, person: Person, body: Body) -> None:
        is_own = body.get("own", True)
        phone = None if is_own else str(body.get("phone") or _OTHER_PHONE)
        self._world.telegram.share_contact(person.telegram_id, phone=phone)

    async def _block_telegram(self, person: Person, body: Body) -> None:
        self._world.telegram.block(person.telegram_id, is_blocked=bool(body.get("on", True)))


def _file(body: Body) -> tuple[str, str, bytes]:
    """Name, kind and content of what is sent."""
    content = base64.b64decode(str(body.get("content", "")), validate=True)
    if len(content) > MAX_FILE_BYTES:
        raise ValueError("a file of at most 20 MB")
    name, kind = str(body.get("name") or "file")[:100], str(body.get("type") or "")
    return name, kind or "application/octet-stream", content


def _set(members: set[str], member: str, body: Body) -> None:
    if body.get("on", True):
        members.add(member)
    else:
        members.discard(member)
