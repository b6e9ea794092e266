"""`/v1/payments/{id}/replace` and `/accept`: what a person takes upon them by name."""

from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from bot.handlers.acceptance import accept_amount
from bot.handlers.replacement import replace_link
from bot.handlers.rules import Rules
from bot.store.engine import Store, Tx
from bot.web import bodies
from bot.web.described import takes
from bot.web.views import PaymentView, must_exist, one_view


class RiskEndpoints:
    """What each route does."""

    def __init__(self, store: Store, rules: Rules) -> None:
        """Keep what every route needs."""
        self._store = store
        self._rules = rules

    def router(self) -> APIRouter:
        """The routes."""
        router = APIRouter(redirect_slashes=False)
        one: dict[int | str, dict[str, Any]] = {200: {"model": PaymentView}}
        router.add_api_route(
            "/payments/{payment_id}/replace",
            self.replace,
            methods=["POST"],
            responses=one,
            openapi_extra=takes(bodies.ReplaceBody),
        )
        router.add_api_route(
            "/payments/{payment_id}/accept",
            self.accept,
            methods=["POST"],
            responses=one,
            openapi_extra=takes(bodies.AcceptBody, is_required=True),
        )
        return router

    async def replace(self, request: Request, payment_id: str) -> Response:
        """Make another link; the old one may be paid too, so `accept_risk` and `by` are needed."""
        body = await bodies.read_as(
            request, bodies.ReplaceBody, rules=self._rules, is_optional=True
        )

        def work(tx: Tx) -> PaymentView:
            must_exist(tx, payment_id)
            replace_link(
                tx,
                self._rules,
                payment_id,
                by=body.by,
                accepts_risk=body.accept_risk,
                uid=body.uid,
            )
            return one_view(tx, payment_id)

        return JSONResponse(await self._store.transact(work))

    async def accept(self, request: Request, payment_id: str) -> Response:
        """Book a payment as paid with the amount that Migo reported instead of the one asked."""
        body = await bodies.read_as(request, bodies.AcceptBody, rules=self._rules)

        def work(tx: Tx) -> PaymentView:
            must_exist(tx, payment_id)
            accept_amount(tx, self._rules, payment_id, by=body.by)
            return one_view(tx, payment_id)

        return JSONResponse(await self._store.transact(work))
