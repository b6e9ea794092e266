"""Asking a customer for money from a staff chat: form, confirm card, limits, and the payment."""

from collections.abc import Mapping
from dataclasses import replace

from bot.domain.cards import hide_cards
from bot.domain.commands import ChargeError, ChargeProblem, parse_charge
from bot.domain.identity import mask
from bot.domain.money import Money
from bot.domain.payment import Customer, Payment
from bot.domain.staff import Action, CapProblem
from bot.domain.staff_dialogue import Draft, Step, answer
from bot.handlers import cards, staff_approval, staff_pin
from bot.handlers.limits import SAME_WITHIN, asked_today
from bot.handlers.payment import PaymentRequest, create_payment
from bot.handlers.replies import Choice
from bot.handlers.rules import Preview
from bot.handlers.staff_desk import IDLE, Desk
from bot.store import payments, people, sales
from bot.store import staff as staff_store
from channels.base import Address, ChannelName

FORM = "staff_form"
CARD = "staff_card"
_USUAL_ROUTE = (ChannelName.WHATSAPP, ChannelName.SMS)
_BY_HAND = "web"
_COURIERS = (ChannelName.WHATSAPP, ChannelName.SMS, ChannelName.TELEGRAM)


def begin(desk: Desk, words: tuple[str, ...]) -> None:
    """Read "/cobrar …"; what is missing or wrong is asked for, one thing at a time."""
    if not words:
        _ask(desk, Draft())
        return
    rules = desk.rules
    try:
        charge = parse_charge(words, region=rules.region, currencies=rules.currencies)
    except ChargeError as error:
        phone = error.phone
        known = Draft() if phone is None else Draft(phone=phone.e164, country=phone.country)
        _ask(desk, known, problem=error.problem)
        return
    _show(desk, _covered(Draft.of(charge)))


def on_answer(desk: Desk) -> None:
    """Take one answer to the form."""
    rules = desk.rules
    turn = answer(_draft(desk), desk.message.text, region=rules.region, currencies=rules.currencies)
    if turn.problem is not None or turn.draft.step is not Step.CONFIRM:
        _ask(desk, turn.draft, problem=turn.problem)
    else:
        _show(desk, _covered(turn.draft))


def _covered(draft: Draft) -> Draft:
    """The draft without a card number in its concept, which many will read."""
    if draft.concept is None:
        return draft
    return replace(draft, concept=hide_cards(draft.concept))


def shows_choices(desk: Desk) -> bool:
    """Whether the form's question on show has choices, so that a number may mean one."""
    return _draft(desk).step is Step.CONCEPT


def _draft(desk: Desk) -> Draft:
    return Draft.from_slots(desk.conversation.slots.get("draft"))


def _ask(desk: Desk, draft: Draft, *, problem: ChargeProblem | None = None) -> None:
    desk.go_to(FORM, draft=draft.to_slots())
    if problem is not None:
        desk.say(f"wrong_{problem.value}", {"currencies": sorted(desk.rules.currencies)})
    step = draft.step
    choices: tuple[Choice, ...] = ()
    if step is Step.CONCEPT:
        choices = (desk.choice("no_concept", "charge_no_concept"),)
    desk.say(f"ask_{step.value}", choices=choices)


def _show(desk: Desk, draft: Draft) -> None:
    """Show the confirm card; its buttons work for this very draft and no other."""
    phone, money = draft.phone, draft.money
    if phone is None or money is None:
        raise TypeError("a card is shown for a complete draft")
    if not is_within_caps(desk, money):
        _ask(desk, draft.without(Step.AMOUNT))
        return
    draft_id = desk.rules.new_id()
    desk.go_to(CARD, draft=draft.to_slots(), draft_id=draft_id)
    choices = (
        desk.choice("confirm", "charge", draft=draft_id),
        desk.choice("edit", "charge_edit", draft=draft_id),
        desk.choice("drop", "charge_drop", draft=draft_id),
    )
    desk.say(
        "confirm_card",
        _card_values(desk, draft, phone, money),
        choices=choices,
        replaces=desk.tapped,
    )


