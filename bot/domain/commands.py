"""What "/cobrar +50255551234 150.00 Mensualidad marzo" means. Pure."""

import re
from dataclasses import dataclass
from enum import StrEnum

from babel.core import get_global

from bot.domain.identity import Phone, PhoneError, parse_phone
from bot.domain.money import AmountError, Money, is_currency, parse_amount
from bot.domain.staff import Action

CONCEPT_CHARS = 140
REFERENCE_CHARS = 64
MAX_COMMAND_CHARS = 600


class Command(StrEnum):
    """What staff can ask for by a word that begins with a slash."""

    CHARGE = "cobrar"
    SCHEDULE = "programar"
    MINE = "mis"
    STATE = "estado"
    RESEND = "reenviar"
    CANCEL = "cancelar"
    QR = "qr"
    RECEIPT = "recibo"
    WHY = "porque"
    SETTLE = "confirmar"
    REPLACE = "reemplazar"
    ACCEPT = "aceptar"
    APPROVE = "aprobar"
    RESOLVE = "resuelto"
    INVITE = "invitar"
    TAKE = "tomar"
    RELEASE = "soltar"
    ALERTS = "alertas"
    LANGUAGE = "idioma"
    HELP = "ayuda"


NEEDS: dict[Command, Action] = {
    Command.CHARGE: Action.CHARGE,
    Command.SCHEDULE: Action.SCHEDULE,
    Command.MINE: Action.LIST,
    Command.STATE: Action.SEE,
    Command.RESEND: Action.RESEND,
    Command.CANCEL: Action.CANCEL,
    Command.QR: Action.QR,
    Command.RECEIPT: Action.RECEIPT,
    Command.WHY: Action.SEE,
    Command.SETTLE: Action.SETTLE,
    Command.REPLACE: Action.REPLACE,
    Command.ACCEPT: Action.ACCEPT,
    Command.APPROVE: Action.APPROVE,
    Command.RESOLVE: Action.CANCEL,
    Command.INVITE: Action.RESEND,
    Command.TAKE: Action.TALK,
    Command.RELEASE: Action.TALK,
    Command.ALERTS: Action.CLOSE_ALERTS,
    Command.LANGUAGE: Action.HELP,
    Command.HELP: Action.HELP,
}
"""What each command needs of a role; a test asserts that none is missing."""

_OTHER_WORDS = {
    "charge": Command.CHARGE,
    "schedule": Command.SCHEDULE,
    "mine": Command.MINE,
    "meus": Command.MINE,
    "status": Command.STATE,
    "resend": Command.RESEND,
    "cancel": Command.CANCEL,
    "receipt": Command.RECEIPT,
    "why": Command.WHY,
    "confirm": Command.SETTLE,
    "replace": Command.REPLACE,
    "substituir": Command.REPLACE,
    "accept": Command.ACCEPT,
    "aceitar": Command.ACCEPT,
    "approve": Command.APPROVE,
    "aprovar": Command.APPROVE,
    "resolved": Command.RESOLVE,
    "resolvido": Command.RESOLVE,
    "invite": Command.INVITE,
    "convidar": Command.INVITE,
    "take": Command.TAKE,
    "assumir": Command.TAKE,
    "release": Command.RELEASE,
    "alerts": Command.ALERTS,
    "language": Command.LANGUAGE,
    "help": Command.HELP,
    "ajuda": Command.HELP,
    "start": Command.HELP,
    "menu": Command.HELP,
}
_WORDS = {command.value: command for command in Command} | _OTHER_WORDS


@dataclass(frozen=True, slots=True)
class Asked:
    """A command and the words behind it."""

    command: Command
    words: tuple[str, ...]

    @property
    def reference(self) -> str | None:
        """The first word, as the name of a payment."""
        return self.words[0][:REFERENCE_CHARS] if self.words else None


def parse_command(text: str) -> Asked | None:
    """Read a command; None if the text is none of ours.

    Telegram appends the bot's name in places, as in "/mis@shop_bot".
    """
    words = text[:MAX_COMMAND_CHARS].split()
    if not words or not words[0].startswith("/"):
        return None
    name = words[0][1:].partition("@")[0].lower().replace("é", "e")
    command = _WORDS.get(name)
    return None if command is None else Asked(command, tuple(words[1:]))


class ChargeProblem(StrEnum):
    """What cannot be read of a charge; the form asks for it again."""

    PHONE = "phone"
    AMOUNT = "amount"
    AMBIGUOUS = "ambiguous"
    """The amount can be read in two ways."""
    CURRENCY = "currency"
    """The currency is not enabled, or several might be meant."""


class ChargeError(ValueError):
    """A charge cannot be read."""

    def __init__(self, problem: ChargeProblem, *, phone: Phone | None = None) -> None:
        """Keep what is wrong, and the number where that much could be read."""
        super().__init__(problem.value)
        self.problem = problem
        self.phone = phone


@dataclass(frozen=True, slots=True)
class Charge:
    """What "/cobrar" asks for."""

    phone: Phone
    money: Money
    concept: str | None
    channel: str | None


