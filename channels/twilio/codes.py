"""What Twilio's statuses and error codes mean, in the terms of `channels.base`.

Source: Twilio docs, "Error and Warning Dictionary" and "Message resource", read 2026-11.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from channels.base import DeliveryState, Refusal
from channels.errors import ChannelError, NotSentError, RejectedError, UncertainError

STATES: Final[Mapping[str, DeliveryState]] = MappingProxyType(
    {
        "accepted": DeliveryState.QUEUED,
        "scheduled": DeliveryState.QUEUED,
        "queued": DeliveryState.QUEUED,
        "sending": DeliveryState.SENDING,
        "sent": DeliveryState.SENT,
        # Some parts arrived; no word says that the rest never will.
        "partially_delivered": DeliveryState.SENT,
        "delivered": DeliveryState.DELIVERED,
        "read": DeliveryState.READ,
        "failed": DeliveryState.FAILED,
        "canceled": DeliveryState.FAILED,
        "undelivered": DeliveryState.UNDELIVERED,
    }
)
"""Every status of an outbound message; `receiving` and `received` belong to inbound ones."""

FAILURES: Final = frozenset({DeliveryState.FAILED, DeliveryState.UNDELIVERED})

AMBIGUOUS: Final = frozenset({20500, 20503})
"""Twilio failed while working on it: the message may exist."""

_MEANINGS: Final[Mapping[Refusal, Mapping[int, str]]] = {
    Refusal.ADDRESS: {
        21211: "no valid number",
        21265: "a short code",
        21614: "no mobile number",
        21635: "a landline",
        30004: "blocked by the carrier or the person",
        30005: "unknown number",
        30006: "a landline, or out of the carrier's reach",
        63003: "unknown to the channel",
        63005: "refused by the channel, as for people without WhatsApp",
        63024: "no WhatsApp user",
        63032: "not reachable for a Meta experiment",
    },
    Refusal.OPTED_OUT: {
        21610: "the person replied STOP",
        63014: "the person blocked this sender",
    },
    Refusal.TEMPLATE: {
        63016: "outside the 24-hour window",
    },
    Refusal.CONTENT: {
        21602: "no body",
        21617: "longer than 1600 characters",
        21619: "no body and no media",
        21620: "bad media URL",
        21623: "too many media",
        21656: "bad template variables",
        30007: "filtered as spam",
        63013: "against WhatsApp's policy",
        63021: "bad content",
        63030: "bad parameters",
        63033: "the person takes no marketing templates",
        63049: "Meta delivers no more marketing to this person for now",
        63062: "Meta's terms for marketing are not accepted",
    },
    Refusal.CONFIG: {
        10001: "the account is not active",
        20003: "wrong account SID or auth token",
        20404: "no such account or resource",
        21212: "bad sender",
        21408: "this country is not enabled",
        21603: "no sender",
        21606: "the sender is not ours or takes no SMS",
        21608: "a trial account reaches verified numbers only",
        21609: "bad status callback URL",
        21612: "this sender cannot reach this number",
        21654: "no template named",
        21655: "no such template",
        21660: "the sender belongs to another account",
        21703: "the messaging service has no sender",
        21704: "the messaging service has no suitable sender",
        21910: "sender and recipient are on different channels",
        30002: "the account is suspended",
        30032: "the toll-free number is not verified",
        30034: "the number has no A2P registration",
        30035: "the toll-free number is being registered",
        63002: "no such channel",
        63007: "no WhatsApp sender with this number",
        63008: "the WhatsApp sender is badly configured",
        63015: "the person has not joined the sandbox",
        63020: "the business account is not valid",
        63026: "the sender is flagged as spam",
        63027: "no such template in this language",
        63028: "the number of template variables differs",
        63040: "the template is rejected",
        63041: "the template is paused",
        63042: "the template is disabled",
        63051: "the WhatsApp business account is locked",
        63052: "a template of the old kind",
    },
    Refusal.TEMPORARY: {
        14107: "too many messages between two numbers",
        20429: "too many requests at once",
        21611: "the sender's queue is full",
        30001: "the queue overflowed",
        30003: "the handset is off",
        30008: "unknown error",
        30022: "the carrier's rate is reached",
        30036: "not delivered within its validity",
        30410: "the carrier did not answer",
        30450: "held by fraud protection",
        30453: "held by fraud protection",
        30454: "the account's daily limit is reached",
        30485: "held by fraud protection",
        63009: "the channel's provider failed",
        63010: "the platform failed",
        63012: "the channel's provider failed",
        63017: "the account's rate is reached",
        63018: "the channel's rate or daily limit is reached",
        63019: "media could not be fetched",
        63038: "the account's daily limit is reached",
    },
}

_REFUSALS: Final[Mapping[int, Refusal]] = {
    code: refusal for refusal, codes in _MEANINGS.items() for code in codes
}


def refusal_of(code: str | None) -> Refusal:
    """What an error code of a failed message means for the route.

    A code that is not listed, or none, is temporary: the same message may be tried once more.
    """
    return _REFUSALS.get(_number(code), Refusal.TEMPORARY)


def error_of(code: str | None) -> ChannelError | None:
    """The end that an error code means when a message is created; None if the code says nothing.

    Raises nothing; a temporary refusal at creation means that no message exists.
    """
    number = _number(code)
    if number in AMBIGUOUS:
        return UncertainError(f"Twilio failed while creating it (error {number})", code=code)
    refusal = _REFUSALS.get(number)
    if refusal is None:
        return None
    reason = f"Twilio refused it: {_MEANINGS[refusal][number]} (error {number})"
    if refusal is Refusal.TEMPORARY:
        return NotSentError(reason, code=code)
    return RejectedError(reason, refusal=refusal, code=code)


def _number(code: str | None) -> int:
    """The code as a number, 0 where it is none."""
    text = code or ""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 6 else 0