def _card_values(desk: Desk, draft: Draft, phone: str, money: Money) -> dict[str, object]:
    customer = people.find_customer(desk.tx, phone=phone)
    route = route_of(desk, draft, customer)
    first = route[0]
    preview = ""
    if first in set(ChannelName):
        name, locale = (None, None) if customer is None else (customer.name, customer.locale)
        wanted = Preview(ChannelName(first), money, name, draft.concept, locale)
        preview = desk.rules.preview(wanted)
    return {
        "amount": {"minor": money.minor, "currency": money.currency},
        "currency": money.currency,
        "phone": {"text": phone},
        "country": draft.country,
        "is_known": customer is not None,
        "name": None if customer is None else customer.name,
        "concept": draft.concept,
        "channels": [{"word": f"channel.{name}"} for name in route],
        "stopped": [{"word": f"channel.{name}"} for name in _stopped(desk, phone, customer, route)],
        "preview": {"text": preview} if preview else None,
        "needs_second": desk.rules.caps.needs_second(desk.staff.role, money),
    }


def _stopped(
    desk: Desk, phone: str, customer: Customer | None, route: tuple[str, ...]
) -> list[str]:
    """The channels of the route where the customer said stop, so that no link goes out there."""
    if customer is not None and people.wishes(desk.tx, customer.id).is_opted_out:
        return [name for name in route if name != _BY_HAND]
    chat = None if customer is None else people.telegram_chat(desk.tx, customer.id)
    at = {ChannelName.WHATSAPP: phone, ChannelName.SMS: phone, ChannelName.TELEGRAM: chat}
    known = [Address(name, value) for name, value in at.items() if value and name in route]
    found = {each.channel: people.reach_of(desk.tx, each) for each in known}
    return [name.value for name, reach in found.items() if reach and reach.reach == "opted_out"]


def route_of(desk: Desk, draft: Draft, customer: Customer | None) -> tuple[str, ...]:
    """Where the link goes: the channel that was named, else what usually reaches this customer."""
    if draft.channel is not None:
        return (draft.channel,)
    usual: list[str] = [name.value for name in _USUAL_ROUTE if name in desk.rules.couriers]
    has_chat = customer is not None and people.telegram_chat(desk.tx, customer.id) is not None
    if has_chat and ChannelName.TELEGRAM in desk.rules.couriers:
        usual.append(ChannelName.TELEGRAM.value)
    return tuple(usual) or (_BY_HAND,)


def is_within_caps(desk: Desk, money: Money) -> bool:
    """Whether the amount may be asked for; if not, says why."""
    staff, caps = desk.staff, desk.rules.caps
    today = asked_today(desk.tx, staff, money.currency)
    problem = caps.check(staff.role, money, today_minor=today)
    if problem is None:
        return True
    cap = caps.of(staff.role, money.currency)
    limit = 0 if cap is None else cap.per_payment
    if cap is not None and problem is CapProblem.PER_DAY:
        limit = max(0, cap.per_day - today)
    values = {"limit": {"minor": limit, "currency": money.currency}, "currency": money.currency}
    desk.say(f"cap_{problem.value}", values)
    return False


def on_button(desk: Desk, action: str, data: Mapping[str, object]) -> None:
    """Do what a button of the form or the card says, if the card is still the one on show."""
    if action == "charge_no_concept":
        _skip_concept(desk)
        return
    if desk.conversation.state != CARD or desk.conversation.slots.get("draft_id") != data["draft"]:
        desk.say("button_gone")
        return
    match action:
        case "charge_edit":
            _edit_menu(desk, str(data["draft"]))
        case "charge_field":
            _ask(desk, _draft(desk).without(Step(str(data["step"]))))
        case "charge_via":
            slots = _draft(desk).to_slots() | {"channel": data["channel"]}
            _show(desk, Draft.from_slots(slots))
        case "charge_drop":
            desk.go_to(IDLE)
            desk.say("dropped", replaces=desk.tapped)
        case _:
            _confirm(desk, str(data["draft"]), is_sure=bool(data.get("is_sure")))


