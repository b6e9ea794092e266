"""Planted faults: each must turn a scenario red, or that scenario proves nothing.

The switches are here and never in the product. Every probe is run without a fault first, for one
that is always red would seem to catch everything.
"""

import functools
import hmac
import tempfile
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from bot.coordination.local import LocalCoordination
from bot.domain.delivery import Purpose
from bot.domain.money import Money
from bot.domain.payment import Fact, LinkFold, fold_link
from bot.handlers import creation, facts, fallback, firing
from bot.handlers.payment import create_payment
from bot.handlers.planning import plan_message
from bot.handlers.rules import Dispatches
from bot.migo import callback as migo_callback
from bot.migo import decode_amount
from bot.relay import Relay
from bot.store import links, outbox, payments
from bot.store import schedules as schedule_store
from bot.store.engine import Store, Tx
from bot.store.migrate import migrate
from bot.store.outbox import OutboxItem
from tests.contract import test_books_facts, test_books_links, test_books_routes
from tests.contract import test_books_races as races_suite
from tests.contract.books_invariants import check_books
from tests.contract.world import World
from tests.crash import fuzz, machine, mortal, powerloss, races
from tests.crash.report import Report
from tests.crash.test_crash_points import live

Patch = pytest.MonkeyPatch
Probe = Callable[[str, int], Awaitable[Report]]
IMPATIENT_S = 8.0
BOOKS_STEPS = 500
_UNKNOWN_END = (
    test_books_links.test_an_unknown_end_is_a_persons_decision_where_migo_may_write_to_the_customer
)


@dataclass(frozen=True, slots=True)
class Control:
    """A fault, and the scenario that must see it with a length at which it does."""

    plant: Callable[[Patch], None]
    probe: str
    length: int = 1


async def _books(url: str, length: int) -> Report:
    return machine.drive("sqlite://", steps=length, first_seed=1, is_shrunk=False)


def _life(point: str) -> Probe:
    """One payment from the request to the receipt, with one death."""

    async def probe(url: str, length: int) -> Report:
        with tempfile.TemporaryDirectory(prefix="paybot-life-") as name, Patch.context() as patch:
            path = f"sqlite:///{name}/paybot.db"
            migrate(path)
            await live(Path(name), path, patch, point)
        return Report("life")

    return probe


def _told(test: Callable[..., Awaitable[None]], *how: object) -> Probe:
    """A test of the contract suite, on a file, and a look at all the books."""

    async def probe(url: str, length: int) -> Report:
        with tempfile.TemporaryDirectory(prefix="paybot-told-") as name:
            path = f"sqlite:///{name}/paybot.db"
            migrate(path)
            world = World(path)
            world.store.open()
            try:
                await test(world, *how)
                await world.run(lambda tx: check_books(tx, set()))
            finally:
                await world.store.close()
        return Report("told")

    return probe


async def _powerloss(url: str, length: int) -> Report:
    return powerloss.powerloss(cuts=length, seed=1)


async def _fuzz(url: str, length: int) -> Report:
    return await fuzz.fuzz("migo", cases=length, seed=1)


def _race(name: str) -> Probe:
    async def probe(url: str, length: int) -> Report:
        return await races.race(name, url, count=length)

    return probe


PROBES: Mapping[str, Probe] = {
    "books": _books,
    "life": _life("link settled"),
    "second try": _life("create accepted"),
    "orphans": _told(_UNKNOWN_END, Dispatches.UNKNOWN),
    "one link": _told(test_books_routes.test_after_an_uncertain_try_the_url_is_never_replaced),
    "any order": _told(test_books_facts.test_denied_after_approved_changes_nothing),
    "powerloss": _powerloss,
    "fuzz": _fuzz,
    "create_x_callback": _race("create_x_callback"),
    "two_schedulers": _race("two_schedulers"),
}
BASE = {
    "books": BOOKS_STEPS,
    "powerloss": 20,
    "fuzz": 300,
    "create_x_callback": 4,
    "two_schedulers": 4,
}
"""How long each probe is run without a fault."""


def _answer_before_commit(patch: Patch) -> None:
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


def _synchronous_normal(patch: Patch) -> None:
    _in_the_recorded(
        patch,
        """
with store.engine.connect() as connection:
    connection.connection.driver_connection.execute("PRAGMA synchronous=NORMAL")
""",
    )


def _in_the_recorded(patch: Patch, program: str) -> None:
    patch.setattr(powerloss, "powerloss", functools.partial(powerloss.powerloss, fault=program))


def _receipt_without_outbox(patch: Patch) -> None:
    def planned(tx: Tx, rules: Any, payment: Any, purpose: Purpose, **details: Any) -> bool:
        if purpose is Purpose.RECEIPT:
            return True
        return plan_message(tx, rules, payment, purpose, **details)

    patch.setattr(facts, "plan_message", planned)


def _fallback_makes_a_new_link(patch: Patch) -> None:
    patch.setattr(fallback, "_may_replace", lambda tx, rules, item, channel: item.link is not None)
    supersede = links.supersede

    def unproven(tx: Tx, link_id: int, **why: Any) -> None:
        tx.run(sa.text("update link set exposed_at = null where id = :id"), {"id": link_id})
        supersede(tx, link_id, **why)

    patch.setattr(links, "supersede", unproven)


def _latch_after_send(patch: Patch) -> None:
    patch.setattr(links, "expose", lambda tx, link_ids: set(link_ids))


def _last_callback_wins(patch: Patch) -> None:
    def last(expected: Money, known: Sequence[Fact]) -> LinkFold:
        return fold_link(expected, list(known)[-1:])

    patch.setattr(facts, "fold_link", last)


