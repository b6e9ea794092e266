"""Cuts a running service at a named point, as `kill -9` would.

What the service does is watched from outside: functions that run inside transactions are wrapped,
and a store stands in that knows which of them the commit at hand holds. Once cut, nothing more is
committed and no provider is called.
"""

import asyncio
import functools
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import pytest
import sqlalchemy as sa

from bot import app
from bot.dispatcher import Dispatcher
from bot.domain.delivery import Outcome
from bot.handlers import facts, outgoing
from bot.store import inbox
from bot.store.claims import OutboxItem
from bot.store.engine import Store, Tx

CALLBACK = ("callback stored", "callback claimed", "callback handled", "callback booked")
"""The third cuts before the commit, the others after theirs."""

ENDS = ("claimed", "accepted", "settling", "settled")
"""Of an outbox row: `sending` committed; the provider has it; before the end's commit; after it."""

THINGS = ("create", "link", "receipt")
POINTS = (*CALLBACK, *(f"{thing} {end}" for thing in THINGS for end in ENDS))

_BEFORE_COMMIT = ("callback handled", *(f"{thing} settling" for thing in THINGS))


class CutError(Exception):
    """This process is dead."""


@dataclass
class Cut:
    """One cut: where, and whether it came to that."""

    point: str
    is_dead: bool = False
    is_near: bool = False
    """A transaction that reached the point is about to commit."""

    def __post_init__(self) -> None:
        self.calls: set[asyncio.Task[Any]] = set()
        self.violations: list[str] = []
        self.store: Store | None = None
        self._thread = threading.local()

    def arm(self, patch: pytest.MonkeyPatch) -> None:
        """Watch every service that is built from now on, until the test ends."""
        patch.setattr(app, "Store", functools.partial(_CutStore, self))
        patch.setattr(inbox, "record", self._watch(inbox.record, _callbacks_stored))
        patch.setattr(inbox, "claim", self._watch(inbox.claim, _callbacks_claimed))
        on_event = self._watch(facts.on_payment_event, _callback_handled)
        patch.setattr(facts, "on_payment_event", on_event)
        patch.setattr(outgoing, "claim", self._watch(outgoing.claim, _items_claimed))
        patch.setattr(outgoing, "settle", self._watch(outgoing.settle, _items_settled))
        patch.setattr(Dispatcher, "perform", self._performer(Dispatcher.perform))

    def _watch(
        self, function: Callable[..., Any], reached_by: Callable[..., Iterable[str]]
    ) -> Callable[..., Any]:
        @functools.wraps(function)
        def watched(tx: Tx, *args: Any, **kwargs: Any) -> Any:
            result = function(tx, *args, **kwargs)
            for point in reached_by(result, *args):
                self._note(point)
            return result

        return watched

    def _note(self, point: str) -> None:
        if point == self.point and point in _BEFORE_COMMIT:
            self.is_dead = True
            raise CutError(point)
        self.is_near |= point == self.point
        self._thread.reached.append(point)

    def heal(self) -> None:
        """The dead process is gone; whatever follows lives."""
        self.point, self.is_dead, self.is_near = "", False, False
        self.calls.clear()

    def begin(self) -> None:
        """Before a commit's functions run."""
        if self.is_dead:
            raise CutError(self.point)
        self._thread.reached = []

    def committed(self) -> None:
        """After a commit: it holds, and nobody is left to hear of it."""
        if self.point in self._thread.reached:
            self.is_dead = True
            raise CutError(self.point)

    def _performer(self, perform: Callable[..., Any]) -> Callable[..., Any]:
        async def performed(dispatcher: Dispatcher, item: OutboxItem) -> Outcome:
            task = asyncio.current_task()
            if task is not None:
                self.calls.add(task)
            await self._check_claim(item)
            if self.is_dead:
                await asyncio.Event().wait()
            outcome: Outcome = await perform(dispatcher, item)
            if f"{_name(item)} accepted" == self.point:
                self.is_dead = True
            return outcome

        return performed

    async def _check_claim(self, item: OutboxItem) -> None:
        """No call without a committed claim (failure model, I7)."""
        if self.store is None or self.is_dead:
            return
        statement = sa.text("select status, token from outbox where id = :id")
        try:
            found = await self.store.transact(lambda tx: tx.run(statement, {"id": item.id}).one())
        except CutError:
            return
        if tuple(found) != ("sending", item.token):
            self.violations.append(f"{item.key} was performed while {found[0]}")


class _CutStore(Store):
    """A store whose commits can be the last thing that happens."""

    def __init__(self, cut: Cut, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._cut = cut
        cut.store = self

    def _run_together(self, group: list[Any]) -> set[str]:
        self._cut.begin()
        wakes = super()._run_together(group)
        self._cut.committed()
        return wakes


def _name(item: OutboxItem) -> str:
    return "create" if item.purpose is None else item.purpose.value


def _callbacks_stored(_: None, received: Iterable[inbox.Received]) -> list[str]:
    return ["callback stored" for each in received if each.source is inbox.Source.MIGO]


def _callbacks_claimed(items: Iterable[inbox.InboxItem]) -> list[str]:
    return ["callback claimed" for each in items if each.source is inbox.Source.MIGO]


def _callback_handled(verdict: str, *_: object) -> list[str]:
    return ["callback handled", "callback booked"]


def _items_claimed(items: Iterable[OutboxItem], *_: object) -> list[str]:
    return [f"{_name(item)} claimed" for item in items]


def _items_settled(
    _: None, rules: object, ended: Iterable[tuple[OutboxItem, Outcome]]
) -> list[str]:
    return [f"{_name(item)} {end}" for item, _ in ended for end in ("settling", "settled")]
