"""`/v1`: what the merchant's own systems ask of payments.

Requests are read strictly and every wrong field is told at once. Each request is one transaction;
nothing is decided here, and nothing is told without a token.
"""

from typing import Annotated, Any

from fastapi import APIRouter, FastAPI, Query
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from bot.domain.payment import PaymentStatus
from bot.handlers.alerts import close_alert
from bot.handlers.payment import cancel_payment, create_payment, resend
from bot.handlers.rules import Rules
from bot.store import handing, ledger, links, payments
from bot.store.engine import Store, Tx
from bot.store.payments import Cursor
from bot.texts.qr import qr_png
from bot.web import bodies, fields
from bot.web.answers import (
    NotFoundError,
    answer_errors,
    created,
    once_more_if_taken,
    problem,
)
from bot.web.app import has_token
from bot.web.bulk_api import BulkEndpoints
from bot.web.callers import Refusals
from bot.web.cursors import checked_cursor, read_cursor, split_words, write_cursor
from bot.web.described import KEYED, complete, takes
from bot.web.preview_api import PreviewEndpoints
from bot.web.risks_api import RiskEndpoints
from bot.web.schedule_api import ScheduleEndpoints
from bot.web.schedule_bodies import ScheduleBody, SkipBody
from bot.web.staff_api import InviteBody, InviteLinks, RoleBody, StaffEndpoints, no_links
from bot.web.views import (
    AlertView,
    EvidenceView,
    PaymentView,
    alert_view,
    evidence_view,
    must_exist,
    one_view,
    payment_view,
)

_BODIES = (
    bodies.PaymentBody,
    bodies.CancelBody,
    bodies.ResendBody,
    bodies.ReplaceBody,
    bodies.AcceptBody,
    ScheduleBody,
    SkipBody,
    InviteBody,
    RoleBody,
)


class PaymentPage(BaseModel):
    """Payments, newest first; `next_cursor` is null on the last page."""

    payments: list[PaymentView]
    next_cursor: str | None


class Alerts(BaseModel):
    """What waits for a person, oldest first."""

    alerts: list[AlertView]


class PaymentQuery(BaseModel):
    """Which payments to list; `status` may be repeated or hold several separated by commas."""

    model_config = ConfigDict(extra="forbid")

    status: Annotated[list[PaymentStatus], BeforeValidator(split_words)] = []
    channel: fields.ChannelWord | None = None
    created_after: fields.Instant | None = None
    cursor: Annotated[str, AfterValidator(checked_cursor)] | None = None
    limit: Annotated[int, Field(ge=1, le=200)] = 50


