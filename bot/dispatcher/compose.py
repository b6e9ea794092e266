"""Turns an outbox item into one finished message for one channel. No I/O."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from bot.dispatcher.digest import pay_buttons, with_digest
from bot.dispatcher.files import file_of, lines_of
from bot.domain.delivery import ASKING, Purpose
from bot.domain.identity import region
from bot.domain.money import Money
from bot.store.claims import OutboxItem
from bot.texts import Facts, Texts, WhatsAppTemplates
from bot.texts.phrases import Phrases
from bot.texts.qr import qr_png
from channels.base import (
    Address,
    Button,
    ContactButton,
    Image,
    Limits,
    OutboundMessage,
    ReplyButton,
    Template,
    UrlButton,
)

_LINK_REPLIES = frozenset({"link", "resend", "replacement"})


class Composer:
    """Words messages for customers and staff."""

    def __init__(
        self,
        texts: Texts,
        templates: WhatsAppTemplates | None,
        *,
        phrases: Phrases | None = None,
        locale: str,
        time_zone: str,
        one_way: frozenset[str] = frozenset(),
        chat_url: str | None = None,
    ) -> None:
        """Keep the words.

        Args:
            texts: every sentence.
            templates: the approved WhatsApp templates, where there are any.
            phrases: what is said in chats; without them no conversation can be held.
            locale: the language for customers who have none, and for staff.
            time_zone: IANA name for customers who have none, and for staff.
            one_way: countries, ISO 3166, from where no answer to an SMS comes.
            chat_url: where a customer there can write to us instead.
        """
        self._texts = texts
        self._templates = templates
        self._phrases = phrases
        self._locale = locale
        self._time_zone = time_zone
        self._one_way = one_way
        self._chat_url = chat_url

    def compose(
        self, item: OutboxItem, to: Address, limits: Limits, *, is_window_open: bool
    ) -> OutboundMessage | None:
        """Word one message; None if only a template may go and there is none for it."""
        if isinstance(item.payload.get("phrase"), str):
            return self._reply(item, to, limits) if is_window_open else None
        locale = self._locale_of(item)
        facts = with_digest(self._facts(item), item.payload)
        wording = self._texts.render(
            text_name(item), locale=locale, channel=to.channel, facts=facts
        )
        template = None
        if not is_window_open:
            template = self._template(item, locale, facts)
            if template is None:
                return None
        return OutboundMessage(
            to=to,
            text=wording.text,
            subject=wording.subject if limits.has_subject else None,
            html=wording.html if limits.has_html else None,
            buttons=self._buttons(item, limits, locale, facts) if template is None else (),
            template=template,
            image=_image(item, limits, wording.text) if template is None else None,
            answers=_text(item.payload.get("answers")),
        )

    def _reply(self, item: OutboxItem, to: Address, limits: Limits) -> OutboundMessage:
        """Word a phrase; its choices become buttons, or lines where there are none."""
        if self._phrases is None:
            raise ValueError("there are no phrases")
        payload = item.payload
        locale = self._locale_of(item)
        time_zone = (None if item.customer is None else item.customer.time_zone) or self._time_zone

        def say(key: object, values: object) -> str:
            given = values if isinstance(values, Mapping) else {}
            return phrases.render(str(key), locale, given, time_zone, channel=to.channel)

        phrases = self._phrases
        said = say(payload["phrase"], payload.get("values"))
        chosen = payload.get("choices")
        choices = [
            _Shown(say(each["label"], each.get("values")), each.get("payload"), each.get("url"))
            for each in (chosen if isinstance(chosen, list) else [])
        ]
        report = lines_of(payload.get("file"), limits, phrases, locale)
        text = "\n\n".join(filter(None, (said, report, _lines(choices, limits))))
        return OutboundMessage(
            to=to,
            text=text,
            buttons=_reply_buttons(choices, limits),
            image=_qr(_text(payload.get("qr_url")), limits, text),
            file=file_of(payload.get("file"), limits, phrases, locale),
            replaces=_text(payload.get("replaces")) if limits.can_replace else None,
            answers=_text(payload.get("answers")),
        )

    def sayer(self, item: OutboxItem) -> Callable[[str], str]:
        """Words plain phrases for whoever reads this item."""
        phrases, locale = self._phrases, self._locale_of(item)
        if phrases is None:
            return lambda key: key
        return lambda key: phrases.render(key, locale, {}, self._time_zone)

    def menu(self, item: OutboxItem) -> dict[str, str]:
        """Word a menu of commands: each command with what it does."""
        if self._phrases is None:
            raise ValueError("there are no phrases")
        names, locale = item.payload.get("commands"), _text(item.payload.get("locale"))
        return {
            str(name).partition("_")[2]: self._phrases.render(
                f"menu.{name}", locale, {}, self._time_zone
            )
            for name in (names if isinstance(names, list) else [])
        }

    def _locale_of(self, item: OutboxItem) -> str:
        asked = _text(item.payload.get("locale"))
        if asked is not None:
            return asked
        if item.purpose is Purpose.STAFF or item.customer is None:
            return self._locale
        return item.customer.locale or self._locale

    def _facts(self, item: OutboxItem) -> Facts:
        payment, customer, link = item.payment, item.customer, item.link
        time_zone = None if customer is None else customer.time_zone
        return Facts(
            name=None if customer is None else customer.name,
            money=_money(item),
            concept=None if payment is None else payment.concept,
            reference=_reference(item),
            url=None if link is None else link.url or None,
            due_at=None if payment is None else payment.due_at,
            expires_at=None if payment is None else payment.expires_at,
            paid_at=_paid_at(item),
            refund=_refund(item),
            time_zone=time_zone or self._time_zone,
            payment_id=None if payment is None else payment.id,
            extra=self._extra(item),
            has_replies=customer is None or region(customer.phone) not in self._one_way,
            chat_url=self._chat_url,
        )

    def _extra(self, item: OutboxItem) -> dict[str, str]:
        """The item's own texts; why staff are told is said in their language."""
        extra = _texts_of(item.payload)
        if item.purpose is Purpose.STAFF and "detail" in extra and self._phrases is not None:
            extra["detail"] = self._phrases.reason(extra["detail"], self._locale_of(item))
        return extra

    def _template(self, item: OutboxItem, locale: str, facts: Facts) -> Template | None:
        if self._templates is None:
            return None
        if facts.refund is not None:
            facts = replace(facts, money=facts.refund)
        return self._templates.fill(text_name(item), locale=locale, facts=facts, texts=self._texts)

    def _buttons(
        self, item: OutboxItem, limits: Limits, locale: str, facts: Facts
    ) -> tuple[Button, ...]:
        if facts.debts and limits.has_url_button:
            return pay_buttons(facts.debts, self._texts.label("pay", locale), locale)
        has_link = item.purpose in ASKING or item.payload.get("what") in _LINK_REPLIES
        if has_link and item.link is not None and limits.has_url_button:
            return (UrlButton(self._texts.label("pay", locale), item.link.url),)
        return ()


