"""Payments that come back, asked for from a staff chat: a confirm card, a list, and its buttons."""

from collections.abc import Callable, Mapping
from datetime import date

from bot.domain.cards import hide_cards
from bot.domain.commands import Asked, ChargeError, parse_charge
from bot.domain.identity import mask
from bot.domain.money import Money
from bot.domain.recurring import Rule, RuleError, days_of, document, rule_of
from bot.domain.recurring_words import take_rule
from bot.domain.schedule import Ask, Schedule, ScheduleStatus
from bot.domain.staff import Action
from bot.domain.staff_dialogue import Draft
from bot.handlers import schedules, staff_charge, staff_pin
from bot.handlers.payment import RequestError
from bot.handlers.schedules import ScheduleRequest
from bot.handlers.staff_desk import IDLE, Desk
from bot.store import payments, people
from bot.store import schedules as schedule_store

CARD = "staff_schedule"
_LISTED = 8
_NEW = "new"


def schedule(desk: Desk, asked: Asked) -> None:
    """Read "/programar …" and show what it means; without words list what there is."""
    if not asked.words:
        _list(desk)
        return
    rules = desk.rules
    try:
        charge = parse_charge(asked.words, region=rules.region, currencies=rules.currencies)
        rule, rest = take_rule(tuple((charge.concept or "").split()))
    except ChargeError as error:
        desk.say(f"wrong_{error.problem.value}", {"currencies": sorted(rules.currencies)})
        desk.say("schedule_usage")
        return
    except RuleError:
        desk.say("schedule_usage")
        return
    concept = hide_cards(" ".join(rest)) or None
    _show_draft(desk, Draft.of(charge).to_slots() | {"concept": concept}, rule)


def _show_draft(desk: Desk, slots: Mapping[str, object], rule: Rule) -> None:
    """Show the confirm card; its buttons work for this very draft and no other."""
    draft, draft_id = Draft.from_slots(slots), desk.rules.new_id()
    request = _request(desk, draft, rule, draft_id)
    if not _is_allowed(desk, request.ask.money):
        return
    try:
        schedules.check_ask(desk.rules, request.ask)
        coming = schedules.first_slots(desk.rules, request, desk.tx.now)
    except RequestError as error:
        desk.say("not_possible", {"why": {"reason": str(error)}})
        return
    desk.go_to(CARD, draft=draft.to_slots(), rule=document(rule), draft_id=draft_id)
    desk.say(
        "schedule_card",
        _values(request.ask, rule, coming=days_of(coming), status=_NEW),
        choices=(
            desk.choice("schedule_confirm", "schedule", draft=draft_id),
            desk.choice("drop", "schedule_drop", draft=draft_id),
        ),
    )


def _is_allowed(desk: Desk, money: Money) -> bool:
    """Whether the role may have this asked for time and again, by nobody else; if not, says why."""
    if not staff_charge.is_within_caps(desk, money):
        return False
    if desk.rules.caps.needs_second(desk.staff.role, money):
        desk.say("schedule_too_much")
        return False
    return True


def _request(desk: Desk, draft: Draft, rule: Rule, draft_id: str) -> ScheduleRequest:
    phone, money, at = draft.phone, draft.money, desk.message.sender
    if phone is None or money is None:
        raise TypeError("a card is shown for a complete draft")
    customer = people.find_customer(desk.tx, phone=phone)
    route = staff_charge.route_of(desk, draft, customer)
    name = None if customer is None else customer.name
    return ScheduleRequest(
        ask=Ask(phone, money, route, name=name, concept=draft.concept),
        rule=rule,
        created_by=desk.staff.actor,
        request_hash=payments.request_hash(draft.to_slots() | {"rule": document(rule)}),
        notify=f"{at.channel.value}:{at.value}",
        idempotency_key=f"chat:{draft_id}",
    )


def on_button(desk: Desk, action: str, data: Mapping[str, object], *, is_proved: bool) -> None:
    """Do what a button of the confirm card, the list or a schedule's card says."""
    if action in _OF_SCHEDULE:
        _act(desk, action, str(data["schedule"]))
        return
    slots, is_here = desk.conversation.slots, is_proved or desk.conversation.state == CARD
    if not is_here or slots.get("draft_id") != data["draft"]:
        desk.say("button_gone")
    elif action == "schedule_drop":
        desk.go_to(IDLE)
        desk.say("dropped", replaces=desk.tapped)
    elif not desk.may(Action.SCHEDULE):
        desk.go_to(IDLE)
        desk.say("forbidden")
    elif desk.needs_pin(Action.SCHEDULE) and not is_proved:
        staff_pin.ask(desk, "schedule", data)
    else:
        _add(desk, slots)


def _add(desk: Desk, slots: Mapping[str, object]) -> None:
    """Write the schedule of the card; a second time for one card changes nothing."""
    draft, rule = Draft.from_slots(slots.get("draft")), slots.get("rule")
    request = _request(
        desk, draft, rule_of(rule if isinstance(rule, Mapping) else {}), str(slots["draft_id"])
    )
    desk.go_to(IDLE)
    if not _is_allowed(desk, request.ask.money):
        return
    try:
        added = schedules.add(desk.tx, desk.rules, request)
    except RequestError as error:
        desk.say("not_possible", {"why": {"reason": str(error)}})
        return
    _show(desk, added.schedule)