class _Endpoints:
    """What each route does."""

    def __init__(self, store: Store, rules: Rules) -> None:
        self._store = store
        self._rules = rules

    def router(self) -> APIRouter:
        """The routes; bodies are read by us, so that only their documentation is declared."""
        router = APIRouter(redirect_slashes=False)
        one: dict[int | str, dict[str, Any]] = {200: {"model": PaymentView}}
        payment, payments_ = "/payments/{payment_id}", "/payments"
        router.add_api_route(
            payments_,
            self.create,
            methods=["POST"],
            responses={**one, 201: {"model": PaymentView}},
            openapi_extra=takes(bodies.PaymentBody, is_required=True) | KEYED,
        )
        router.add_api_route(payments_, self.page, methods=["GET"])
        router.add_api_route(payment, self.read, methods=["GET"], responses=one)
        router.add_api_route(
            f"{payment}/cancel",
            self.cancel,
            methods=["POST"],
            responses=one,
            openapi_extra=takes(bodies.CancelBody),
        )
        router.add_api_route(
            f"{payment}/resend",
            self.resend,
            methods=["POST"],
            responses=one,
            openapi_extra=takes(bodies.ResendBody),
        )
        router.add_api_route(
            f"{payment}/qr.png",
            self.qr,
            methods=["GET"],
            response_class=_Png,
        )
        router.add_api_route("/alerts", self.alerts, methods=["GET"])
        router.add_api_route("/alerts/{alert_id}", self.alert, methods=["GET"])
        router.add_api_route("/alerts/{alert_id}/close", self.close_alert, methods=["POST"])
        return router

    async def create(self, request: Request) -> Response:
        """Create a payment and owe its link: 201, or 200 with the first answer for a repeat."""
        key = bodies.read_idempotency_key(request)
        body = await bodies.read_as(request, bodies.PaymentBody, rules=self._rules)

        def work(tx: Tx) -> tuple[PaymentView, bool]:
            asked = body.request(key)
            if not payments.find_repeat(tx, idempotency_key=key, external_id=body.external_id):
                bodies.check_now(body, self._rules, tx.now)
            made = create_payment(tx, self._rules, asked)
            return one_view(tx, made.payment.id), made.is_new

        view, is_new = await once_more_if_taken(self._store, work)
        return created(request, f"payments/{view['id']}", view, is_new=is_new)

    async def page(self, query: Annotated[PaymentQuery, Query()]) -> PaymentPage:
        """List payments, newest first."""

        def work(tx: Tx) -> PaymentPage:
            found = payments.page(
                tx,
                statuses=query.status,
                channel=query.channel,
                created_after=query.created_after,
                before=None if query.cursor is None else read_cursor(query.cursor),
                limit=query.limit + 1,
            )
            shown = found[: query.limit]
            views = payment_view(tx, [payment.id for payment in shown])
            is_last = len(found) == len(shown)
            end = None if is_last else Cursor(shown[-1].created_at, shown[-1].id)
            return PaymentPage(
                payments=views, next_cursor=None if end is None else write_cursor(end)
            )

        return await self._store.transact(work)

    async def read(self, payment_id: str) -> Response:
        """One payment with its links, messages, timeline and open alerts."""
        return JSONResponse(await self._store.transact(lambda tx: one_view(tx, payment_id)))

    async def cancel(self, request: Request, payment_id: str) -> Response:
        """Stop asking; Migo's link may still be payable, and money that comes is booked."""
        body = await self._optional(request, bodies.CancelBody)

        def work(tx: Tx) -> PaymentView:
            must_exist(tx, payment_id)
            cancel_payment(tx, payment_id, by=body.by)
            return one_view(tx, payment_id)

        return JSONResponse(await self._store.transact(work))

    async def resend(self, request: Request, payment_id: str) -> Response:
        """Send the same link again, over the payment's route or another channel."""
        body = await self._optional(request, bodies.ResendBody)

        def work(tx: Tx) -> PaymentView:
            must_exist(tx, payment_id)
            bodies.check_channel(body, self._rules)
            resend(
                tx,
                self._rules,
                payment_id,
                by=body.by,
                channel=body.channel,
                accepts_risk=body.accept_risk,
            )
            return one_view(tx, payment_id)

        return JSONResponse(await self._store.transact(work))

    async def _optional(self, request: Request, model: type[bodies.Model]) -> bodies.Model:
        return await bodies.read_as(request, model, rules=self._rules, is_optional=True)

    async def qr(self, payment_id: str) -> Response:
        """The payment's current link as a QR code, a PNG."""

        def work(tx: Tx) -> str:
            must_exist(tx, payment_id)
            return handing.url_of(tx, links.current_link(tx, payment_id))

        url = await self._store.transact(work)
        if not url:
            raise NotFoundError("this payment has no link yet")
        return _Png(await run_in_threadpool(qr_png, url))

    async def alerts(self) -> Alerts:
        """What waits for a person, the oldest hundred."""
        found = await self._store.transact(ledger.open_alerts)
        return Alerts(alerts=[alert_view(alert) for alert in found])

    async def alert(self, alert_id: fields.RowId) -> EvidenceView:
        """One alert, open or closed, with the stored bytes that it is about."""
        found = await self._store.transact(lambda tx: ledger.evidence_of(tx, alert_id))
        if found is None:
            raise NotFoundError("there is no alert with this id")
        return evidence_view(found)

    async def close_alert(self, request: Request, alert_id: fields.RowId) -> AlertView:
        """Say that an alert needs nobody any more."""
        body = await bodies.read_as(request, bodies.CancelBody, rules=self._rules, is_optional=True)
        closed = await self._store.transact(lambda tx: close_alert(tx, alert_id, by=body.by))
        if closed is None:
            raise NotFoundError("there is no open alert with this id")
        return alert_view(closed)


class _Png(Response):
    media_type = "image/png"


def build_api(
    store: Store,
    rules: Rules,
    *,
    tokens: tuple[str, ...],
    refusals: Refusals,
    invite_links: InviteLinks = no_links,
) -> FastAPI:
    """`/v1` as an application to be mounted there.

    Args:
        store: where payments are.
        rules: what this installation can do.
        tokens: bearer tokens, any of which opens every route, the description included.
        refusals: turns away who has none.
        invite_links: the ways into the staff for a new token.

    Raises:
        ValueError: there is no token, or an empty one, so that anybody could come in.
    """
    if not tokens or not all(tokens):
        raise ValueError("/v1 needs a token")
    app = _Api(
        title="Paybot",
        version="1",
        openapi_url="/openapi.json",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    app.include_router(_Endpoints(store, rules).router())
    app.include_router(RiskEndpoints(store, rules).router())
    app.include_router(BulkEndpoints(store, rules).router())
    app.include_router(ScheduleEndpoints(store, rules).router())
    app.include_router(PreviewEndpoints(store, rules).router())
    app.include_router(StaffEndpoints(store, rules, links=invite_links).router())
    app.add_middleware(_Gate, tokens=tokens, refusals=refusals)
    answer_errors(app)
    return app


class _Api(FastAPI):
    """FastAPI that also describes the bodies and errors that are ours."""

    def openapi(self) -> dict[str, Any]:
        if self.openapi_schema is None:
            complete(super().openapi(), _BODIES)
        return super().openapi()


class _Gate:
    """Lets nobody in without a token: not to a wrong path either, nor to read a body."""

    def __init__(self, app: ASGIApp, tokens: tuple[str, ...], refusals: Refusals) -> None:
        self._app = app
        self._refusals = refusals
        self._tokens = tuple(token.encode() for token in tokens)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or has_token(Request(scope), self._tokens):
            await self._app(scope, receive, send)
            return
        status = self._refusals.status(scope, "v1", 401)
        if status == 429:
            answer = problem(status, "too_many", "wait a second")
        else:
            answer = problem(status, "unauthorized", "send Authorization: Bearer with a token")
            answer.headers["www-authenticate"] = "Bearer"
        await answer(scope, receive, send)