_MAX_PHONE_WORDS = 5
_VIA = frozenset({"por", "via", "vía"})
_CHANNELS = {
    "whatsapp": "whatsapp",
    "wa": "whatsapp",
    "sms": "sms",
    "telegram": "telegram",
    "tg": "telegram",
    "qr": "web",
    "web": "web",
}
_SYMBOLS = {
    "$": ("USD", "MXN", "COP", "CLP", "ARS", "DOP"),
    "Q": ("GTQ",),
    "L": ("HNL",),
    "C$": ("NIO",),
    "R$": ("BRL",),
    "S/": ("PEN",),
    "B/.": ("PAB",),
    "BS": ("BOB",),
    "RD$": ("DOP",),
    "US$": ("USD",),
    "₡": ("CRC",),
    "€": ("EUR",),
}
_AMOUNT = re.compile(
    r"(?P<before>[^0-9\s+\-]{0,4})(?P<number>[0-9][0-9.,]*)(?P<after>[A-Za-z]{3})?", re.ASCII
)
_CODE = re.compile(r"[A-Za-z]{3}", re.ASCII)


def parse_charge(words: tuple[str, ...], *, region: str, currencies: frozenset[str]) -> Charge:
    """Read phone, amount, concept and perhaps "por sms" out of the words behind "/cobrar".

    Args:
        words: as typed; a number may be written in groups.
        region: the country of numbers without a plus.
        currencies: those that are enabled.

    Raises:
        ChargeError: something is missing or cannot be read; nothing is guessed.
    """
    phone, rest = _phone(words, region)
    if not rest:
        raise ChargeError(ChargeProblem.AMOUNT, phone=phone)
    money, rest = read_money(rest, country=phone.country, currencies=currencies, phone=phone)
    channel, rest = _channel(rest)
    return Charge(phone, money, " ".join(rest)[:CONCEPT_CHARS] or None, channel)


def _phone(words: tuple[str, ...], region: str) -> tuple[Phone, tuple[str, ...]]:
    """The number in the first words, and what follows; the next word must look like an amount."""
    found = None
    for count in range(1, min(_MAX_PHONE_WORDS, len(words)) + 1):
        try:
            phone = parse_phone(" ".join(words[:count]), region)
        except PhoneError:
            continue
        found = found or (phone, words[count:])
        if count < len(words) and _AMOUNT.fullmatch(words[count]):
            return phone, words[count:]
    if found is None:
        raise ChargeError(ChargeProblem.PHONE)
    return found


def read_money(
    words: tuple[str, ...],
    *,
    country: str,
    currencies: frozenset[str],
    phone: Phone | None = None,
) -> tuple[Money, tuple[str, ...]]:
    """Read an amount as "150.00", "Q150", "150 USD" or "GTQ 150.00", and give the words behind it.

    Without a currency it is the only one enabled, else that of `country`.

    Raises:
        ChargeError: there is no amount, or its currency cannot be told.
    """
    rest = words
    code = None
    if rest and (_CODE.fullmatch(rest[0]) or rest[0].upper() in _SYMBOLS) and len(rest) > 1:
        code, rest = rest[0], rest[1:]
    match = _AMOUNT.fullmatch(rest[0]) if rest else None
    if match is None:
        raise ChargeError(ChargeProblem.AMOUNT, phone=phone)
    rest = rest[1:]
    marks = [each for each in (code, match["before"], match["after"]) if each]
    if not marks and rest and (rest[0].upper() in currencies or is_currency(rest[0])):
        marks, rest = [rest[0]], rest[1:]
    currency = _currency(marks, country, currencies)
    if currency is None:
        raise ChargeError(ChargeProblem.CURRENCY, phone=phone)
    try:
        return parse_amount(match["number"], currency), rest
    except AmountError:
        is_thousand = re.fullmatch(r"[0-9]+[.,][0-9]{3}", match["number"]) is not None
        problem = ChargeProblem.AMBIGUOUS if is_thousand else ChargeProblem.AMOUNT
        raise ChargeError(problem, phone=phone) from None


def _currency(marks: list[str], country: str, currencies: frozenset[str]) -> str | None:
    if not marks:
        if len(currencies) == 1:
            return next(iter(currencies))
        return next((code for code in _tender(country) if code in currencies), None)
    meant = [set(_SYMBOLS.get(mark.upper(), (mark.upper(),))) & currencies for mark in marks]
    common = set.intersection(*meant)
    if len(common) > 1:
        common &= set(_tender(country))
    return common.pop() if len(common) == 1 else None


def _tender(country: str) -> list[str]:
    """What is legal tender in a country today. Source: Unicode CLDR, as carried by Babel."""
    rows = get_global("territory_currencies").get(country, ())
    return [code for code, _, until, is_tender in rows if until is None and is_tender]


def _channel(words: tuple[str, ...]) -> tuple[str | None, tuple[str, ...]]:
    """A channel named at the end, as in "por sms", and the words before it."""
    if len(words) < 2 or words[-2].lower() not in _VIA:
        return None, words
    channel = _CHANNELS.get(words[-1].lower())
    return (None, words) if channel is None else (channel, words[:-2])


def parse_channel(word: str) -> str | None:
    """The channel that a person names, as "wa" or "sms"; None if it is none of ours."""
    return _CHANNELS.get(word.strip().lower())