def _no_slot_key(patch: Patch) -> None:
    patch.setattr(schedule_store, "_DUE_LOCKED", schedule_store._DUE)
    patch.setattr(schedule_store, "record", lambda tx, schedule_id, days, state, **why: len(days))
    patch.setattr(
        firing,
        "create_payment",
        lambda tx, rules, request: create_payment(
            tx, rules, replace(request, idempotency_key=None)
        ),
    )


def _recreate_after_exposure(patch: Patch) -> None:
    patch.setattr(creation, "has_no_reader", lambda tx, rules: True)


def _redis_only_wake_up(patch: Patch) -> None:
    async def forever(self: LocalCoordination, topic: str, timeout_s: float) -> bool:
        event = self._event(topic)
        await event.wait()
        event.clear()
        return True

    patch.setattr(LocalCoordination, "wait", forever)
    patch.setattr(mortal, "_wake_all", lambda tx: None)
    patch.setattr(mortal, "REST_S", IMPATIENT_S)


def _attempts_counted_after_work(patch: Patch) -> None:
    take = outbox.take

    def uncounted(tx: Tx, **how: Any) -> list[OutboxItem]:
        taken = take(tx, **how)
        for item in taken:
            less = "update outbox set tries = tries - 1 where id = :id"
            tx.run(sa.text(less), {"id": item.id})
        return [replace(item, tries=item.tries - 1) for item in taken]

    patch.setattr(outbox, "take", uncounted)


def _no_uid_lock_and_no_sweep(patch: Patch) -> None:
    patch.setattr(links, "lock_uid", lambda tx, uid: None)
    together = functools.partial(races_suite.collide, commit_together=True)
    patch.setattr(races_suite, "collide", together)


def _amount_times_100(patch: Patch) -> None:
    def hundredfold(*read: Any) -> Money:
        money = decode_amount(*read)
        return replace(money, minor=money.minor * 100)

    patch.setattr(migo_callback, "decode_amount", hundredfold)


def _retry_without_key(patch: Patch) -> None:
    once = Store._run_together

    def twice(self: Store, group: list[Any]) -> set[str]:
        return once(self, group) | once(self, group)

    patch.setattr(Store, "_run_together", twice)
    patch.setattr(payments, "find_repeat", lambda tx, **keys: None)
    patch.setattr(mortal, "REST_S", IMPATIENT_S)


def _secrets_as_text(patch: Patch) -> None:
    def admits(self: migo_callback.CallbackGate, headers: Mapping[str, str]) -> bool:
        given = headers.get(self._header, "")
        return any(hmac.compare_digest(given, secret.decode()) for secret in self._secrets)

    patch.setattr(migo_callback.CallbackGate, "admits", admits)


def _worker_returns_silently(patch: Patch) -> None:
    async def nothing(self: Relay, lane: Any) -> None:
        """Look like a loop that has ended well."""

    patch.setattr(Relay, "_drain", nothing)
    patch.setattr(mortal, "REST_S", IMPATIENT_S)


CONTROLS: Mapping[str, Control] = {
    "answer before commit": Control(_answer_before_commit, "powerloss", 60),
    "receipt without outbox": Control(_receipt_without_outbox, "life"),
    "fallback makes a new link": Control(_fallback_makes_a_new_link, "one link"),
    "latch after send": Control(_latch_after_send, "life"),
    "last callback wins": Control(_last_callback_wins, "any order"),
    "no slot key": Control(_no_slot_key, "two_schedulers", 10),
    "automatic re-create after exposure": Control(_recreate_after_exposure, "orphans"),
    "Redis-only wake-up": Control(_redis_only_wake_up, "second try"),
    "attempts counted after work": Control(_attempts_counted_after_work, "books", BOOKS_STEPS),
    "no uid lock and no sweep": Control(_no_uid_lock_and_no_sweep, "create_x_callback", 4),
    "amount unit x100": Control(_amount_times_100, "life"),
    "retry on a lost COMMIT without key": Control(_retry_without_key, "life"),
    "synchronous=NORMAL": Control(_synchronous_normal, "powerloss", 60),
    "secrets compared as text": Control(_secrets_as_text, "fuzz", 1000),
    "worker loop returns silently": Control(_worker_returns_silently, "life"),
}


async def controls(url: str, *, count: int = len(CONTROLS)) -> Report:
    """Plant the first `count` faults, each by itself; `url` is a PostgreSQL database."""
    report, began, names = Report("controls"), time.monotonic(), list(CONTROLS)[:count]
    wanted = {CONTROLS[name].probe for name in names}
    for name in sorted(wanted):
        healthy = await _probe(name, url, BASE.get(name, 1))
        report.must(healthy.is_ok, f"{name} is red without a fault: {healthy.line()[:1500]}")
    caught, slowest = 0, timedelta()
    for name in names:
        began_one = time.monotonic()
        is_caught = await _is_caught(CONTROLS[name], url)
        slowest = max(slowest, timedelta(seconds=time.monotonic() - began_one))
        caught += is_caught
        report.must(is_caught, f"not caught: {name}")
    report.figures["caught"] = f"{caught}/{len(names)}"
    report.figures["slowest"] = f"{slowest.total_seconds():.0f}s"
    report.figures["secs"] = time.monotonic() - began
    return report


async def _is_caught(control: Control, url: str) -> bool:
    with Patch.context() as patch:
        control.plant(patch)
        return not (await _probe(control.probe, url, control.length)).is_ok


async def _probe(name: str, url: str, length: int) -> Report:
    """A probe's report; what it raises is a red one."""
    try:
        return await PROBES[name](url, length)
    except Exception as error:  # noqa: BLE001 - in whatever way it is red
        return Report(name, {}, [f"{type(error).__name__}: {error}"])
