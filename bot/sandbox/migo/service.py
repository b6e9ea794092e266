"""The emulated Migo as the other parts see it: its state, its acts and its HTTP routes."""

import hmac
from collections.abc import Callable, Mapping
from datetime import datetime

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from bot.sandbox.config import MigoConfig
from bot.sandbox.faults import Fault, FaultKind, Faults
from bot.sandbox.journal import Journal
from bot.sandbox.migo.callbacks import Callbacks
from bot.sandbox.migo.transactions import (
    ERRORS,
    MigoRefusalError,
    Transaction,
    Transactions,
    read_json,
)
from bot.sandbox.webhooks import Posted, Postman
from bot.sandbox.wire import json_response, with_faults

_CORS = {
    "access-control-allow-origin": "*",
    "access-control-allow-methods": "POST, OPTIONS",
    "access-control-allow-headers": "content-type",
}


class Migo:
    """One merchant's Migo; `transactions` iterates in order of creation."""

    def __init__(
        self,
        config: MigoConfig,
        *,
        faults: Faults,
        postman: Postman,
        journal: Journal,
        now: Callable[[], datetime],
        base_url: Callable[[], str],
        keep: int,
    ) -> None:
        self.config = config
        self.transactions = Transactions(config, keep)
        self._callbacks = Callbacks(config, self.transactions, faults, postman)
        self._faults = faults
        self._journal = journal
        self._now = now
        self._base_url = base_url

    def link(self, uid: str) -> str:
        """Give the address of the hosted payment page of `uid`."""
        return f"{self._base_url()}/pay/?orderId={uid}"

    def approve(self, uid: str, *, times: int = 1, amount_minor: int | None = None) -> None:
        """Let the customer pay; posts the callback `times` times, with another amount if given."""
        transaction = self.transactions.get(uid)
        for _ in range(times):
            self._settle(transaction, "approved", amount_minor)

    def decline(self, uid: str) -> None:
        """Let the card be refused; the link can still be paid afterwards."""
        self._settle(self.transactions.get(uid), "denied", None)

    def refund(self, uid: str, amount_minor: int | None = None) -> None:
        """Give money back, all that is left unless an amount is named; callbacks name that part."""
        transaction = self.transactions.get(uid)
        # Never more than was paid: Migo accumulates what it gave back.
        left = transaction.amount_minor - transaction.refunded_minor
        part = left if amount_minor is None else min(amount_minor, left)
        transaction.refunded_minor += part
        self._settle(transaction, "refunded", part)

    def reverse(self, uid: str) -> None:
        """Void the charge."""
        self._settle(self.transactions.get(uid), "reversed", None)

    async def replay(self, uid: str) -> Posted | None:
        """Post the last callback of `uid` once more, byte by byte."""
        return await self._callbacks.replay(uid)

    def open(self, uid: str) -> Transaction:
        """Note that the payment page was looked at."""
        transaction = self.transactions.get(uid)
        transaction.opened += 1
        # The documents call an opened link used.
        if transaction.status == "created":
            transaction.status = "used"
            self._journal.note("migo", f"link opened {transaction.reference}")
        return transaction

    def _settle(self, transaction: Transaction, status: str, amount_minor: int | None) -> None:
        transaction.status = status
        transaction.history.append(status)
        self._journal.touch()
        amount = transaction.amount_minor if amount_minor is None else amount_minor
        self._callbacks.send(transaction, status, amount)

    def routes(self) -> list[Route]:
        """List the API routes, to be mounted under `/migo`."""
        create = with_faults(self._faults, "migo", "create", self._create, refusal)
        hook = with_faults(self._faults, "migo", "create", self._create_by_keys, refusal)
        return [
            Route("/transactions", create, methods=["POST"]),
            Route("/transactions-hook", hook, methods=["POST"]),
            Route("/transactions-hook", _preflight, methods=["OPTIONS"]),
            Route(
                "/api/v1/integrations/transactions/{uid}/dismiss", self._dismiss, methods=["POST"]
            ),
        ]

    async def _create(self, request: Request) -> Response:
        if not self._has_token(request):
            return json_response({"message": "Unauthorized"}, 401)
        try:
            transaction = self._book(read_json(await request.body()))
        except MigoRefusalError as error:
            return self._refuse(error)
        return json_response(
            {
                "uid": transaction.uid,
                "reference": transaction.reference,
                "URL": self.link(transaction.uid),
            }
        )

    async def _create_by_keys(self, request: Request) -> Response:
        try:
            body = read_json(await request.body())
            self._check_keys(body)
            transaction = self._book(body)
        except MigoRefusalError as error:
            response = self._refuse(error)
        else:
            response = json_response({"uid": transaction.uid, "URL": self.link(transaction.uid)})
        # Refusals need it as well, or a browser cannot read them.
        response.headers.update(_CORS)
        return response

    def _book(self, body: Mapping[str, object]) -> Transaction:
        # The keys must not be kept with the request, which tests and people may look at.
        public = {key: body[key] for key in body if key not in ("privateKey", "publicKey")}
        transaction = self.transactions.create(public, self._now())
        self._journal.note("migo", f"link created {transaction.reference}")
        return transaction

    def _refuse(self, error: MigoRefusalError) -> Response:
        self._journal.note("migo", f"create refused: {error.own_code} {error}", is_bad=True)
        return own_code_response(error.own_code, str(error))

    def _has_token(self, request: Request) -> bool:
        # Raw is the documented form; a leading Bearer is tolerated and stripped.
        given = request.headers.get("authorization", "").removeprefix("Bearer ")
        return hmac.compare_digest(given.encode(), self.config.token.encode())

    def _check_keys(self, body: Mapping[str, object]) -> None:
        for name in ("privateKey", "publicKey"):
            if not body.get(name):
                raise MigoRefusalError(5000, f"Missing field: {name}")
        keys = (str(body["publicKey"]), str(body["privateKey"]))
        if keys != (self.config.public_key, self.config.private_key):
            raise MigoRefusalError(2007)

    async def _dismiss(self, request: Request) -> Response:
        """Close a link, as documented for alternative payments."""
        if not self._has_token(request):
            return json_response({"message": "Unauthorized"}, 401)
        try:
            self.transactions.get(request.path_params["uid"]).dismiss()
        except MigoRefusalError as error:
            return own_code_response(error.own_code, str(error))
        return PlainTextResponse("OK")


async def _preflight(request: Request) -> Response:
    return Response(status_code=204, headers=_CORS)


def own_code_response(own_code: int, message: str = "") -> Response:
    """Answer in Migo's error shape; fields beside `ownCode` are not documented."""
    status, words = ERRORS.get(own_code, (400, "Error"))
    return json_response({"ownCode": own_code, "message": message or words}, status)


def refusal(fault: Fault) -> Response:
    """Word an ordered refusal: `code` is an ownCode, else `status` and `body` as they are."""
    if fault.kind is FaultKind.THROTTLE:
        headers = {"retry-after": fault.text("retry_after", "1")}
        return json_response({"message": "Too Many Requests"}, 429, headers)
    if "code" in fault.details:
        return own_code_response(int(fault.number("code", 2002)))
    body = fault.details.get("body", {"message": "Error"})
    return json_response(body, int(fault.number("status", 400)))
