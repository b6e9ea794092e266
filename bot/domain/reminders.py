"""Reminder plans: which reminders a payment gets, in which tone, on which local dates."""

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from functools import lru_cache
from typing import assert_never

from bot.domain.calendars import MAX_STEPS

_MAX_DAYS = 365
_ONE_DAY = timedelta(days=1)


class PlanError(ValueError):
    """A plan cannot be read; the text says which step and how to write it."""


class Anchor(StrEnum):
    """What a step counts its days from."""

    CREATED = "created"
    """The day the payment was to be sent."""
    DUE = "due"
    """The day it is due."""
    EXPIRY = "expiry"
    """The day we stop asking."""


class Tone(StrEnum):
    """Which text a reminder has."""

    FRIENDLY = "friendly"
    """Before it is urgent."""
    DUE = "due"
    """It is due."""
    LAST = "last"
    """The last one; none follows."""
    PROMISED = "promised"
    """On the day that the customer named."""


@dataclass(frozen=True, slots=True)
class Step:
    """One reminder of a plan: so many days after its anchor, before it if negative."""

    anchor: Anchor
    days: int
    tone: Tone

    def __str__(self) -> str:
        """As it is written in a plan."""
        return f"{self.anchor.value}{self.days:+d} {self.tone.value}"


@dataclass(frozen=True, slots=True)
class Plan:
    """Steps for a payment without a due date, and for one with it."""

    no_due: tuple[Step, ...]
    due: tuple[Step, ...]


DEFAULT_PLAN = Plan(
    no_due=(
        Step(Anchor.CREATED, 1, Tone.FRIENDLY),
        Step(Anchor.CREATED, 3, Tone.FRIENDLY),
        Step(Anchor.CREATED, 7, Tone.LAST),
    ),
    due=(
        Step(Anchor.DUE, -3, Tone.FRIENDLY),
        Step(Anchor.DUE, 0, Tone.DUE),
        Step(Anchor.DUE, 2, Tone.LAST),
    ),
)

_STEP = re.compile(r"(created|due|expiry)(?:\s*([+-])\s*(\d{1,3}))?(?:\s+(friendly|due|last))?")
_HOW = "write it as created+3, due-1 friendly, due, due+2 last or expiry-1 last"


def read_step(text: str) -> Step:
    """Read one step, as `created+3`, `due-1 friendly`, `due`, `expiry-1 last`.

    Raises:
        PlanError: what is wrong with it.
    """
    found = _STEP.fullmatch(text.strip().lower())
    if found is None:
        raise PlanError(f"{text[:40]!r} is no reminder step; {_HOW}")
    anchor = Anchor(found[1])
    days = int(f"{found[2]}{found[3]}") if found[3] else 0
    if abs(days) > _MAX_DAYS:
        raise PlanError(f"{text[:40]!r} is more than a year away")
    if anchor is Anchor.CREATED and days < 1:
        raise PlanError(f"{text[:40]!r} is not after the payment was made")
    if anchor is Anchor.EXPIRY and days > -1:
        raise PlanError(f"{text[:40]!r} is after the payment has expired")
    return Step(anchor, days, _tone_of(found[4], anchor, days))


def _tone_of(named: str | None, anchor: Anchor, days: int) -> Tone:
    if named is not None:
        return Tone(named)
    match anchor:
        case Anchor.DUE:
            return Tone.FRIENDLY if days < 0 else Tone.DUE if days == 0 else Tone.LAST
        case Anchor.EXPIRY:
            return Tone.LAST
        case Anchor.CREATED:
            return Tone.FRIENDLY
        case _:
            assert_never(anchor)


def read_steps(texts: Sequence[object], *, max_steps: int) -> tuple[Step, ...]:
    """Read the steps of a plan.

    Raises:
        PlanError: one of them cannot be read, or there are too many.
    """
    if len(texts) > max_steps:
        raise PlanError(f"{len(texts)} reminders are too many; at most {max_steps} are allowed")
    steps = tuple(read_step(text if isinstance(text, str) else repr(text)) for text in texts)
    if len(set(steps)) < len(steps):
        raise PlanError("a reminder step is named twice")
    return steps


