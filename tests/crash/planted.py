"""The faults that the controls plant: each takes one promise out of the product."""

import functools
import hmac
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest
import sqlalchemy as sa

from bot.coordination.local import LocalCoordination
from bot.domain.delivery import Purpose
from bot.domain.money import Money
from bot.domain.payment import Fact, LinkFold, fold_link
from bot.handlers import creation, facts, fallback, firing, outgoing
from bot.handlers.payment import create_payment
from bot.handlers.planning import plan_message
from bot.migo import callback as migo_callback
from bot.migo import decode_amount
from bot.relay import Relay
from bot.store import claims, links, payments, waiting
from bot.store import schedules as schedule_store
from bot.store.claims import OutboxItem
from bot.store.engine import Store, Tx
from tests.contract import test_books_races as races_suite
from tests.crash import mortal, powerloss

Patch = pytest.MonkeyPatch
IMPATIENT_S = 8.0


def answer_before_commit(patch: Patch) -> None:
    _in_the_recorded(
        patch,
        """
offer = Door.offer
def early(self, item):
    done = asyncio.get_running_loop().create_future()
    done.set_result(None)
    asyncio.get_running_loop().call_later(0.05, offer, self, item)
    return done
Door.offer = early
""",
    )


def synchronous_normal(patch: Patch) -> None:
    _in_the_recorded(
        patch,
        """
with store.engine.connect() as connection:
    connection.connection.driver_connection.execute("PRAGMA synchronous=NORMAL")
""",
    )


def _in_the_recorded(patch: Patch, program: str) -> None:
    patch.setattr(powerloss, "powerloss", functools.partial(powerloss.powerloss, fault=program))


def receipt_without_outbox(patch: Patch) -> None:
    def planned(tx: Tx, rules: Any, payment: Any, purpose: Purpose, **details: Any) -> bool:
        if purpose is Purpose.RECEIPT:
            return True
        return plan_message(tx, rules, payment, purpose, **details)

    patch.setattr(facts, "plan_message", planned)


def fallback_makes_a_new_link(patch: Patch) -> None:
    patch.setattr(fallback, "_may_replace", lambda tx, rules, item, channel: item.link is not None)
    supersede = links.supersede

    def unproven(tx: Tx, link_id: int, **why: Any) -> None:
        tx.run(sa.text("update link set exposed_at = null where id = :id"), {"id": link_id})
        supersede(tx, link_id, **why)

    patch.setattr(links, "supersede", unproven)


def latch_after_send(patch: Patch) -> None:
    patch.setattr(links, "expose", lambda tx, link_ids: set(link_ids))


def last_callback_wins(patch: Patch) -> None:
    def last(expected: Money, known: Sequence[Fact]) -> LinkFold:
        return fold_link(expected, list(known)[-1:])

    patch.setattr(facts, "fold_link", last)


def no_slot_key(patch: Patch) -> None:
    patch.setattr(schedule_store, "_DUE_LOCKED", schedule_store._DUE)
    patch.setattr(schedule_store, "record", lambda tx, schedule_id, days, state, **why: len(days))
    patch.setattr(
        firing,
        "create_payment",
        lambda tx, rules, request: create_payment(
            tx, rules, replace(request, idempotency_key=None)
        ),
    )


def money_leaves_reminders(patch: Patch) -> None:
    cancel = waiting.cancel_waiting

    def others(tx: Tx, *, purposes: Collection[Purpose], **how: Any) -> list[int]:
        return cancel(tx, purposes=set(purposes) - {Purpose.REMINDER}, **how)

    patch.setattr(waiting, "cancel_waiting", others)


def recreate_after_exposure(patch: Patch) -> None:
    patch.setattr(creation, "has_no_reader", lambda tx, rules: True)


def redis_only_wake_up(patch: Patch) -> None:
    async def forever(self: LocalCoordination, topic: str, timeout_s: float) -> bool:
        event = self._event(topic)
        event.clear()
        await event.wait()
        event.clear()
        return True

    patch.setattr(LocalCoordination, "wait", forever)
    patch.setattr(mortal, "_wake_all", lambda tx: None)
    patch.setattr(mortal, "REST_S", IMPATIENT_S)


def attempts_counted_after_work(patch: Patch) -> None:
    take = claims.take

    def uncounted(tx: Tx, **how: Any) -> list[OutboxItem]:
        taken = take(tx, **how)
        for item in taken:
            less = "update outbox set tries = tries - 1 where id = :id"
            tx.run(sa.text(less), {"id": item.id})
        return [item._replace(tries=item.tries - 1) for item in taken]

    patch.setattr(claims, "take", uncounted)


def no_uid_lock_and_no_sweep(patch: Patch) -> None:
    patch.setattr(links, "lock_uid", lambda tx, uid: None)
    together = functools.partial(races_suite.collide, commit_together=True)
    patch.setattr(races_suite, "collide", together)


def amount_times_100(patch: Patch) -> None:
    def hundredfold(*read: Any) -> Money:
        money = decode_amount(*read)
        return replace(money, minor=money.minor * 100)

    patch.setattr(migo_callback, "decode_amount", hundredfold)


def retry_without_key(patch: Patch) -> None:
    once = Store._run_together

    def twice(self: Store, group: list[Any]) -> set[str]:
        return once(self, group) | once(self, group)

    patch.setattr(Store, "_run_together", twice)
    patch.setattr(payments, "find_repeat", lambda tx, **keys: None)
    patch.setattr(mortal, "REST_S", IMPATIENT_S)


def secrets_as_text(patch: Patch) -> None:
    def admits(self: migo_callback.CallbackGate, headers: Mapping[str, str]) -> bool:
        given = headers.get(self._header, "")
        return any(hmac.compare_digest(given, secret.decode()) for secret in self._secrets)

    patch.setattr(migo_callback.CallbackGate, "admits", admits)


def worker_returns_silently(patch: Patch) -> None:
    async def nothing(self: Relay, lane: Any) -> None:
        """Look like a loop that has ended well."""

    patch.setattr(Relay, "_drain", nothing)
    patch.setattr(mortal, "REST_S", IMPATIENT_S)


def stop_not_heeded(patch: Patch) -> None:
    patch.setattr(outgoing, "_is_reachable", lambda tx, rules, item: True)
