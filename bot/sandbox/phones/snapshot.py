"""The state of the sandbox as the phones page shows it: plain JSON, bounded."""

from datetime import datetime
from typing import Final

from bot.sandbox.mail.mailbox import Mail
from bot.sandbox.migo.pay_page import money_text
from bot.sandbox.people import Person
from bot.sandbox.telegram.chats import ChatMessage, Chats
from bot.sandbox.telegram.markup import plain_text
from bot.sandbox.twilio.messages import Message
from bot.sandbox.twilio.segments import count_segments
from bot.sandbox.world import World

JsonObject = dict[str, object]

_SHOWN: Final = 60


def _time(at: datetime) -> str:
    return at.isoformat()


def snapshot(world: World, person: Person, *, has_companion: bool) -> JsonObject:
    """Describe everything the page shows for one person.

    Returns:
        `version`, `now` and `time_zone`, `travels` where the time can be moved, `person`,
        `people`, `service`, `merchant`, the four screens `whatsapp`, `sms`, `email` and
        `telegram`, `staff` with the seller's own `telegram`, `links` newest first, `faults`
        still waiting, how many webhooks are `held` back, and the `journal`.
    """
    staff = world.people.get(world.config.staff.id)
    return {
        "version": world.journal.version,
        "now": _time(world.clock()),
        "time_zone": world.config.time_zone,
        "travels": has_companion,
        "person": _person(person),
        "people": [_person(one) for one in world.people if one.id != staff.id],
        "service": world.postman.service_url,
        "merchant": world.config.migo.merchant,
        "whatsapp": _whatsapp(world, person),
        "sms": _sms(world, person),
        "email": _email(world, person),
        "telegram": _telegram(world, person),
        "staff": {"person": _person(staff), "telegram": _telegram(world, staff)},
        "links": _links(world),
        "faults": _faults(world),
        "held": world.postman.held,
        "journal": [
            {"at": _time(entry.at), "provider": entry.provider, "text": entry.text}
            | ({"bad": True} if entry.is_bad else {})
            for entry in list(world.journal.entries)[-_SHOWN:]
        ],
    }


def _person(person: Person) -> JsonObject:
    return {
        "id": person.id,
        "name": person.name,
        "phone": person.phone,
        "email": person.email,
        "telegram_id": person.telegram_id,
    }


def _whatsapp(world: World, person: Person) -> JsonObject:
    address = f"whatsapp:{person.phone}"
    handsets = world.twilio.handsets
    return {
        "address": address,
        "window_open": handsets.is_window_open(address),
        "broken": address in handsets.broken,
        "blocked": address in handsets.blocked,
        "messages": _texts(world, address),
    }


def _sms(world: World, person: Person) -> JsonObject:
    handsets = world.twilio.handsets
    return {
        "address": person.phone,
        "from": world.config.twilio.sms_from,
        "broken": person.phone in handsets.broken,
        "opted_out": person.phone in handsets.opted_out,
        "messages": _texts(world, person.phone),
    }


def _texts(world: World, address: str) -> list[JsonObject]:
    return [_text(one) for one in world.twilio.messages.with_address(address)[-_SHOWN:]]


def _text(message: Message) -> JsonObject:
    return {
        "id": message.sid,
        "mine": message.is_inbound,
        "text": message.body,
        "at": _time(message.created_at),
        "status": message.status,
        "error": message.error_code,
        "template": bool(message.content_sid),
        "segments": count_segments(message.body),
        "buttons": [
            {"title": one.title, "url": one.url, "payload": one.payload} for one in message.buttons
        ],
    }


def _email(world: World, person: Person) -> JsonObject:
    mails = world.mailbox.read_by(person.email) if person.email else []
    return {
        "address": person.email,
        "broken": person.email.lower() in world.mailbox.broken,
        "mails": [_mail(one) for one in reversed(mails[-_SHOWN:])],
    }


def _mail(mail: Mail) -> JsonObject:
    return {
        "id": mail.id,
        "from": mail.headers.get("from", mail.sender),
        "subject": mail.subject,
        "text": mail.text,
        "html": bool(mail.html),
        "at": _time(mail.at),
    }


def _telegram(world: World, person: Person) -> JsonObject:
    telegram = world.telegram
    chat = telegram.chats.chat(person.telegram_id)
    # Telegram shows a tap's answer as a passing note; the count tells the page of a new one.
    answered = [tap.answer for tap in telegram.chats.taps.values() if tap.answer]
    return {
        "bot": telegram.config.name,
        "username": telegram.config.username,
        "started": chat.is_started,
        "blocked": chat.is_blocked,
        "keyboard": chat.keyboard,
        "commands": telegram.methods.settings.menu_of(person.telegram_id),
        "toast": answered[-1] if answered else "",
        "toasts": len(answered),
        "messages": [_chat_message(telegram.chats, one) for one in list(chat.messages)[-_SHOWN:]],
    }


def _file(chats: Chats, file_id: str) -> JsonObject | None:
    """What a document is called and how many bytes it has; None once it is forgotten."""
    file = chats.files.get(file_id)
    return None if file is None else {"name": file.name, "size": len(file.content)}


def _chat_message(chats: Chats, message: ChatMessage) -> JsonObject:
    return {
        "id": message.message_id,
        "mine": not message.is_from_bot,
        "text": plain_text(message.text, message.parse_mode),
        "at": _time(message.at),
        "edited": message.edited_at is not None,
        "photo": message.photo,
        "document": message.document,
        "file": _file(chats, message.document),
        "contact": message.contact,
        "markup": message.markup,
    }


def _links(world: World) -> list[JsonObject]:
    latest = list(world.migo.transactions)[-_SHOWN:]
    return [
        {
            "uid": one.uid,
            "reference": one.reference,
            "url": world.migo.link(one.uid),
            "amount": money_text(one.amount_minor, one.currency),
            "channel": one.channel,
            "user_id": one.user_id,
            "status": one.status,
            "history": list(one.history),
            "at": _time(one.created_at),
        }
        for one in reversed(latest)
    ]


def _faults(world: World) -> list[JsonObject]:
    return [
        {
            "provider": one.provider,
            "operation": one.operation,
            "kind": one.kind,
            "times": one.times,
            "details": dict(one.details),
        }
        for one in world.faults.pending()
    ]
