"""The metronome: APScheduler ticks that sweep what nobody else would look at again.

Every sweep is one transaction and harmless when doubled, so any number of schedulers may run.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta

from apscheduler.schedulers.asyncio import AsyncIOScheduler

from bot.handlers import (
    batches,
    bulk_card,
    delivery,
    facts,
    firing,
    handoff,
    outgoing,
    payment,
    promises,
    received,
    refunds,
    silence,
    summary,
)
from bot.handlers.rules import Rules
from bot.store.engine import Store, Tx

_log = logging.getLogger(__name__)

PARKED_AFTER = timedelta(seconds=20)

LAPSED_EVERY_S = 10.0
"""How often what dead workers held is looked for."""

_AWAY_S = 15.0
"""Less than what is left of a lease that is about to be renewed."""
_GRACE_S = 15.0
"""For workers that live to renew what they hold, once the database is back."""
_FIRST_S = 3.0
"""Until the first tick of each sweep: workers that live have renewed what they hold by then, and a
scheduler that dies soon after each start sweeps all the same."""
_END_S = 5.0
"""How long sweeps under way may take at the end, when the database does not answer."""

_IDLE_S = {"bulk rows": 1.0}
"""Pauses after a sweep that found nothing, where it is quick while there is work."""

_AGAIN_S = {"lapsed claims": 0.1}
"""Pauses after a sweep that found something, where it takes so many rows at most each time."""


class Scheduler:
    """Runs the sweeps."""

    def __init__(
        self,
        store: Store,
        rules: Rules,
        *,
        beat: Callable[[str], None] = lambda name: None,
        uptime_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._rules = rules
        self._beat = beat
        self._metronome = AsyncIOScheduler(timezone="UTC")
        self._uptime_s = uptime_s
        self._swept_s = uptime_s()
        self._patient_until_s = 0.0
        self._ticking = 0
        self._is_idle = asyncio.Event()
        self._is_idle.set()

    @property
    def sweeps(self) -> Mapping[str, tuple[float, Callable[[Tx], int]]]:
        """Each sweep by its name: every how many seconds, and what it does."""
        return {
            "lapsed claims": (LAPSED_EVERY_S, self.release_lapsed),
            "overdue deliveries": (5, lambda tx: outgoing.on_overdue(tx, self._rules)),
            "silent links": (600, lambda tx: silence.list_silent(tx, self._rules)),
            "no callbacks": (600, lambda tx: silence.notice_no_callbacks(tx, self._rules)),
            "silent messages": (30, lambda tx: delivery.ask_silent(tx, self._rules)),
            "parked facts": (
                10,
                lambda tx: facts.match_parked(tx, self._rules, older_than=PARKED_AFTER),
            ),
            "returns without approval": (
                15,
                lambda tx: refunds.tell_unapproved(tx, self._rules),
            ),
            "expired payments": (15, payment.expire_payments),
            "promises": (60, lambda tx: promises.end_promises(tx, self._rules)),
            "summary": (30, lambda tx: summary.tell_day(tx, self._rules)),
            "idle conversations": (60, lambda tx: handoff.return_idle(tx, self._rules)),
            "bulk rows": (0.25, lambda tx: batches.send_some(tx, self._rules)),
            "due schedules": (1, lambda tx: firing.fire(tx, self._rules)),
            "bulk cards": (5, lambda tx: bulk_card.show_progress(tx, self._rules)),
        }

    def start(self) -> None:
        """Begin to tick."""
        for name, (every_s, sweep) in self.sweeps.items():
            self._metronome.add_job(
                self._tick,
                "interval",
                seconds=every_s,
                next_run_time=datetime.now(UTC) + timedelta(seconds=min(every_s, _FIRST_S)),
                args=[name, sweep],
                id=name,
                coalesce=True,
                max_instances=1,
                misfire_grace_time=None,
            )
        # A sweep that is still at work when its next tick comes is no news.
        logging.getLogger("apscheduler.scheduler").setLevel(logging.ERROR)
        self._metronome.start()

    def _put_off(self, name: str, wait_s: float) -> None:
        job = self._metronome.get_job(name)
        if job is not None:
            job.modify(next_run_time=datetime.now(UTC) + timedelta(seconds=wait_s))

    def sweep_now(self) -> None:
        """Have every sweep tick at once, and then at its own pace again."""
        for job in self._metronome.get_jobs():
            job.modify(next_run_time=datetime.now(UTC))

    def stop(self) -> None:
        """Tick no more; a sweep under way goes on."""
        if self._metronome.running:
            self._metronome.remove_all_jobs()

    async def aclose(self) -> None:
        """Finish the sweeps under way, if that is soon, and end."""
        self.stop()
        # The library cancels what is under way, or about to begin, and logs that as an error.
        await asyncio.sleep(0)
        with suppress(TimeoutError):
            await asyncio.wait_for(self._is_idle.wait(), _END_S)
        if self._metronome.running:
            self._metronome.shutdown(wait=False)

    def release_lapsed(self, tx: Tx) -> int:
        """Take back what dead workers hold; not at once after nobody could renew a lease."""
        now_s = self._uptime_s()
        if now_s - self._swept_s > _AWAY_S:
            self._patient_until_s = now_s + _GRACE_S
        self._swept_s = now_s
        if now_s < self._patient_until_s:
            return 0
        released = received.give_back_lapsed(tx, self._rules)
        return released + outgoing.give_back_lapsed(tx, self._rules)

    async def _tick(self, name: str, sweep: Callable[[Tx], int]) -> None:
        self._beat("scheduler")
        self._ticking += 1
        self._is_idle.clear()
        try:
            found = await self._store.transact(sweep)
        except Exception:
            _log.exception("the sweep of %s failed", name)
            return
        finally:
            self._ticking -= 1
            if not self._ticking:
                self._is_idle.set()
        wait_s = (_AGAIN_S if found else _IDLE_S).get(name)
        if wait_s is not None:
            self._put_off(name, wait_s)
        if found:
            _log.info("swept %d %s", found, name)
