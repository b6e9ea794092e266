"""The PIN of staff who are known by a number alone: choosing it, and asking for it."""

import secrets
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from bot.domain.payment import Payment
from bot.domain.pins import MAX_TRIES, Tries, fits, hash_pin, is_too_easy, looks_like_pin
from bot.domain.staff import Action
from bot.handlers.staff_desk import IDLE, Desk
from bot.store import payments
from bot.store import staff as staff_store

NEW_PIN = "staff_new_pin"
PIN = "staff_pin"
_SALT_BYTES = 16
_WAITS = timedelta(minutes=10)


def ask_new(desk: Desk) -> None:
    """Have a PIN chosen."""
    desk.go_to(NEW_PIN)
    desk.say("pin_choose")


def on_new(desk: Desk) -> None:
    """Take the PIN that was chosen."""
    given = desk.message.text.strip()
    if not looks_like_pin(given) or is_too_easy(given):
        desk.say("pin_unfit")
        return
    staff_store.set_pin(desk.tx, desk.staff.id, hash_pin(given, secrets.token_bytes(_SALT_BYTES)))
    staff_store.audit(desk.tx, desk.staff.actor, "pin chosen", None, None, None)
    desk.go_to(IDLE)
    desk.say("pin_chosen")


def ask(desk: Desk, action: str, data: Mapping[str, object]) -> None:
    """Ask for the PIN before `action` is done with `data`; it is done once the PIN fits."""
    if desk.staff.pin_hash is None:
        ask_new(desk)
        return
    until = desk.tx.now + _WAITS
    pending = {"action": action, "data": dict(data), "until": until.isoformat()}
    slots = {name: value for name, value in desk.conversation.slots.items() if name != "pending"}
    desk.go_to(PIN, **{**slots, "pending": pending})
    desk.say("pin_ask")


def on_answer(desk: Desk) -> tuple[str, Mapping[str, object]] | None:
    """Look at the PIN that was given; give what waited for it, None if it stays undone."""
    pending = desk.conversation.slots.get("pending")
    kept = desk.staff.pin_hash
    if not isinstance(pending, Mapping) or kept is None:
        desk.go_to(IDLE)
        desk.say("button_gone")
        return None
    if datetime.fromisoformat(str(pending["until"])) <= desk.tx.now:
        desk.go_to(IDLE)
        desk.say("button_gone")
        return None
    tries = _tries(desk)
    if tries.is_locked(desk.tx.now):
        desk.say("pin_locked", {"until": _moment(tries.locked_until)})
        return None
    if not fits(desk.message.text.strip()[:64], kept):
        _on_wrong(desk, tries.failed(desk.tx.now))
        return None
    _keep(desk, Tries())
    data = pending["data"]
    return str(pending["action"]), data if isinstance(data, Mapping) else {}


def _on_wrong(desk: Desk, tries: Tries) -> None:
    _keep(desk, tries)
    if tries.locked_until is None:
        desk.say("pin_wrong", {"left": MAX_TRIES - tries.wrong})
        return
    staff_store.audit(desk.tx, desk.staff.actor, "pin locked", None, None, None)
    desk.say("pin_locked", {"until": _moment(tries.locked_until)})


def _tries(desk: Desk) -> Tries:
    kept = desk.conversation.slots.get("pin")
    if not isinstance(kept, Mapping):
        return Tries()
    until = kept.get("locked_until")
    locked_until = datetime.fromisoformat(until) if isinstance(until, str) else None
    return Tries(int(kept.get("wrong", 0)), locked_until)


def _keep(desk: Desk, tries: Tries) -> None:
    until = tries.locked_until
    kept = {"wrong": tries.wrong, "locked_until": None if until is None else until.isoformat()}
    slots = {**desk.conversation.slots, "pin": kept}
    desk.conversation = replace(desk.conversation, slots=slots)


def _moment(at: datetime | None) -> object:
    return None if at is None else {"at": at.isoformat()}


def admit(
    desk: Desk, needed: Action, action: str, data: Mapping[str, object], *, is_proved: bool
) -> Payment | None:
    """The payment that a button is about, locked, if its presser may act on it now; else say why.

    The role is looked at again, and the PIN is asked for where it is needed and was not given.
    """
    payment = payments.read(desk.tx, str(data["payment"]), lock=True)
    if not desk.may(needed):
        desk.say("forbidden")
    elif payment is None or not desk.can_see(payment):
        desk.say("not_found")
    elif desk.needs_pin(needed) and not is_proved:
        ask(desk, action, data)
    else:
        if is_proved:
            desk.go_to(IDLE)
        return payment
    return None
