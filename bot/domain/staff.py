"""Who of the staff may do what, and for how much money.

One table of roles and actions; what it does not name is forbidden. Limits are integers in minor
units, a currency without a limit may not be asked for at all.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType

from bot.domain.money import Money, minor_digits


class Role(StrEnum):
    """What a member of staff is; each may do what the table below says and nothing else."""

    VIEWER = "viewer"
    """Looks, touches nothing."""
    AGENT = "agent"
    """Sells, and sees only their own payments."""
    MANAGER = "manager"
    """Sells, sees everything, decides what needs a second person."""
    ADMIN = "admin"
    """As a manager, without a limit on amounts."""


class Action(StrEnum):
    """Something that may be asked for in a chat."""

    HELP = "help"
    """Read what there is."""
    LIST = "list"
    """List one's own newest payments, or everybody's where all may be seen."""
    SEE = "see"
    """Look at one payment and at the reasons of its decisions."""
    SEE_ALL = "see_all"
    """Do so with payments of others."""
    CHARGE = "charge"
    """Ask a customer for money."""
    RESEND = "resend"
    """Send a link again."""
    CANCEL = "cancel"
    """Stop asking."""
    QR = "qr"
    """Show a link at the counter."""
    RECEIPT = "receipt"
    """Have a receipt sent again."""
    SETTLE = "settle"
    """Book a payment as paid by other means."""
    REPLACE = "replace"
    """Have another link made though the customer may be able to pay both."""
    ACCEPT = "accept"
    """Take money that came in another amount than asked."""
    APPROVE = "approve"
    """Be the second person for a large amount of somebody else."""
    TALK = "talk"
    """Take a customer's conversation, answer, and give it back."""
    BULK = "bulk"
    """Ask many customers at once by a file."""
    CLOSE_ALERTS = "close_alerts"
    """Say that what waited for a person is done."""
    SCHEDULE = "schedule"
    """Have a customer asked time and again, and look at that."""
    MANAGE_SCHEDULES = "manage_schedules"
    """Pause, resume, skip and end what is asked time and again."""


_LOOKING = frozenset({Action.HELP, Action.LIST, Action.SEE})
_SELLING = _LOOKING | {
    Action.CHARGE,
    Action.RESEND,
    Action.CANCEL,
    Action.QR,
    Action.RECEIPT,
    Action.TALK,
    Action.SCHEDULE,
}
_MANAGING = _SELLING | {
    Action.SEE_ALL,
    Action.SETTLE,
    Action.REPLACE,
    Action.ACCEPT,
    Action.APPROVE,
    Action.BULK,
    Action.CLOSE_ALERTS,
    Action.MANAGE_SCHEDULES,
}

ALLOWED: Mapping[Role, frozenset[Action]] = MappingProxyType(
    {
        Role.VIEWER: _LOOKING | {Action.SEE_ALL},
        Role.AGENT: _SELLING,
        Role.MANAGER: _MANAGING,
        Role.ADMIN: _MANAGING,
    }
)
"""The one table of who may do what."""

MONEY_ACTIONS = frozenset(
    {
        Action.CHARGE,
        Action.SCHEDULE,
        Action.SETTLE,
        Action.REPLACE,
        Action.ACCEPT,
        Action.APPROVE,
        Action.BULK,
    }
)
"""Where a person who is known by a number alone must show their PIN."""


def may(role: Role, action: Action) -> bool:
    """Whether the table allows it."""
    return action in ALLOWED.get(role, frozenset())


@dataclass(frozen=True, slots=True)
class Cap:
    """Limits in minor units of one currency.

    `per_payment` and `per_day` (24 hours) are never passed; above `alone` a second person decides.
    """

    per_payment: int
    per_day: int
    alone: int


class CapProblem(StrEnum):
    """Why an amount cannot be asked for by this person."""

    NO_LIMIT = "no_limit"
    """Nobody said how much of this currency the role may ask for."""
    PER_PAYMENT = "per_payment"
    """Too much at once."""
    PER_DAY = "per_day"
    """Too much together with what was asked for in the last 24 hours."""


# What 1,000 quetzales come to, roughly and in major units: a limit is a matter of size, not rates.
_THOUSAND_QUETZALES = {
    "GTQ": 1_000,
    "USD": 130,
    "EUR": 120,
    "PAB": 130,
    "BZD": 260,
    "BRL": 700,
    "BOB": 900,
    "PEN": 480,
    "MXN": 2_400,
    "HNL": 3_300,
    "NIO": 4_800,
    "UYU": 5_200,
    "DOP": 7_800,
    "CRC": 66_000,
    "CLP": 120_000,
    "COP": 520_000,
    "PYG": 960_000,
}
_DEFAULTS = {Role.AGENT: (5, 25, 3), Role.MANAGER: (50, 250, 25), Role.ADMIN: (1000, 10_000, 25)}
"""Thousands of quetzales: at once, in a day, and alone."""


@dataclass(frozen=True, slots=True)
class Caps:
    """The limits of each role and currency: as set, else ours by the size of the currency."""

    given: Mapping[tuple[Role, str], Cap] = field(default_factory=dict)

    def of(self, role: Role, currency: str) -> Cap | None:
        """The limits of a role in a currency, None where there are none and nothing goes."""
        if (role, currency) in self.given:
            return self.given[role, currency]
        unit = _THOUSAND_QUETZALES.get(currency)
        if unit is None or role not in _DEFAULTS:
            return None
        minor = unit * 10 ** minor_digits(currency)
        return Cap(*(times * minor for times in _DEFAULTS[role]))

    def check(self, role: Role, money: Money, *, today_minor: int) -> CapProblem | None:
        """Why this amount goes too far, None if it does not.

        Args:
            role: of whoever asks.
            money: what is to be asked for.
            today_minor: what they asked for in the last 24 hours, in minor units of its currency.
        """
        cap = self.of(role, money.currency)
        if cap is None:
            return CapProblem.NO_LIMIT
        if money.minor > cap.per_payment:
            return CapProblem.PER_PAYMENT
        if today_minor + money.minor > cap.per_day:
            return CapProblem.PER_DAY
        return None

    def needs_second(self, role: Role, money: Money) -> bool:
        """Whether a second person has to agree to this amount."""
        cap = self.of(role, money.currency)
        return cap is None or money.minor > cap.alone
