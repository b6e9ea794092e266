"""`/v1/preview`: what would be sent to whom and when, if nothing came in between."""

from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field
from typing_extensions import TypedDict

from bot.domain.planned import Planned
from bot.handlers import firing
from bot.handlers.preview import foreseen_reminders
from bot.handlers.rules import Rules
from bot.store.engine import Store, Tx
from bot.web.views import rfc3339

_MOST_REMINDERS = 1000


class PlannedView(TypedDict):
    """One thing that is planned; `what` is `payment`, or the purpose of a message."""

    at: str
    what: str
    phone: str
    name: str | None
    channel: str
    amount_minor: int
    currency: str
    concept: str | None
    rule: str
    payment_id: str | None
    schedule_id: str | None


class Preview(BaseModel):
    """What is planned until then, in order; `is_cut` says that there is more than is shown."""

    until: str
    is_cut: bool
    planned: list[PlannedView]


class PreviewQuery(BaseModel):
    """How far to look."""

    model_config = ConfigDict(extra="forbid")

    days: Annotated[int, Field(ge=1, le=90)] = 14


class PreviewEndpoints:
    """What the route does."""

    def __init__(self, store: Store, rules: Rules) -> None:
        """Take what it works on."""
        self._store = store
        self._rules = rules

    def router(self) -> APIRouter:
        """The route."""
        router = APIRouter(redirect_slashes=False)
        router.add_api_route("/preview", self.preview, methods=["GET"])
        return router

    async def preview(self, query: Annotated[PreviewQuery, Query()]) -> Preview:
        """What would be sent in the days to come, and by which rule."""

        def work(tx: Tx) -> Preview:
            until = tx.now + timedelta(days=query.days)
            reminders, is_cut = foreseen_reminders(
                tx, self._rules, until=until, limit=_MOST_REMINDERS
            )
            found = [*firing.planned(tx, self._rules, until), *reminders]
            found.sort(key=lambda row: row.at)
            planned = [_view(row) for row in found]
            return Preview(until=rfc3339(until), is_cut=is_cut, planned=planned)

        return await self._store.transact(work)


def _view(row: Planned) -> PlannedView:
    return {
        "at": rfc3339(row.at),
        "what": row.what,
        "phone": row.phone,
        "name": row.name,
        "channel": row.channel,
        "amount_minor": row.money.minor,
        "currency": row.money.currency,
        "concept": row.concept,
        "rule": row.rule,
        "payment_id": row.payment_id,
        "schedule_id": row.schedule_id,
    }
