"""The Merchant Generic Callback: its body, its static header, and what can be wrong with it.

Source: Migo docs "Create a Payment Link" (the five standard fields) and "Merchant generic
callback" (static header, no signature, no standardised retries).
"""

import asyncio
import json
import secrets
from collections.abc import Callable, Mapping
from typing import Final

from bot.sandbox.config import MigoConfig
from bot.sandbox.faults import Fault, FaultKind, Faults
from bot.sandbox.migo.transactions import Transaction, Transactions
from bot.sandbox.webhooks import Posted, Postman, Webhook

Body = dict[str, object]


def _with(**fields: object) -> Callable[[Body], Body]:
    return lambda body: body | fields


def _amount_as_text(body: Body) -> Body:
    return body | {"amount": str(body["amount"])}


def _other_amount(body: Body) -> Body:
    amount = body["amount"]
    return body | {"amount": amount + 1 if isinstance(amount, int | float) else 1}


ALTERATIONS: Final[Mapping[str, Callable[[Body], Body]]] = {
    "unknown_uid": lambda body: body | {"uid": "zz" + secrets.token_hex(9) + "z"},
    "unknown_status": _with(status="under_review"),
    "extra_fields": _with(processor="visanet", installments=3, meta={"trace": [1, None, "x"]}),
    "upper_status": lambda body: body | {"status": str(body["status"]).upper()},
    "amount_as_string": _amount_as_text,
    "amount_mismatch": _other_amount,
    "currency_mismatch": lambda body: (
        body | {"currency": "USD" if body["currency"] != "USD" else "GTQ"}
    ),
    "missing_amount": lambda body: {key: body[key] for key in body if key != "amount"},
}
"""What `alter` can do to the body; `wrong_header` and `missing_header` spare the body."""


class Callbacks:
    """Sends callbacks for transactions and remembers the last bytes of each uid."""

    def __init__(
        self, config: MigoConfig, transactions: Transactions, faults: Faults, postman: Postman
    ) -> None:
        self._config = config
        self._transactions = transactions
        self._faults = faults
        self._postman = postman

    def body(self, transaction: Transaction, status: str, amount_minor: int) -> Body:
        """Build the standard body with the configured extras."""
        body: Body = {
            "uid": transaction.uid,
            "reference": transaction.reference,
            "status": status,
            "amount": self._transactions.encode(amount_minor),
            "currency": transaction.currency,
        }
        if "externalId" in self._config.callback_extras and transaction.external_id is not None:
            # Whether the standard payload has it is not confirmed, hence the switch.
            body["externalId"] = transaction.external_id
        if "customKeys" in self._config.callback_extras and transaction.custom_keys is not None:
            body["customKeys"] = transaction.custom_keys
        return body

    def send(self, transaction: Transaction, status: str, amount_minor: int) -> None:
        """Post a callback in the background."""
        body = self.body(transaction, status, amount_minor)
        headers = {self._config.callback_header: self._config.callback_secret}
        # Apart from the other faults, so that a changed callback may also come twice or late.
        altered = self._take_alteration()
        if altered is not None:
            body, headers = self._alter(altered.text("how", "extra_fields"), body, headers)
        webhook = Webhook(
            "migo",
            "callback",
            f"{self._postman.public_url}/webhooks/migo",
            json.dumps(body, ensure_ascii=False, default=str).encode(),
            {"content-type": "application/json"} | headers,
            f"callback {body['status']} {transaction.reference}",
        )
        transaction.last_callback = webhook
        self._postman.start(self._deliver(webhook))

    def _take_alteration(self) -> Fault | None:
        for fault in self._faults.pending():
            if (fault.provider, fault.kind) == ("migo", FaultKind.ALTER):
                return self._faults.take_this(fault)
        return None

    def _alter(self, how: str, body: Body, headers: dict[str, str]) -> tuple[Body, dict[str, str]]:
        if how == "missing_header":
            return body, {}
        if how == "wrong_header":
            return body, {self._config.callback_header: "not-" + self._config.callback_secret}
        return ALTERATIONS[how](body), headers

    async def _deliver(self, webhook: Webhook) -> None:
        posted = await self._postman.send(webhook)
        # Migo promises no retries; the pause doubles because something has to be chosen.
        for attempt in range(self._config.callback_retries):
            if posted is None or posted.is_taken:
                return
            await asyncio.sleep(self._config.retry_delay_s * 2**attempt)
            posted = await self._postman.post(webhook)

    async def replay(self, uid: str) -> Posted | None:
        """Post the last callback of `uid` again, byte by byte; None if there was none.

        Raises:
            MigoRefusalError: 2000, no such link.
        """
        webhook = self._transactions.get(uid).last_callback
        return None if webhook is None else await self._postman.post(webhook)