@dataclass(frozen=True, slots=True)
class _Shown:
    """A choice in words; with neither payload nor url it asks for the own contact card."""

    label: str
    payload: str | None
    url: str | None


def _reply_buttons(choices: Sequence[_Shown], limits: Limits) -> tuple[Button, ...]:
    buttons: list[Button] = []
    for choice in choices:
        if choice.payload is not None and limits.has_reply_button:
            buttons.append(ReplyButton(choice.label, choice.payload))
        elif choice.url is not None and limits.has_url_button:
            buttons.append(UrlButton(choice.label, choice.url))
        elif choice.payload is None and choice.url is None and limits.has_contact_button:
            return (ContactButton(choice.label),)
    return tuple(buttons)


def _lines(choices: Sequence[_Shown], limits: Limits) -> str:
    """What cannot be shown as buttons: answers numbered, pages with their address."""
    lines = []
    number = 0
    for choice in choices:
        if choice.payload is not None:
            number += 1
            if not limits.has_reply_button:
                lines.append(f"{number}. {choice.label}")
        elif choice.url is not None and not limits.has_url_button:
            lines.append(f"{choice.label}: {choice.url}")
    return "\n".join(lines)


def _qr(url: str | None, limits: Limits, text: str) -> Image | None:
    if url is None or not limits.has_image:
        return None
    if limits.image_text_chars is not None and len(text) > limits.image_text_chars:
        return None
    return Image(qr_png(url), "qr.png")


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def _money(item: OutboxItem) -> Money | None:
    """What is asked for; in news of money what came, where that was another amount."""
    came = item.payload.get("came")
    if isinstance(came, Mapping):
        return Money(int(str(came["minor"])), str(came["currency"]))
    return None if item.payment is None else item.payment.money


def _paid_at(item: OutboxItem) -> datetime | None:
    """When the money came: as a receipt is first owed, or as one that is sent again says."""
    if item.purpose is not Purpose.RECEIPT:
        return None
    told = _text(item.payload.get("paid_at"))
    return item.created_at if told is None else datetime.fromisoformat(told)


def _refund(item: OutboxItem) -> Money | None:
    minor, paid = item.payload.get("refund_minor"), _money(item)
    return Money(minor, paid.currency) if paid is not None and isinstance(minor, int) else None


def text_name(item: OutboxItem) -> str:
    """Which text words this item."""
    what = item.payload.get("what")
    match item.purpose:
        case Purpose.LINK if item.payload.get("instead"):
            return "replacement"
        case Purpose.LINK:
            return "resend" if item.payload.get("again") else "link"
        case Purpose.REPLY if isinstance(what, str):
            return what
        case Purpose.REMINDER:
            return f"reminder_{item.payload.get('tone', 'friendly')}"
        case Purpose.STAFF:
            return f"staff_{what}"
        case None:
            raise TypeError("only messages are worded")
        case _:
            return item.purpose.value


def _reference(item: OutboxItem) -> str | None:
    if item.link is not None and item.link.reference:
        return item.link.reference
    return None if item.payment is None else item.payment.external_id


def _image(item: OutboxItem, limits: Limits, text: str) -> Image | None:
    """The link as a QR code with its first message, where there is room for text and picture."""
    if item.purpose is not Purpose.LINK or item.link is None:
        return None
    return _qr(item.link.url, limits, text)


def _texts_of(payload: Mapping[str, object]) -> dict[str, str]:
    return {key: value for key, value in payload.items() if isinstance(value, str)}
