"""What is said in a chat: a phrase, what may be chosen, and the outbox row that owes it."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from bot.domain.delivery import MANNERS, Purpose
from bot.store import conversations, outbox
from bot.store.engine import Tx
from channels.base import Address


@dataclass(frozen=True, slots=True)
class Choice:
    """Something to choose: a token to send back, or a page to open.

    `label` is the key of a phrase, worded with `values`. `payload` is a token of
    `conversations.offer`; with neither payload nor url the choice asks for the own contact card.
    """

    label: str
    payload: str | None = None
    url: str | None = None
    values: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Reply:
    """One message in a chat.

    `phrase` is the key of a phrase. Values are JSON-safe: str, int, bool, None,
    `{"minor": 15000, "currency": "GTQ"}`, `{"at": "2026-03-01T15:00:00Z"}`,
    `{"date": "2026-03-01"}`, and lists of mappings of these. `qr_url` is shown as a QR code where
    there are pictures. `replaces` is the provider's id of an earlier message to edit.
    """

    phrase: str
    values: Mapping[str, object] = field(default_factory=dict)
    choices: tuple[Choice, ...] = ()
    qr_url: str | None = None
    replaces: str | None = None
    file: Mapping[str, object] | None = None


def owe_message(
    tx: Tx,
    to: Address,
    purpose: Purpose,
    payload: Mapping[str, object],
    *,
    key: str,
    customer_id: int | None,
    payment_id: str | None = None,
    link_id: int | None = None,
) -> int | None:
    """Owe a message to one known address, now, once for its key; None if the key is known."""
    made = outbox.add(
        tx,
        [
            outbox.NewItem(
                kind=outbox.SEND,
                lane=to.channel.value,
                key=key,
                purpose=purpose,
                payment_id=payment_id,
                link_id=link_id,
                customer_id=customer_id,
                channel=to.channel,
                address=to.value,
                not_before=tx.now,
                give_up_at=tx.now + MANNERS[purpose].give_up,
                payload=payload,
            )
        ],
    )
    return made[0] if made else None


def owe_reply(
    tx: Tx,
    to: Address,
    reply: Reply,
    *,
    key: str,
    customer_id: int | None,
    locale: str | None,
    answers: str | None = None,
) -> int | None:
    """Owe a reply, once for its key. Safe to repeat.

    Where buttons cannot be shown, choices are numbered; the numbers are kept with the conversation
    until the next reply that has choices.

    Args:
        tx: the transaction.
        to: the chat that is answered.
        reply: what to say.
        key: makes it happen once; by convention `reply:<inbox id>:<number>`.
        customer_id: whose chat it is, where that is known; decides the time zone.
        locale: the language; None for the merchant's.
        answers: the id of the button tap that is answered.

    Returns:
        The outbox row's id, None if the key is known.
    """
    payload = _payload(reply, locale, answers)
    made = owe_message(tx, to, Purpose.REPLY, payload, key=key, customer_id=customer_id)
    if made is None:
        return None
    tokens = [choice.payload for choice in reply.choices if choice.payload is not None]
    if tokens:
        conversations.keep_choices(tx, to, tokens)
    return made


def _payload(reply: Reply, locale: str | None, answers: str | None) -> dict[str, object]:
    return {
        "phrase": reply.phrase,
        "values": dict(reply.values),
        "choices": [
            {
                "label": choice.label,
                "payload": choice.payload,
                "url": choice.url,
                "values": dict(choice.values),
            }
            for choice in reply.choices
        ],
        "qr_url": reply.qr_url,
        "replaces": reply.replaces,
        "file": None if reply.file is None else dict(reply.file),
        "answers": answers,
        "locale": locale,
    }
