"""The guided form by which staff ask for money, one answer at a time. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from enum import StrEnum
from typing import Self

from bot.domain.commands import (
    CONCEPT_CHARS,
    Charge,
    ChargeError,
    ChargeProblem,
    read_money,
)
from bot.domain.identity import PhoneError, parse_phone
from bot.domain.money import Money


class Step(StrEnum):
    """What the form asks for next."""

    PHONE = "phone"
    """Whose number."""
    AMOUNT = "amount"
    """How much."""
    CONCEPT = "concept"
    """What for; may be left out."""
    CONFIRM = "confirm"
    """Nothing more: the card is shown."""


@dataclass(frozen=True, slots=True)
class Draft:
    """A charge as far as it is filled in; JSON-safe by `to_slots`."""

    phone: str | None = None
    country: str | None = None
    minor: int | None = None
    currency: str | None = None
    concept: str | None = None
    channel: str | None = None
    is_concept_asked: bool = False

    @classmethod
    def of(cls, charge: Charge) -> Self:
        """A draft with everything that one line said."""
        return cls(
            phone=charge.phone.e164,
            country=charge.phone.country,
            minor=charge.money.minor,
            currency=charge.money.currency,
            concept=charge.concept,
            channel=charge.channel,
            is_concept_asked=True,
        )

    @classmethod
    def from_slots(cls, slots: object) -> Self:
        """Read back what `to_slots` gave; anything unknown is left out."""
        if not isinstance(slots, Mapping):
            return cls()
        names = {each.name for each in fields(cls)}
        return cls(**{name: value for name, value in slots.items() if name in names})

    def to_slots(self) -> dict[str, object]:
        """As the conversation keeps it."""
        return {each.name: getattr(self, each.name) for each in fields(self)}

    @property
    def money(self) -> Money | None:
        """The amount, once it is known."""
        if self.minor is None or self.currency is None:
            return None
        return Money(self.minor, self.currency)

    @property
    def step(self) -> Step:
        """What is missing first."""
        if self.phone is None:
            return Step.PHONE
        if self.money is None:
            return Step.AMOUNT
        return Step.CONFIRM if self.is_concept_asked else Step.CONCEPT

    def without(self, step: Step) -> "Draft":
        """Forget one answer, so that it is asked for again."""
        match step:
            case Step.PHONE:
                return replace(self, phone=None, country=None)
            case Step.AMOUNT:
                return replace(self, minor=None, currency=None)
            case Step.CONCEPT:
                return replace(self, concept=None, is_concept_asked=False)
            case Step.CONFIRM:
                return self


@dataclass(frozen=True, slots=True)
class Turn:
    """The draft after an answer, and what was wrong with it."""

    draft: Draft
    problem: ChargeProblem | None = None


_NOTHING = frozenset({"-", "no", "sin", "ninguno", "none", "nenhum"})


def answer(draft: Draft, text: str, *, region: str, currencies: frozenset[str]) -> Turn:
    """Take one answer to the step that the draft waits for.

    Args:
        draft: so far.
        text: as typed.
        region: the country of numbers without a plus.
        currencies: those that are enabled.
    """
    match draft.step:
        case Step.PHONE:
            try:
                phone = parse_phone(text, region)
            except PhoneError:
                return Turn(draft, ChargeProblem.PHONE)
            return Turn(replace(draft, phone=phone.e164, country=phone.country))
        case Step.AMOUNT:
            return _amount(draft, text, currencies)
        case Step.CONCEPT:
            said = " ".join(text.split())[:CONCEPT_CHARS]
            concept = None if said.lower() in _NOTHING else said or None
            return Turn(replace(draft, concept=concept, is_concept_asked=True))
        case Step.CONFIRM:
            return Turn(draft)


def _amount(draft: Draft, text: str, currencies: frozenset[str]) -> Turn:
    words = tuple(text.split())
    try:
        money, rest = read_money(words, country=draft.country or "", currencies=currencies)
    except ChargeError as error:
        return Turn(draft, error.problem)
    if rest:
        return Turn(draft, ChargeProblem.AMOUNT)
    return Turn(replace(draft, minor=money.minor, currency=money.currency))
