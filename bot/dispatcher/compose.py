"""Turns an outbox item into one finished message for one channel. No I/O."""

from collections.abc import Mapping

from bot.domain.delivery import Purpose
from bot.store.outbox import OutboxItem
from bot.texts import Facts, Texts, WhatsAppTemplates
from bot.texts.qr import qr_png
from channels.base import (
    Address,
    Button,
    ContactButton,
    Image,
    Limits,
    OutboundMessage,
    Template,
    UrlButton,
)

_CARRIES_LINK = frozenset({Purpose.LINK, Purpose.REMINDER, Purpose.DENIED})


class Composer:
    """Words messages for customers and staff."""

    def __init__(
        self,
        texts: Texts,
        templates: WhatsAppTemplates | None,
        *,
        locale: str,
        time_zone: str,
    ) -> None:
        """Keep the words.

        Args:
            texts: every sentence.
            templates: the approved WhatsApp templates, where there are any.
            locale: the language for customers who have none, and for staff.
            time_zone: IANA name for customers who have none, and for staff.
        """
        self._texts = texts
        self._templates = templates
        self._locale = locale
        self._time_zone = time_zone

    def compose(
        self, item: OutboxItem, to: Address, limits: Limits, *, is_window_open: bool
    ) -> OutboundMessage | None:
        """Word one message; None if only a template may go and there is none for it."""
        locale = self._locale_of(item)
        facts = self._facts(item)
        wording = self._texts.render(
            text_name(item), locale=locale, channel=to.channel, facts=facts
        )
        template = None
        if not is_window_open:
            template = self._template(item, locale, facts)
            if template is None:
                return None
        answers = item.payload.get("answers")
        return OutboundMessage(
            to=to,
            text=wording.text,
            subject=wording.subject if limits.has_subject else None,
            html=wording.html if limits.has_html else None,
            buttons=self._buttons(item, limits, locale) if template is None else (),
            template=template,
            image=_image(item, limits, wording.text) if template is None else None,
            answers=answers if isinstance(answers, str) else None,
        )

    def _locale_of(self, item: OutboxItem) -> str:
        if item.purpose is Purpose.STAFF or item.customer is None:
            return self._locale
        return item.customer.locale or self._locale

    def _facts(self, item: OutboxItem) -> Facts:
        payment, customer, link = item.payment, item.customer, item.link
        time_zone = None if customer is None else customer.time_zone
        return Facts(
            name=None if customer is None else customer.name,
            money=None if payment is None else payment.money,
            concept=None if payment is None else payment.concept,
            reference=_reference(item),
            url=None if link is None else link.url or None,
            due_at=None if payment is None else payment.due_at,
            expires_at=None if payment is None else payment.expires_at,
            paid_at=item.created_at if item.purpose is Purpose.RECEIPT else None,
            time_zone=time_zone or self._time_zone,
            payment_id=None if payment is None else payment.id,
            extra=_texts_of(item.payload),
        )

    def _template(self, item: OutboxItem, locale: str, facts: Facts) -> Template | None:
        if self._templates is None:
            return None
        return self._templates.fill(text_name(item), locale=locale, facts=facts, texts=self._texts)

    def _buttons(self, item: OutboxItem, limits: Limits, locale: str) -> tuple[Button, ...]:
        if item.purpose in _CARRIES_LINK and item.link is not None and limits.has_url_button:
            return (UrlButton(self._texts.label("pay", locale), item.link.url),)
        if item.payload.get("what") == "contact_request" and limits.has_contact_button:
            return (ContactButton(self._texts.label("share_contact", locale)),)
        return ()


def text_name(item: OutboxItem) -> str:
    """Which text words this item."""
    what = item.payload.get("what")
    match item.purpose:
        case Purpose.LINK:
            return "resend" if item.payload.get("again") else "link"
        case Purpose.REPLY | Purpose.REMINDER if isinstance(what, str):
            return what
        case Purpose.REMINDER:
            return "reminder_friendly"
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
    if item.purpose is not Purpose.LINK or item.link is None or not limits.has_image:
        return None
    if limits.image_text_chars is not None and len(text) > limits.image_text_chars:
        return None
    return Image(qr_png(item.link.url), "qr.png")


def _texts_of(payload: Mapping[str, object]) -> dict[str, str]:
    return {key: value for key, value in payload.items() if isinstance(value, str)}
