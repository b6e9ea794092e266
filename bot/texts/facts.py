"""What a text may be told about a payment, and the wording that comes of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from bot.domain.money import Money


@dataclass(frozen=True, slots=True)
class DebtFacts:
    """One of several payments that a message reminds of."""

    money: Money
    concept: str | None
    due_at: datetime | None
    url: str


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything a message may mention; whatever is None goes unsaid.

    `refund` is the part that went back, where it is a part.

    Times are aware and shown in `time_zone`, an IANA name. Of `extra` the texts know `detail`: what
    staff must know, and `void`: the reference of the link that this one takes the place of. `debts`
    are those that a digest lists and `more` counts those it leaves out; `totals` is what all of
    them make, one sum a currency. Without `has_replies` no answer by SMS reaches us; `chat_url` is
    where this person can write instead. Names and concepts are taken raw and cleaned here, not by
    the caller.
    """

    name: str | None = None
    money: Money | None = None
    concept: str | None = None
    reference: str | None = None
    url: str | None = None
    due_at: datetime | None = None
    expires_at: datetime | None = None
    paid_at: datetime | None = None
    refund: Money | None = None
    time_zone: str = "UTC"
    payment_id: str | None = None
    extra: Mapping[str, str] = field(default_factory=dict)
    debts: tuple[DebtFacts, ...] = ()
    more: int = 0
    totals: tuple[Money, ...] = ()
    has_replies: bool = True
    chat_url: str | None = None


@dataclass(frozen=True, slots=True)
class Wording:
    """One finished text: `text` is plain and complete; subject and HTML exist for e-mail only."""

    text: str
    subject: str | None = None
    html: str | None = None
