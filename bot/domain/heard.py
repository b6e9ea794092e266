"""What goes into one step of a customer's dialogue, and what comes out of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import TypeAlias

from bot.domain.catalogue import Catalogue
from bot.domain.money import Money
from bot.domain.words import Meaning


class Act(StrEnum):
    """What a choice does when it is taken."""

    PAY = "pay"
    """The link of one payment; its data names it."""
    RENEW = "renew"
    """Ask for an expired payment again."""
    BALANCE = "balance"
    RECEIPT = "receipt"
    PAID = "paid"
    """What "I paid" does, whatever receipts there are."""
    HELP = "help"
    PERSON = "person"
    SHOP = "shop"
    PRODUCT = "product"
    """One product of the menu; its data names it."""
    CONFIRM = "confirm"
    """Buy; its data has product, quantity and the price that was shown."""
    DROP = "drop"
    """Do not buy."""
    STOP_ASK = "stop_ask"
    STOP_REMINDERS = "stop_reminders"
    STOP_CHANNEL = "stop_channel"
    STOP_ALL = "stop_all"
    RESUME = "resume"
    PROMISE = "promise"
    """Pay on a day; its data names it."""
    PROMISE_OTHER = "promise_other"
    """Write the day."""
    DISPUTE_ONE = "dispute_one"
    """This is the payment that is not recognised; its data has the words said first."""
    DISPUTE = "dispute"
    """Yes, it is surely not recognised; data as before."""
    NOTHING = "nothing"


class Scope(StrEnum):
    """What a person does or does not consent to."""

    REMINDERS = "reminders"
    CHANNEL = "channel"
    """Everything that asks for money, on this channel."""
    ALL = "all"
    """Everything that asks for money, on every channel."""


class DebtState(StrEnum):
    """What a customer can do about an open payment."""

    PAYABLE = "payable"
    MAKING = "making"
    """Its link is not made yet."""
    EXPIRED = "expired"
    WAITING = "waiting"
    """A person must look at it first."""


@dataclass(frozen=True, slots=True)
class Debt:
    """An open payment of this customer; `names` are all that it may be called, folded.

    One that the customer does not recognise waits for a person. `host` is where its link opens.
    """

    payment_id: str
    money: Money
    concept: str | None
    reference: str | None
    state: DebtState
    names: frozenset[str]
    expires_at: datetime | None = None
    is_disputed: bool = False
    host: str | None = None


@dataclass(frozen=True, slots=True)
class Receipt:
    """A payment of this customer that was paid."""

    payment_id: str
    money: Money
    concept: str | None
    reference: str | None
    paid_at: datetime
    names: frozenset[str]
    host: str | None = None


@dataclass(frozen=True, slots=True)
class Known:
    """What is known when a message comes; debts oldest first, receipts newest first.

    `can_identify` is set where the chat can ask for the person's own contact card. `time_zone` is
    the IANA name of where the customer lives.
    """

    now: datetime
    time_zone: str = "UTC"
    is_identified: bool = True
    can_identify: bool = False
    is_stopped: bool = False
    wants_reminders: bool = True
    debts: tuple[Debt, ...] = ()
    receipts: tuple[Receipt, ...] = ()
    catalogue: Catalogue = ()


@dataclass(frozen=True, slots=True)
class Dialogue:
    """Where a dialogue stands between two messages.

    `product` is what a quantity is awaited for. `is_asked` is set while the last question can be
    answered by yes (its first choice) or no (its last). `is_day_awaited` is set while the day on
    which the person will pay is awaited. `misses` counts what was not understood in a row.
    `language` is what the person was seen to write.
    """

    product: str | None = None
    is_asked: bool = False
    is_day_awaited: bool = False
    misses: int = 0
    language: str | None = None


@dataclass(frozen=True, slots=True)
class Heard:
    """What a person just did: wrote something or took a choice.

    `is_gone` is set for a choice that may be taken no more. `attachment` is the kind of file that
    came with the words, or instead of them.
    """

    text: str = ""
    meaning: Meaning | None = None
    act: Act | None = None
    data: Mapping[str, object] = field(default_factory=dict)
    is_gone: bool = False
    has_card: bool = False
    attachment: str | None = None


@dataclass(frozen=True, slots=True)
class Option:
    """A choice on offer; without an act it asks for the own contact card."""

    label: str
    act: Act | None
    data: Mapping[str, object] = field(default_factory=dict)
    values: Mapping[str, object] = field(default_factory=dict)
    ttl: timedelta = timedelta(hours=12)


@dataclass(frozen=True, slots=True)
class Say:
    """One phrase to say, and what may be chosen."""

    phrase: str
    values: Mapping[str, object] = field(default_factory=dict)
    options: tuple[Option, ...] = ()


@dataclass(frozen=True, slots=True)
class ShowLink:
    """Show the link of this payment here and now."""

    payment_id: str


@dataclass(frozen=True, slots=True)
class Renew:
    """Ask for an expired payment again, under the rules for replacing links."""

    payment_id: str


@dataclass(frozen=True, slots=True)
class CreatePayment:
    """Make a payment that the customer asked for themselves."""

    product: str
    quantity: int
    money: Money


@dataclass(frozen=True, slots=True)
class SetConsent:
    """Write down what the person does or does not want."""

    scope: Scope
    is_given: bool


@dataclass(frozen=True, slots=True)
class PauseReminders:
    """Remind of nothing for so long."""

    lasts: timedelta


@dataclass(frozen=True, slots=True)
class MakePromise:
    """Write down that these payments will be paid on a day, and ask for nothing before it."""

    payment_ids: tuple[str, ...]
    day: date


@dataclass(frozen=True, slots=True)
class Dispute:
    """Remind of this payment no more and have staff look; `words` are what the customer wrote."""

    payment_id: str
    words: str


@dataclass(frozen=True, slots=True)
class OpenTask:
    """Have staff look for money that the customer says was paid."""

    payment_id: str


@dataclass(frozen=True, slots=True)
class GiveToPerson:
    """Let staff answer from now on."""

    why: str


@dataclass(frozen=True, slots=True)
class InviteToTelegram:
    """Send this person a link that opens the bot there as theirs."""


@dataclass(frozen=True, slots=True)
class SetLanguage:
    """Write to this person in this language."""

    locale: str


Command: TypeAlias = (
    ShowLink
    | Renew
    | CreatePayment
    | SetConsent
    | PauseReminders
    | MakePromise
    | Dispute
    | OpenTask
    | GiveToPerson
    | SetLanguage
    | InviteToTelegram
)


@dataclass(frozen=True, slots=True)
class Turn:
    """One step: where the dialogue stands now, what is said, and what is to be done."""

    dialogue: Dialogue
    says: tuple[Say, ...] = ()
    commands: tuple[Command, ...] = ()