def _list(desk: Desk) -> None:
    """What is not over, the newest first: one's own, or everybody's for those who see all."""
    sees_all = desk.may(Action.SEE_ALL)
    found = schedule_store.page(
        desk.tx,
        statuses=(ScheduleStatus.ACTIVE, ScheduleStatus.PAUSED),
        created_by=None if sees_all else desk.staff.actor_prefix,
        limit=_LISTED,
    )
    choices = tuple(
        desk.choice("schedule_open", "schedule_show", {"number": number}, schedule=each.id)
        for number, each in enumerate(found, 1)
    )
    desk.say("schedules", {"schedules": [_line(each) for each in found]}, choices=choices)


def _line(found: Schedule) -> dict[str, object]:
    coming = None if found.next is None else {"date": found.next.day.isoformat()}
    return {
        "amount": _money(found.ask.money),
        "who": found.ask.name or {"text": mask(found.ask.phone)},
        "concept": found.ask.concept,
        "next": coming,
    }


def _act(desk: Desk, action: str, schedule_id: str) -> None:
    needed, act = _OF_SCHEDULE[action]
    found = schedule_store.read(desk.tx, schedule_id)
    if not desk.may(needed):
        desk.say("forbidden")
    elif found is None or not _can_see(desk, found):
        desk.say("button_gone")
    else:
        try:
            act(desk, found)
        except RequestError as error:
            desk.say("not_possible", {"why": {"reason": str(error)}})


def _can_see(desk: Desk, found: Schedule) -> bool:
    return desk.may(Action.SEE_ALL) or found.created_by.startswith(desk.staff.actor_prefix)


def _show(desk: Desk, found: Schedule) -> None:
    """A schedule's card, with the buttons of whoever may move it."""
    coming = schedules.upcoming(desk.tx, desk.rules, found)
    values = _values(found.ask, found.rule, coming=days_of(coming), status=found.status.value)
    names: tuple[str, ...] = ()
    if desk.may(Action.MANAGE_SCHEDULES):
        names = _BUTTONS[found.status]
    choices = tuple(
        desk.choice(f"schedule_{name}", f"schedule_{name}", schedule=found.id) for name in names
    )
    desk.say("schedule_card", values, choices=choices, replaces=desk.tapped)


_BUTTONS: Mapping[ScheduleStatus, tuple[str, ...]] = {
    ScheduleStatus.ACTIVE: ("pause", "skip", "remove"),
    ScheduleStatus.PAUSED: ("resume", "remove"),
    ScheduleStatus.ENDED: (),
}


def _pause(desk: Desk, found: Schedule) -> None:
    _show(desk, schedules.pause(desk.tx, found.id, by=desk.staff.actor))


def _resume(desk: Desk, found: Schedule) -> None:
    _show(desk, schedules.resume(desk.tx, desk.rules, found.id, by=desk.staff.actor))


def _skip(desk: Desk, found: Schedule) -> None:
    _show(desk, schedules.skip(desk.tx, desk.rules, found.id, by=desk.staff.actor))


def _ask_remove(desk: Desk, found: Schedule) -> None:
    """Ask first: nothing leads back from the end."""
    choices = (
        desk.choice("schedule_end", "schedule_end", schedule=found.id),
        desk.choice("schedule_keep", "schedule_show", schedule=found.id),
    )
    desk.say("schedule_remove", _line(found), choices=choices, replaces=desk.tapped)


def _remove(desk: Desk, found: Schedule) -> None:
    _show(desk, schedules.remove(desk.tx, found.id, by=desk.staff.actor))


_OF_SCHEDULE: Mapping[str, tuple[Action, Callable[[Desk, Schedule], None]]] = {
    "schedule_show": (Action.SCHEDULE, _show),
    "schedule_pause": (Action.MANAGE_SCHEDULES, _pause),
    "schedule_resume": (Action.MANAGE_SCHEDULES, _resume),
    "schedule_skip": (Action.MANAGE_SCHEDULES, _skip),
    "schedule_remove": (Action.MANAGE_SCHEDULES, _ask_remove),
    "schedule_end": (Action.MANAGE_SCHEDULES, _remove),
}
"""What each button of a schedule needs of a role, and does."""


def _values(ask: Ask, rule: Rule, *, coming: list[date], status: str) -> dict[str, object]:
    kept: dict[str, object] = {
        "every": 1,
        "day": None,
        "weekdays": [],
        "at": None,
        "expression": None,
    }
    return {
        **kept,
        **{name: value for name, value in document(rule).items() if name != "since"},
        "amount": _money(ask.money),
        "currency": ask.money.currency,
        "phone": {"text": ask.phone if status == _NEW else mask(ask.phone)},
        "name": ask.name,
        "concept": ask.concept,
        "channels": [{"word": f"channel.{name}"} for name in ask.route],
        "coming": [{"date": str(day)} for day in coming],
        "status": status,
    }


def _money(money: Money) -> dict[str, object]:
    return {"minor": money.minor, "currency": money.currency}
