"""The hosted payment page: what a customer sees behind a link, and what they may do there.

Plain forms and no script, so the page works in any phone browser and inside a frame.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Final
from urllib.parse import quote

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from bot.sandbox.migo.service import Migo
from bot.sandbox.migo.transactions import MigoRefusalError, Transaction
from bot.sandbox.wire import urlencoded

_HEADERS: Final = {
    "content-security-policy": (
        "default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'self'; "
        "frame-ancestors 'self'; base-uri 'none'"
    ),
    "cache-control": "no-store",
    "referrer-policy": "no-referrer",
}
_SYMBOLS: Final = {"GTQ": "Q", "USD": "$", "MXN": "$", "HNL": "L", "CRC": "₡", "DOP": "RD$"}


def money_text(minor: int, currency: str) -> str:
    """Write an amount for people, as Q1,250.00."""
    symbol = _SYMBOLS.get(currency, f"{currency} ")
    return f"{symbol}{minor // 100:,}.{minor % 100:02d}"


class PayPage:
    """Shows a transaction and carries out the customer's choice."""

    def __init__(self, migo: Migo, now: Callable[[], datetime]) -> None:
        self._migo = migo
        self._now = now
        folder = Path(__file__).with_name("templates")
        self._pages = Environment(
            loader=FileSystemLoader(folder), autoescape=True, undefined=StrictUndefined
        )

    def routes(self) -> list[Route]:
        """List the page's routes, at the root of the site."""
        return [
            Route("/pay/", self._show, methods=["GET"]),
            Route("/pay/", self._act, methods=["POST"]),
        ]

    async def _show(self, request: Request) -> Response:
        uid = request.query_params.get("orderId", "")
        try:
            transaction = self._migo.open(uid)
        except MigoRefusalError:
            return self._page("missing.html", {}, 404)
        is_challenge = request.query_params.get("step") == "challenge"
        name = "challenge.html" if is_challenge else "pay.html"
        return self._page(name, self._facts(transaction), 200)

    def _facts(self, transaction: Transaction) -> dict[str, object]:
        return {
            "uid": transaction.uid,
            "reference": transaction.reference,
            "merchant": self._migo.config.merchant,
            "amount": money_text(transaction.amount_minor, transaction.currency),
            "currency": transaction.currency,
            "status": transaction.status,
            "refunded": money_text(transaction.refunded_minor, transaction.currency),
            "is_refundable": transaction.refunded_minor < transaction.amount_minor,
        }

    def _page(self, name: str, facts: Mapping[str, object], status: int) -> Response:
        return HTMLResponse(self._pages.get_template(name).render(facts), status, _HEADERS)

    async def _act(self, request: Request) -> Response:
        uid = request.query_params.get("orderId", "")
        action = dict(urlencoded(await request.body())).get("action", "")
        # The bank's page stands between paying and its outcome; nothing is told to the merchant.
        if action == "challenge":
            return RedirectResponse(f"/pay/?orderId={quote(uid)}&step=challenge", 303)
        try:
            pay_action(self._migo, uid, action)
        except MigoRefusalError:
            return self._page("missing.html", {}, 404)
        except LookupError:
            return Response("unknown action", 422)
        # See Other: reloading the page afterwards must not pay again.
        return RedirectResponse(f"/pay/?orderId={quote(uid)}", 303)


def pay_action(migo: Migo, uid: str, action: str) -> None:
    """Carry out what a button of the page says.

    Raises:
        MigoRefusalError: no such link.
        LookupError: no such action.
    """
    transaction = migo.transactions.get(uid)
    # At least one unit, so that even the smallest payment can be refunded in part.
    half = max(1, transaction.amount_minor // 2)
    actions: dict[str, Callable[[], None]] = {
        "approve": lambda: migo.approve(uid),
        "decline": lambda: migo.decline(uid),
        "approve_twice": lambda: migo.approve(uid, times=2),
        "wrong_amount": lambda: migo.approve(uid, amount_minor=transaction.amount_minor + 100),
        "refund": lambda: migo.refund(uid),
        "refund_half": lambda: migo.refund(uid, half),
        "reverse": lambda: migo.reverse(uid),
    }
    actions[action]()
