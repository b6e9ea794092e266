"""`/v1/schedules`: payments that come back are asked for, looked at, paused, skipped and ended."""

from collections.abc import Callable
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from bot.domain.schedule import Schedule, ScheduleStatus
from bot.handlers import schedules
from bot.handlers.rules import Rules
from bot.store import schedules as schedule_store
from bot.store.engine import Store, Tx
from bot.store.payments import Cursor
from bot.web import bodies, fields
from bot.web.answers import NotFoundError, created, once_more_if_taken
from bot.web.cursors import PAYMENT_ID, checked_cursor, read_cursor, split_words, write_cursor
from bot.web.described import KEYED, takes
from bot.web.schedule_bodies import (
    ScheduleBody,
    ScheduleStory,
    ScheduleView,
    SkipBody,
    check_now,
    run_view,
    schedule_view,
)


class SchedulePage(BaseModel):
    """Schedules, newest first; `next_cursor` is null on the last page."""

    schedules: list[ScheduleView]
    next_cursor: str | None


class ScheduleQuery(BaseModel):
    """Which schedules to list; `status` may be repeated or hold several separated by commas."""

    model_config = ConfigDict(extra="forbid")

    status: Annotated[list[ScheduleStatus], BeforeValidator(split_words)] = []
    cursor: Annotated[str, AfterValidator(checked_cursor)] | None = None
    limit: Annotated[int, Field(ge=1, le=200)] = 50


class RemoveQuery(BaseModel):
    """Who ends it."""

    model_config = ConfigDict(extra="forbid")

    by: fields.Actor = "api"


class ScheduleEndpoints:
    """What each route does."""

    def __init__(self, store: Store, rules: Rules) -> None:
        """Take what they work on."""
        self._store = store
        self._rules = rules

    def router(self) -> APIRouter:
        """The routes, under `/schedules`; bodies are read by us, so only described here."""
        router = APIRouter(prefix="/schedules", redirect_slashes=False)
        story: dict[int | str, dict[str, Any]] = {200: {"model": ScheduleStory}}
        one = "/{schedule_id}"
        router.add_api_route(
            "",
            self.add,
            methods=["POST"],
            responses={**story, 201: {"model": ScheduleStory}},
            openapi_extra=takes(ScheduleBody, is_required=True) | KEYED,
        )
        router.add_api_route("", self.page, methods=["GET"])
        router.add_api_route(one, self.read, methods=["GET"], responses=story)
        router.add_api_route(one, self.remove, methods=["DELETE"], responses=story)
        for verb, endpoint, body in (
            ("pause", self.pause, bodies.CancelBody),
            ("resume", self.resume, bodies.CancelBody),
            ("skip", self.skip, SkipBody),
        ):
            router.add_api_route(
                f"{one}/{verb}",
                endpoint,
                methods=["POST"],
                responses=story,
                openapi_extra=takes(body),
            )
        return router

    async def add(self, request: Request) -> Response:
        """Add a schedule: 201, or 200 with the first answer for a repeat of its key."""
        key = bodies.read_idempotency_key(request)
        body = await bodies.read_as(request, ScheduleBody, rules=self._rules)

        def work(tx: Tx) -> tuple[ScheduleStory, bool]:
            if schedule_store.find_repeat(tx, key) is None:
                check_now(body, self._rules, tx.now)
            added = schedules.add(tx, self._rules, body.request(key))
            return self._story(tx, added.schedule), added.is_new

        story, is_new = await once_more_if_taken(self._store, work)
        return created(request, f"schedules/{story['id']}", story, is_new=is_new)

    async def page(self, query: Annotated[ScheduleQuery, Query()]) -> SchedulePage:
        """List schedules, newest first."""

        def work(tx: Tx) -> SchedulePage:
            found = schedule_store.page(
                tx,
                statuses=query.status,
                before=None if query.cursor is None else read_cursor(query.cursor),
                limit=query.limit + 1,
            )
            shown = found[: query.limit]
            is_last = len(found) == len(shown)
            end = None if is_last else Cursor(shown[-1].created_at, shown[-1].id)
            return SchedulePage(
                schedules=[schedule_view(each) for each in shown],
                next_cursor=None if end is None else write_cursor(end),
            )

        return await self._store.transact(work)

    async def read(self, schedule_id: str) -> Response:
        """One schedule with its next dates and what became of its periods."""
        return await self._answer(schedule_id, lambda tx: schedules.must_read(tx, schedule_id))

    async def pause(self, request: Request, schedule_id: str) -> Response:
        """Make no payments until it is resumed."""
        body = await self._optional(request, bodies.CancelBody)
        return await self._answer(
            schedule_id, lambda tx: schedules.pause(tx, schedule_id, by=body.by)
        )

    async def resume(self, request: Request, schedule_id: str) -> Response:
        """Go on with the next date to come; what passed meanwhile is not made up for."""
        body = await self._optional(request, bodies.CancelBody)
        return await self._answer(
            schedule_id, lambda tx: schedules.resume(tx, self._rules, schedule_id, by=body.by)
        )

    async def skip(self, request: Request, schedule_id: str) -> Response:
        """Leave one period out: the next, or the one of a date."""
        body = await self._optional(request, SkipBody)
        return await self._answer(
            schedule_id,
            lambda tx: schedules.skip(tx, self._rules, schedule_id, by=body.by, day=body.on),
        )

    async def remove(self, schedule_id: str, query: Annotated[RemoveQuery, Query()]) -> Response:
        """End a schedule for good; payments that it made stay open."""
        return await self._answer(
            schedule_id, lambda tx: schedules.remove(tx, schedule_id, by=query.by)
        )

    async def _optional(self, request: Request, model: type[bodies.Model]) -> bodies.Model:
        return await bodies.read_as(request, model, rules=self._rules, is_optional=True)

    async def _answer(self, schedule_id: str, act: Callable[[Tx], Schedule]) -> Response:
        def work(tx: Tx) -> ScheduleStory:
            # What is no id of ours never reaches the database, which would choke on a NUL.
            is_id = PAYMENT_ID.fullmatch(schedule_id) is not None
            if not is_id or schedule_store.read(tx, schedule_id) is None:
                raise NotFoundError("there is no schedule with this id")
            return self._story(tx, act(tx))

        return JSONResponse(await self._store.transact(work))

    def _story(self, tx: Tx, schedule: Schedule) -> ScheduleStory:
        coming = schedules.upcoming(tx, self._rules, schedule)
        return {
            **schedule_view(schedule),
            "next_dates": [slot.day.isoformat() for slot in coming],
            "runs": [run_view(run) for run in schedule_store.runs(tx, schedule.id)],
        }
