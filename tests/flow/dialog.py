"""Chats that read as chats: a person writes, taps, and sees, on any channel of the sandbox.

`async with Chat(service, "sms") as ana: await ana.says("saldo"); await ana.sees("Q150.00")`
"""

import itertools
import re
import unicodedata
from types import TracebackType

from bot.sandbox.people import Person
from tests.flow.service import Service
from tests.services import eventually

_PHONES = itertools.count(50255560001)
_TELEGRAM_IDS = itertools.count(800_000_001)
WITHIN_S = 45.0
"""Long, for the first message of a fresh service waits for aiogram to be loaded."""
_LEFT = """
select (select count(*) from inbox where status in ('new', 'claimed'))
    + (select count(*) from outbox where status in ('pending', 'sending')
        and not_before <= (select max(created_at) from outbox))
"""


class Chat:
    """One person's chat with the bot; everybody is somebody new unless a person is given."""

    def __init__(self, service: Service, channel: str, person: Person | None = None) -> None:
        self._service = service
        self.channel = channel
        self.person = person or new_person(service)
        self._seen = 0

    async def __aenter__(self) -> "Chat":
        """Begin: on Telegram, press Start and share the own contact."""
        self._seen = len(self.shown())
        if self.channel == "telegram":
            await self.opens()
            await self.shares_contact()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if isinstance(error, AssertionError):
            error.add_note("\n---\n".join(self.shown()[-6:]))

    async def opens(self, payload: str = "") -> None:
        """Press Start on Telegram."""
        self._service.sandbox.telegram.start(self.person.telegram_id, payload)
        await self.sees()

    async def shares_contact(self, phone: str | None = None) -> None:
        self._service.sandbox.telegram.share_contact(self.person.telegram_id, phone=phone)
        await self.sees()

    async def says(self, text: str, **fields: str) -> None:
        """Write something."""
        if self.channel == "telegram":
            self._service.sandbox.telegram.write(self.person.telegram_id, text)
            return
        posted = await self._service.sandbox.twilio.handsets.write(self.address, text, **fields)
        assert posted is not None
        assert posted.status == 200

    async def sees(self, *parts: str, but_not: tuple[str, ...] = ()) -> str:
        """Wait for the next message; every part must be in it. Gives its text and buttons."""
        await eventually(lambda: len(self.shown()) > self._seen, WITHIN_S)
        said = self.shown()[self._seen]
        self._seen += 1
        for part in parts:
            assert _plain(part) in _plain(said), f"{part!r} is not in {said!r}"
        for part in but_not:
            assert _plain(part) not in _plain(said), f"{part!r} is in {said!r}"
        return said

    async def chooses(self, label: str) -> None:
        """Take a choice of the newest message that has it: tap its button, or type its number."""
        if self.channel == "telegram":
            chat = self._service.sandbox.telegram.chats.chat(self.person.telegram_id)
            for message in reversed(list(chat.messages)):
                data = _button(message.markup, label)
                if data is not None:
                    self._service.sandbox.telegram.tap(
                        self.person.telegram_id, message.message_id, data
                    )
                    return
            raise AssertionError(f"there is no button {label!r}")
        await self.says(self.number_of(label))

    def number_of(self, label: str) -> str:
        """The number that stands before a choice."""
        pattern = re.compile(rf"^(\d+)\. .*{re.escape(_plain(label))}", re.MULTILINE)
        for said in reversed(self.shown()):
            found = pattern.search(_plain(said))
            if found is not None:
                return found[1]
        raise AssertionError(f"there is no choice {label!r}")

    async def hears_nothing(self) -> None:
        """Whatever was written is handled, and nothing came back."""
        await self.rests()
        assert len(self.shown()) == self._seen, self.shown()[self._seen :]

    async def skips(self) -> None:
        """Take what came so far as read."""
        await self.rests()
        self._seen = len(self.shown())

    async def rests(self) -> None:
        """Wait until all that was written is handled, and all that is owed now has left."""
        updates = self._service.sandbox.telegram.updates

        async def is_at_rest() -> bool:
            if any(each.chat_id == self.person.telegram_id for each in updates.pending):
                return False
            left = await self._service.select(_LEFT)
            return left == [(0,)]

        await eventually(is_at_rest, WITHIN_S)

    @property
    def address(self) -> str:
        """Where Twilio reaches this person."""
        prefix = "whatsapp:" if self.channel == "whatsapp" else ""
        return prefix + self.person.phone

    def shown(self) -> list[str]:
        """Everything the bot showed here, oldest first, buttons as lines."""
        if self.channel == "telegram":
            chat = self._service.sandbox.telegram.chats.chat(self.person.telegram_id)
            return [
                "\n".join([each.text, *_labels(each.markup)])
                for each in chat.messages
                if each.is_from_bot
            ]
        return [
            "\n".join([each.body, *(f"{one.title} {one.url}" for one in each.buttons)])
            for each in self._service.sandbox.twilio.handsets.received_by(self.address)
        ]


class StaffChat(Chat):
    """A member of staff's chat; they join by themselves, with a link or a code."""

    async def __aenter__(self) -> "StaffChat":
        self._seen = len(self.shown())
        return self


def new_person(service: Service, name: str = "Ana") -> Person:
    """Somebody nobody has heard of yet, with a phone and a Telegram."""
    phone = f"+{next(_PHONES)}"
    person = Person(phone, name, phone=phone, telegram_id=next(_TELEGRAM_IDS))
    return service.sandbox.people.add(person)


def _plain(text: str) -> str:
    """Small letters without accents: SMS has none but a few."""
    apart = unicodedata.normalize("NFKD", text.casefold())
    return "".join(char for char in apart if not unicodedata.combining(char))


def _rows(markup: dict[str, object] | None) -> list[dict[str, object]]:
    rows = (markup or {}).get("inline_keyboard")
    return [one for row in rows for one in row] if isinstance(rows, list) else []


def _labels(markup: dict[str, object] | None) -> list[str]:
    return [f"[{one['text']}] {one.get('url', '')}".rstrip() for one in _rows(markup)]


def _button(markup: dict[str, object] | None, label: str) -> str | None:
    for one in _rows(markup):
        if label.casefold() in str(one["text"]).casefold() and "callback_data" in one:
            return str(one["callback_data"])
    return None
