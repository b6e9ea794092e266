"""A customer names the day on which they will pay: what counts as a promise, and what is said."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from bot.domain.days import find_days, names_past, plain
from bot.domain.heard import (
    Act,
    Debt,
    DebtState,
    Dialogue,
    Heard,
    Known,
    MakePromise,
    Option,
    Say,
    Turn,
)
from bot.domain.owing import LISTED, ask_who, pay_option, totals
from bot.domain.words import Word

MOST_DAYS = 14
"""How far ahead a promise may be; later ones are for a person to agree to."""

_FRIDAY = 4
_PAYABLE = frozenset({DebtState.PAYABLE, DebtState.MAKING})
_MAY_BE_PROMISE = frozenset({Word.PAY, Word.RESEND, Word.BALANCE})
"""Words that also occur in "te pago el viernes"; any other known word means what it says."""

_WILL_PAY = re.compile(
    r"\b(?:pago|pagos|pagare|pagaria|pagar|pagarle|pagarlo|pagamos|pagaremos|cancelo|cancelare"
    r"|deposito|depositare|transfiero|transferire|abono|abonare|prometo|deme|dame|espereme|espere"
    r"|pay|paying|give me|promise|wait|pagarei|pagamos|transfiro|prometo|aguarde|espera)\b"
)
_VAGUE = re.compile(
    r"\b(?:(?:otra|proxima) semana|semana que (?:viene|vem)|next week|quincena|payday"
    r"|fin de (?:mes|semana)|fim (?:do|de) (?:mes|semana)|end of (?:the )?month|weekend|pronto"
    r"|luego|despues|mas tarde|mas adelante|cuando (?:pueda|cobre|me paguen)|later|soon|depois"
    r"|em breve|(?:proximo|otro) mes|mes que (?:viene|vem)|next month|otro dia|another day"
    r"|outro dia)\b"
)
_NEGATED = re.compile(
    r"\b(?:no(?! (?:dia|sabado|domingo|proximo|fim|final))|nunca|not|never|nao|can t|don t|won t)\b"
)
_FILLERS = (
    "a am and ao as at ate bueno by creo de e el em en entonces esta este favor gracias h hola hora"
    " horas i la las le lo manana mejor na nesta neste next no noche o obrigada obrigado ok on para"
    " pela please pm por porfa proxima proximo pues que seria si sim tarde te thanks the this vale"
    " yes 1 2 3 4 5 6 7 8 9 10 11 12"
)
_AROUND = frozenset(_FILLERS.split())
"""What may stand around a day that is all that somebody writes."""


_SPOKEN = {
    "es": re.compile(r"\b(?:lunes|martes|miercoles|jueves|viernes|manana|hoy|el|le|te)\b"),
    "en": re.compile(r"\b(?:\w+day|tomorrow|days?|the|pay|paying|on|in)\b"),
    "pt-BR": re.compile(r"\b(?:feira|amanha|hoje|em|pagarei|vou|sexta|terca|quarta|quinta)\b"),
}


@dataclass(frozen=True, slots=True)
class Named:
    """The day that somebody says they will pay on; None where they do not say it clearly."""

    day: date | None


def read_promise(text: str, today: date, *, is_awaited: bool = False) -> Named | None:
    """Find a promise in a text; None if there is none.

    Args:
        text: as written.
        today: where the customer lives.
        is_awaited: a day was asked for, so that a day alone and anything vague is an answer.
    """
    said = plain(text)
    if is_awaited and said.isdecimal():
        said = f"dia {said}"
    days, rest = find_days(said, today)
    if names_past(said) or not (days or _VAGUE.search(said)):
        return None
    will_pay = is_awaited or _WILL_PAY.search(said) is not None
    is_alone = bool(days) and set(re.findall(r"[a-z]+|[0-9]+", rest)) <= _AROUND
    if not will_pay and not is_alone:
        return None
    is_clear = len(set(days)) == 1 and not _NEGATED.search(said) and not _VAGUE.search(rest)
    return Named(days[0] if is_clear else None)


def today_of(known: Known) -> date:
    """The date where the customer lives."""
    return known.now.astimezone(ZoneInfo(known.time_zone)).date()


def start_of(day: date, time_zone: str) -> datetime:
    """The moment when a day begins there."""
    return datetime.combine(day, time.min, ZoneInfo(time_zone)).astimezone(UTC)


def promise_in(dialogue: Dialogue, heard: Heard, known: Known) -> Turn | None:
    """The answer to a message that names a day to pay on; None if it is about something else."""
    meaning = heard.meaning
    if meaning is not None and not meaning.is_guess and meaning.word not in _MAY_BE_PROMISE:
        return None
    if not _open(known) or (meaning is not None and _is_name(meaning.reference, known)):
        return None
    named = read_promise(heard.text, today_of(known), is_awaited=dialogue.is_day_awaited)
    calm = replace(dialogue, is_asked=False, is_day_awaited=False, misses=0, product=None)
    if named is not None:
        return promised(_spoken(calm, heard.text), named.day, known)
    if dialogue.is_day_awaited and meaning is None:
        return _ask(calm, "promise.unclear", known)
    return None


def _spoken(dialogue: Dialogue, text: str) -> Dialogue:
    """The words for days tell the language, where they are of one alone."""
    said = plain(text)
    found = [name for name, words in _SPOKEN.items() if words.search(said)]
    return replace(dialogue, language=found[0]) if len(found) == 1 else dialogue


def promised(dialogue: Dialogue, day: date | None, known: Known) -> Turn:
    """Take a promise for all that is open, or ask again where that day cannot be."""
    today = today_of(known)
    if day is None or day < today:
        return _ask(dialogue, "promise.unclear", known)
    debts = [debt for debt in _open(known) if _lasts(debt, day, known)]
    if day > today + timedelta(days=MOST_DAYS) or not debts:
        return _ask(dialogue, "promise.too_far", known, {"until": _day_value(_latest(known))})
    values = {
        "day": _day_value(day),
        "totals": totals(debts),
        "is_today": day == today,
        "will_write": known.wants_reminders and not known.is_stopped,
    }
    other = Option("promise.label_other", Act.PROMISE_OTHER)
    pay = tuple(map(pay_option, debts[:LISTED])) if day == today else ()
    say = Say("promise.noted", values, (*pay, other))
    return Turn(dialogue, (say,), (MakePromise(tuple(debt.payment_id for debt in debts), day),))


def on_day(dialogue: Dialogue, data: Mapping[str, object], known: Known) -> Turn:
    """What the button of a day does."""
    if not known.is_identified:
        return ask_who(dialogue, known)
    if not _open(known):
        return Turn(dialogue, (Say("customer.nothing_owed"),))
    day = data.get("day")
    return promised(dialogue, date.fromisoformat(day) if isinstance(day, str) else None, known)


def other_day(dialogue: Dialogue, known: Known) -> Turn:
    """Have the customer write the day."""
    if not known.is_identified:
        return ask_who(dialogue, known)
    if not _open(known):
        return Turn(dialogue, (Say("customer.nothing_owed"),))
    until = _day_value(_latest(known))
    return Turn(replace(dialogue, is_day_awaited=True), (Say("promise.which", {"until": until}),))


def _ask(
    dialogue: Dialogue, phrase: str, known: Known, values: Mapping[str, object] | None = None
) -> Turn:
    tomorrow = today_of(known) + timedelta(days=1)
    friday = tomorrow + timedelta(days=(_FRIDAY - tomorrow.weekday() - 1) % 7 + 1)
    days = [day for day in (tomorrow, friday) if day <= _latest(known)]
    options = [
        Option(
            "promise.label_tomorrow" if day == tomorrow else "promise.label_day",
            Act.PROMISE,
            {"day": day.isoformat()},
            {"day": _day_value(day)},
        )
        for day in days
    ]
    other = Option("promise.label_other", Act.PROMISE_OTHER)
    return Turn(dialogue, (Say(phrase, values or {}, (*options, other)),))


def _open(known: Known) -> Sequence[Debt]:
    return [debt for debt in known.debts if debt.state in _PAYABLE]


def _is_name(reference: str | None, known: Known) -> bool:
    """Whether what looks like a name is one of this customer's payments, and so no date."""
    name = (reference or "").casefold()
    return any(name in debt.names for debt in known.debts)


def _latest(known: Known) -> date:
    """The last day that may be promised: before the last of the open payments ends."""
    latest = today_of(known) + timedelta(days=MOST_DAYS)
    if all(debt.expires_at is not None for debt in _open(known)):
        return min(latest, max(_last_day(debt, known) or latest for debt in _open(known)))
    return latest


def _lasts(debt: Debt, day: date, known: Known) -> bool:
    last = _last_day(debt, known)
    return last is None or day <= last


def _last_day(debt: Debt, known: Known) -> date | None:
    if debt.expires_at is None:
        return None
    return debt.expires_at.astimezone(ZoneInfo(known.time_zone)).date()


def _day_value(day: date) -> dict[str, object]:
    return {"date": day.isoformat()}
