"""The table of all texts: which forms each has, and which facts its e-mail lists."""

from dataclasses import dataclass

from channels.base import ChannelName

CHAT = "txt"
SMS = "sms"
SUBJECT = "subject"
EMAIL = "email.txt"
EMAIL_FRAME = "frame.email.txt"
HTML_FRAME = "frame.email.html"

FORM_OF = {
    ChannelName.WHATSAPP: CHAT,
    ChannelName.TELEGRAM: CHAT,
    ChannelName.SMS: SMS,
    ChannelName.EMAIL: EMAIL,
}

_ALL = (CHAT, SMS, SUBJECT, EMAIL)
_DEBT = ("amount", "concept", "reference", "due", "expires")
_PAYABLE = ("amount", "url")
_MONEY = ("amount", "concept", "reference")
_STAFF = ("name", "amount", "concept", "reference", "payment_id")


@dataclass(frozen=True, slots=True)
class Manner:
    """How one text is written.

    `forms` are the files it has in every language. `needs` are the facts without which it is never
    sent. `rows` are the facts its e-mail lists beneath the prose. `sms_parts` is how many segments
    its SMS may take. `shows_qr` texts go out by e-mail with the link's QR code attached.
    """

    forms: tuple[str, ...] = _ALL
    rows: tuple[str, ...] = ()
    needs: tuple[str, ...] = ("amount",)
    shows_qr: bool = False
    is_staff: bool = False
    sms_parts: int = 1


_REMINDER = Manner(rows=_DEBT, needs=_PAYABLE, sms_parts=2)
_NEWS_FOR_STAFF = Manner(rows=_STAFF, is_staff=True)
_ALARM_FOR_STAFF = Manner(rows=_STAFF, needs=(), is_staff=True)

MANNERS: dict[str, Manner] = {
    "link": Manner(rows=_DEBT, needs=_PAYABLE, shows_qr=True),
    "resend": Manner(rows=_DEBT, needs=_PAYABLE, shows_qr=True),
    "replacement": Manner(rows=_DEBT, needs=_PAYABLE, shows_qr=True, sms_parts=2),
    "reminder_friendly": _REMINDER,
    "reminder_due": _REMINDER,
    "reminder_last": _REMINDER,
    "reminder_promised": _REMINDER,
    "reminder_digest": Manner(needs=("debts", "count"), sms_parts=2),
    "denied": Manner(rows=_DEBT, needs=_PAYABLE),
    "receipt": Manner(rows=(*_MONEY, "paid")),
    "refunded": Manner(rows=_MONEY),
    "reversed": Manner(rows=_MONEY),
    "staff_created": _NEWS_FOR_STAFF,
    "staff_sent": _NEWS_FOR_STAFF,
    "staff_delivered": _NEWS_FOR_STAFF,
    "staff_paid": _NEWS_FOR_STAFF,
    "staff_denied": _NEWS_FOR_STAFF,
    "staff_refunded": _NEWS_FOR_STAFF,
    "staff_part_refunded": _NEWS_FOR_STAFF,
    "staff_reversed": _NEWS_FOR_STAFF,
    "staff_returned_twice": _NEWS_FOR_STAFF,
    "staff_held": _ALARM_FOR_STAFF,
    "staff_failed": _ALARM_FOR_STAFF,
}
"""One row a text."""

FOOTERS = ("footer", "footer_staff")
"""What stands at the end of e-mails to customers and to staff."""

WORDS: dict[str, tuple[str, ...]] = {
    "labels": ("pay", "already_paid", "help"),
    "rows": ("name", "amount", "concept", "reference", "due", "expires", "paid", "payment_id"),
    "fallbacks": (
        *("name", "amount", "concept", "reference", "due", "expires"),
        *("count", "totals", "void"),
    ),
    "patterns": ("day", "moment", "stamp"),
    "email": ("pay_here", "copy_link", "scan"),
    "digest": ("due", "more"),
}
"""What `words.toml` says in every language: buttons, captions of facts, words for facts that are
missing from a WhatsApp template, CLDR date patterns, the frame of an e-mail, and what stands in the
list of a digest."""
