"""What may be asked of `/v1/schedules`, and how a schedule is shown there."""

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from typing import Annotated
from zoneinfo import ZoneInfo

from pydantic import (
    AfterValidator,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainValidator,
    WithJsonSchema,
)
from typing_extensions import TypedDict

from bot.domain.money import Money
from bot.domain.recurring import Rule, document, write_rule
from bot.domain.recurring_words import EXAMPLES, read_rule
from bot.domain.schedule import Ask, Run, Schedule
from bot.handlers.payment import RequestError
from bot.handlers.rules import Rules
from bot.handlers.schedules import ScheduleRequest, first_slots
from bot.store import payments
from bot.web import bodies
from bot.web.bodies import AskBody, CancelBody, Fault, FaultyError
from bot.web.described import EXAMPLE
from bot.web.views import CustomerView, rfc3339

MAX_AHEAD = timedelta(days=5 * 366)
"""How far ahead a schedule may begin or end: a slip of the year must not become a plan."""

_ZONE_CHARS = 64


def _rule(value: object) -> Rule:
    if isinstance(value, dict) or (isinstance(value, str) and value.strip()):
        return read_rule(value)
    raise ValueError(f"must be a rule, as one of these: {EXAMPLES}")


def _day(value: object) -> date:
    if isinstance(value, date) and not isinstance(value, datetime):
        return value
    try:
        return date.fromisoformat(value if isinstance(value, str) else "")
    except ValueError:
        raise ValueError("must be a date, as 2026-01-31") from None


def _time_zone(value: str) -> str:
    try:
        return ZoneInfo(value[:_ZONE_CHARS]).key
    except (KeyError, ValueError, OSError):
        raise ValueError("must be a time zone, as America/Guatemala") from None


_RULE_SCHEMA = {
    "description": EXAMPLES,
    "anyOf": [{"type": "string"}, {"type": "object"}],
}
RuleField = Annotated[Rule, PlainValidator(_rule), WithJsonSchema(_RULE_SCHEMA)]
Day = Annotated[date, BeforeValidator(_day)]
TimeZone = Annotated[str, AfterValidator(_time_zone)]
DueAfter = Annotated[int, Field(ge=0, le=bodies.MAX_AHEAD.days)]


class ScheduleBody(AskBody):
    """A schedule as asked for over `/v1`; without a time zone its dates are the merchant's."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{**EXAMPLE, "rule": "monthly 31 09:00"}]}
    )

    rule: RuleField
    starts_on: Day | None = None
    ends_on: Day | None = None
    time_zone: TimeZone | None = None
    due_after_days: DueAfter | None = None

    def crossed(self) -> Iterator[Fault]:
        """Fields that do not fit each other."""
        yield from super().crossed()
        ends_on = self.ends_on
        if self.starts_on is not None and ends_on is not None and ends_on < self.starts_on:
            yield Fault("ends_on", "must not come before starts_on")

    def request(self, idempotency_key: str | None) -> ScheduleRequest:
        """The same for the handlers; what tells a repeat is the meaning, not the spelling."""
        said = self.model_dump(exclude_none=True, exclude={"channel", "route", "rule"})
        meant = said | {"route": self.way, "rule": document(self.rule)}
        return ScheduleRequest(
            ask=self._ask(),
            rule=self.rule,
            created_by=self.created_by,
            request_hash=payments.request_hash(meant),
            time_zone=self.time_zone,
            starts_on=self.starts_on,
            ends_on=self.ends_on,
            notify=self.notify,
            idempotency_key=idempotency_key,
        )

    def _ask(self) -> Ask:
        return Ask(
            phone=self.customer.phone,
            money=Money(self.amount_minor, self.currency),
            route=self.way,
            name=self.customer.name,
            email=self.customer.email,
            locale=self.customer.locale,
            telegram_chat_id=self.customer.telegram_chat_id,
            concept=self.concept,
            reminders=self.reminders,
            due_after_days=self.due_after_days,
        )


class SkipBody(CancelBody):
    """Which period to leave out: the next, or the one of a date."""

    on: Day | None = None


def check_now(body: ScheduleBody, rules: Rules, now: datetime) -> None:
    """Check what depends on the time and on this installation.

    Raises:
        FaultyError: a channel is off, a currency not enabled, or the rule has no date to come.
    """
    faults = [*bodies.off_here(body, rules), *_ill_timed(body, rules, now)]
    if not faults:
        try:
            first_slots(rules, body.request(None), now)
        except RequestError as error:
            faults.append(Fault("rule", str(error)))
    if faults:
        raise FaultyError(faults)


def _ill_timed(body: ScheduleBody, rules: Rules, now: datetime) -> Iterator[Fault]:
    today = now.astimezone(ZoneInfo(body.time_zone or rules.time_zone)).date()
    for name, day in (("starts_on", body.starts_on), ("ends_on", body.ends_on)):
        if day is not None and not today <= day <= today + MAX_AHEAD:
            yield Fault(name, "must be today or later, five years ahead at most")


class RunView(TypedDict):
    """What became of one period."""

    on: str
    state: str
    payment_id: str | None
    why: str | None
    at: str


class ScheduleView(TypedDict):
    """A schedule; `next_on` and `next_at` are null unless it is active."""

    id: str
    status: str
    rule: dict[str, object]
    rule_text: str
    time_zone: str
    starts_on: str
    ends_on: str | None
    next_on: str | None
    next_at: str | None
    amount_minor: int
    currency: str
    customer: CustomerView
    route: list[str]
    concept: str | None
    reminders: object
    due_after_days: int | None
    notify: str | None
    created_by: str
    created_at: str


class ScheduleStory(ScheduleView):
    """A schedule with its next five dates and what became of its last fifty periods."""

    next_dates: list[str]
    runs: list[RunView]


def schedule_view(schedule: Schedule) -> ScheduleView:
    """One schedule as it is read."""
    ask, coming = schedule.ask, schedule.next
    return {
        "id": schedule.id,
        "status": schedule.status.value,
        "rule": document(schedule.rule),
        "rule_text": write_rule(schedule.rule),
        "time_zone": schedule.time_zone,
        "starts_on": schedule.starts_on.isoformat(),
        "ends_on": None if schedule.ends_on is None else schedule.ends_on.isoformat(),
        "next_on": None if coming is None else coming.day.isoformat(),
        "next_at": None if coming is None else rfc3339(coming.at),
        "amount_minor": ask.money.minor,
        "currency": ask.money.currency,
        "customer": {
            "phone": ask.phone,
            "name": ask.name,
            "email": ask.email,
            "locale": ask.locale,
            "telegram_chat_id": ask.telegram_chat_id,
        },
        "route": list(ask.route),
        "concept": ask.concept,
        "reminders": ask.reminders,
        "due_after_days": ask.due_after_days,
        "notify": schedule.notify,
        "created_by": schedule.created_by,
        "created_at": rfc3339(schedule.created_at),
    }


def run_view(run: Run) -> RunView:
    """One period as it is read."""
    return {
        "on": run.day.isoformat(),
        "state": run.state.value,
        "payment_id": run.payment_id,
        "why": run.why,
        "at": rfc3339(run.at),
    }
