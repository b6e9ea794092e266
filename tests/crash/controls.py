"""Planted faults: each must turn a scenario red, or that scenario proves nothing.

The switches are here and never in the product. Every probe is run without a fault first, for one
that is always red would seem to catch everything.
"""

import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from bot.handlers.rules import Dispatches
from bot.store.migrate import migrate
from tests.contract import test_books_facts, test_books_links, test_books_routes
from tests.contract.books_invariants import check_books
from tests.contract.world import World
from tests.crash import fuzz, machine, mortal, planted, powerloss, races, simulation
from tests.crash.cuts import Cut
from tests.crash.mortal import MortalService
from tests.crash.report import Report
from tests.crash.test_crash_points import live
from tests.flow.service import PHONE
from tests.services import eventually

Patch = pytest.MonkeyPatch
Probe = Callable[[str, int], Awaitable[Report]]
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


@contextmanager
def _fresh_file(name: str) -> Iterator[tuple[Path, str]]:
    """A folder and the URL of a migrated file in it."""
    with tempfile.TemporaryDirectory(prefix=f"paybot-{name}-") as folder:
        url = f"sqlite:///{folder}/paybot.db"
        migrate(url)
        yield Path(folder), url


def _life(point: str) -> Probe:
    """One payment from the request to the receipt, with one death."""

    async def probe(url: str, length: int) -> Report:
        with _fresh_file("life") as (folder, path), Patch.context() as patch:
            await live(folder, path, patch, point)
        return Report("life")

    return probe


async def _throttled(url: str, length: int) -> Report:
    """One payment whose link Twilio takes only at the second try, a while after the first."""
    with _fresh_file("again") as (folder, path):
        async with MortalService(folder, path, Cut("")) as service:
            service.sandbox.faults.order("twilio", "create", "throttle", retry_after=2)
            await service.ask("sms")
            handsets = service.sandbox.twilio.handsets
            await eventually(lambda: len(handsets.received_by(PHONE)) == 1, mortal.REST_S)
    return Report("throttled")


def _told(test: Callable[..., Awaitable[None]], *how: object) -> Probe:
    """A test of the contract suite, on a file, and a look at all the books."""

    async def probe(url: str, length: int) -> Report:
        with _fresh_file("told") as (_, path):
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


async def _virtual(url: str, length: int) -> Report:
    return await simulation.simulate(stories=length, first_seed=1, is_replayed=False)


def _race(name: str) -> Probe:
    async def probe(url: str, length: int) -> Report:
        return await races.race(name, url, count=length)

    return probe


PROBES: Mapping[str, Probe] = {
    "books": _books,
    "life": _life("link settled"),
    "second try": _throttled,
    "orphans": _told(_UNKNOWN_END, Dispatches.UNKNOWN),
    "one link": _told(test_books_routes.test_after_an_uncertain_try_the_url_is_never_replaced),
    "any order": _told(test_books_facts.test_denied_after_approved_changes_nothing),
    "powerloss": _powerloss,
    "fuzz": _fuzz,
    "virtual": _virtual,
    "create_x_callback": _race("create_x_callback"),
    "two_schedulers": _race("two_schedulers"),
    "pay_x_reminder": _race("pay_x_reminder"),
}
BASE = {
    "books": BOOKS_STEPS,
    "powerloss": 20,
    "fuzz": 300,
    "create_x_callback": 4,
    "two_schedulers": 4,
    "pay_x_reminder": 4,
}
"""How long each probe is run without a fault."""


CONTROLS: Mapping[str, Control] = {
    "answer before commit": Control(planted.answer_before_commit, "powerloss", 60),
    "receipt without outbox": Control(planted.receipt_without_outbox, "life"),
    "fallback makes a new link": Control(planted.fallback_makes_a_new_link, "one link"),
    "latch after send": Control(planted.latch_after_send, "life"),
    "last callback wins": Control(planted.last_callback_wins, "any order"),
    "no slot key": Control(planted.no_slot_key, "two_schedulers", 10),
    "automatic re-create after exposure": Control(planted.recreate_after_exposure, "orphans"),
    "Redis-only wake-up": Control(planted.redis_only_wake_up, "second try"),
    "attempts counted after work": Control(
        planted.attempts_counted_after_work, "books", BOOKS_STEPS
    ),
    "no uid lock and no sweep": Control(planted.no_uid_lock_and_no_sweep, "create_x_callback", 4),
    "amount unit x100": Control(planted.amount_times_100, "life"),
    "retry on a lost COMMIT without key": Control(planted.retry_without_key, "life"),
    "synchronous=NORMAL": Control(planted.synchronous_normal, "powerloss", 60),
    "secrets compared as text": Control(planted.secrets_as_text, "fuzz", 1000),
    "worker loop returns silently": Control(planted.worker_returns_silently, "life"),
    "money leaves the reminders": Control(planted.money_leaves_reminders, "pay_x_reminder", 2),
    "a stop is not heeded": Control(planted.stop_not_heeded, "virtual"),
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