def _skip_concept(desk: Desk) -> None:
    if desk.conversation.state != FORM or _draft(desk).step is not Step.CONCEPT:
        desk.say("button_gone")
        return
    _show(desk, Draft.from_slots(_draft(desk).to_slots() | {"is_concept_asked": True}))


def _edit_menu(desk: Desk, draft_id: str) -> None:
    fields = [
        desk.choice(f"edit_{step.value}", "charge_field", draft=draft_id, step=step.value)
        for step in (Step.PHONE, Step.AMOUNT, Step.CONCEPT)
    ]
    couriers = [name.value for name in _COURIERS if name in desk.rules.couriers]
    routes = [
        desk.choice(f"via_{channel}", "charge_via", draft=draft_id, channel=channel)
        for channel in (*couriers, _BY_HAND)
    ]
    desk.say("edit_menu", choices=(*fields, *routes), replaces=desk.tapped)


def _confirm(desk: Desk, draft_id: str, *, is_sure: bool) -> None:
    """The last questions before the payment: twice the same, and the PIN."""
    draft = _draft(desk)
    phone, money = draft.phone, draft.money
    if phone is None or money is None or not desk.may(Action.CHARGE):
        desk.say("forbidden")
        return
    since = desk.tx.now - SAME_WITHIN
    same = sales.same_since(desk.tx, phone=phone, money=money, since=since)
    if same is not None and not is_sure:
        values = {
            "amount": cards.money_of(same),
            "phone": mask(phone),
            "id": same.id,
            "minutes": int((desk.tx.now - same.created_at).total_seconds() // 60),
        }
        choices = (
            desk.choice("again", "charge", draft=draft_id, is_sure=True),
            desk.choice("drop", "charge_drop", draft=draft_id),
        )
        desk.say("ask_again", values, choices=choices, replaces=desk.tapped)
        return
    if desk.needs_pin(Action.CHARGE):
        staff_pin.ask(desk, "charge", {"draft": draft_id})
        return
    charge(desk, {"draft": draft_id})


def charge(desk: Desk, data: Mapping[str, object]) -> None:
    """Create the payment of the card; a second time for one card changes nothing."""
    draft, draft_id = _draft(desk), str(data["draft"])
    phone, money = draft.phone, draft.money
    if phone is None or money is None or desk.conversation.slots.get("draft_id") != draft_id:
        desk.go_to(IDLE)
        desk.say("button_gone")
        return
    if not desk.may(Action.CHARGE):
        desk.go_to(IDLE)
        desk.say("forbidden")
        return
    if not is_within_caps(desk, money):
        desk.go_to(IDLE)
        return
    created = create_payment(desk.tx, desk.rules, _request(desk, draft, phone, money, draft_id))
    desk.go_to(IDLE)
    if created.is_new:
        _announce(desk, created.payment)
    else:
        desk.say("button_gone")


def _request(desk: Desk, draft: Draft, phone: str, money: Money, draft_id: str) -> PaymentRequest:
    at = desk.message.sender
    customer = people.find_customer(desk.tx, phone=phone)
    return PaymentRequest(
        phone=phone,
        money=money,
        route=route_of(desk, draft, customer),
        created_by=desk.staff.actor,
        request_hash=payments.request_hash(draft.to_slots()),
        concept=draft.concept,
        idempotency_key=f"chat:{draft_id}",
        notify=f"{at.channel.value}:{at.value}",
        needs_approval=desk.rules.caps.needs_second(desk.staff.role, money),
    )


def _announce(desk: Desk, payment: Payment) -> None:
    """Turn the confirm card into the live one, and look for a second person where one is needed."""
    staff_store.audit(
        desk.tx, desk.staff.actor, "charged", payment.id, None, cards.money_of(payment)
    )
    cards.open_card(
        desk.tx,
        payment,
        desk.message.sender,
        locale=desk.staff.locale,
        can_edit=desk.message.sender.channel in desk.rules.edits,
        wants_qr=payment.route == (_BY_HAND,),
        replaces=desk.tapped,
        answers=desk.message.tap_id,
    )
    if payment.held_reason == cards.APPROVAL:
        staff_approval.ask_others(desk, payment)