def read_plans(text: str, *, max_steps: int) -> Mapping[str, Plan]:
    """Read a merchant's own plans: a TOML table a plan, with `no_due` and `due` lists of steps.

    A table named `default` takes the place of the built-in plan; a list left out is the built-in's.

    Raises:
        PlanError: what is wrong, and in which plan.
    """
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise PlanError(f"the file is not TOML: {error}") from None
    return {name: _plan_of(name, table, max_steps) for name, table in tables.items()}


def _plan_of(name: str, table: object, max_steps: int) -> Plan:
    if name == "off" or not isinstance(table, dict):
        raise PlanError(f"{name}: a plan is a table with the lists no_due and due")
    unknown = set(table) - {"no_due", "due"}
    if unknown:
        raise PlanError(f"{name}: {sorted(unknown)[0]} is not known; use no_due and due")
    lists = {}
    for key in ("no_due", "due"):
        given = table.get(key)
        if given is None:
            lists[key] = getattr(DEFAULT_PLAN, key)
            continue
        if not isinstance(given, list):
            raise PlanError(f"{name}.{key} is no list of steps; {_HOW}")
        try:
            lists[key] = read_steps(given, max_steps=max_steps)
        except PlanError as error:
            raise PlanError(f"{name}.{key}: {error}") from None
    if any(step.anchor is Anchor.DUE for step in lists["no_due"]):
        raise PlanError(f"{name}.no_due counts from a due date that is not there")
    return Plan(**lists)


def plan_of(
    wanted: object, plans: Mapping[str, Plan], *, max_steps: int = MAX_STEPS
) -> Plan | None:
    """The plan that a payment asks for: `default`, `off`, a plan's name, or a list of own steps.

    Returns:
        None where it wants no reminders.

    Raises:
        PlanError: there is no such plan, or a step cannot be read.
    """
    if wanted == "off":
        return None
    if isinstance(wanted, str):
        plan = plans.get(wanted, DEFAULT_PLAN if wanted == "default" else None)
        if plan is None:
            known = ", ".join(sorted({"default", "off", *plans}))
            raise PlanError(f"there is no reminder plan {wanted[:40]!r}; known: {known}")
        return plan
    if isinstance(wanted, list | tuple):
        steps = read_steps(wanted, max_steps=max_steps)
        without = tuple(step for step in steps if step.anchor is not Anchor.DUE)
        return Plan(no_due=without, due=steps)
    raise PlanError("reminders is default, off, a plan's name or a list of steps")


@dataclass(frozen=True, slots=True)
class Times:
    """A payment's dates in the customer's zone.

    `has_own_expiry` says that somebody chose when to stop asking; then the last reminder is one day
    before it.
    """

    created: date
    due: date | None
    expires: date | None
    has_own_expiry: bool = False


@dataclass(frozen=True, slots=True)
class Planned:
    """One reminder of a series: its tone and its date in the customer's zone."""

    tone: Tone
    day: date


@lru_cache(maxsize=4096)
def dates_of(plan: Plan, times: Times) -> tuple[Planned, ...]:
    """The series of a payment in order, one a date.

    What would come on the day before the expiry or later comes on that day, once; what would come
    on the payment's first day or earlier is left out.
    """
    last = None if times.expires is None else times.expires - _ONE_DAY
    steps = plan.no_due if times.due is None else plan.due
    tones: dict[date, Tone] = {}
    for number, step in enumerate(steps, 1):
        day = _day_of(step, times)
        is_end = times.has_own_expiry and number == len(steps)
        if last is not None and (is_end or day is None or day >= last):
            tones[last] = Tone.LAST
        elif day is not None:
            tones[day] = step.tone
    days = sorted(day for day in tones if day > times.created)
    return tuple(Planned(tones[day], day) for day in days)


def _day_of(step: Step, times: Times) -> date | None:
    anchor = {Anchor.CREATED: times.created, Anchor.DUE: times.due, Anchor.EXPIRY: times.expires}
    found = anchor[step.anchor]
    return None if found is None else found + timedelta(days=step.days)
