"""The emulated Migo's books: transactions, amounts as the client encodes them, creation rules."""

import json
import secrets
import string
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Final

from bot.sandbox.config import MigoConfig
from bot.sandbox.webhooks import Webhook

_UID_CHARS: Final = string.ascii_letters + string.digits
_REQUIRED: Final = ("amount", "userId", "channel", "client")
_CUSTOMER_CODES: Final = {"blocked": 2004, "suspended": 2005, "excluded": 2006}

ERRORS: Final[Mapping[int, tuple[int, str]]] = {
    2000: (404, "Transaction not found"),
    2002: (400, "Error creating the transaction"),
    2003: (409, "Amount out of range"),
    2004: (400, "Customer blocked"),
    2005: (400, "Customer suspended"),
    2006: (400, "Customer excluded"),
    2007: (401, "Invalid credentials"),
    4020: (409, "Transaction status not eligible"),
    4021: (405, "Processor cannot cancel"),
    5000: (409, "Missing or invalid field"),
    5004: (409, "Client not found"),
}
"""ownCode to HTTP status and our words. Source: Migo docs "Create a Payment Link", Errors."""


class MigoRefusalError(Exception):
    """Migo refuses a request with an ownCode."""

    def __init__(self, own_code: int, detail: str = "") -> None:
        super().__init__(detail or ERRORS[own_code][1])
        self.own_code = own_code


@dataclass(slots=True)
class Transaction:
    """One payable link; `status` is lower case, from `created` to one of the terminal ones.

    `amount` is what the client sent, in the client's own encoding; `refunded_minor` accumulates.
    """

    uid: str
    reference: str
    amount: Decimal
    amount_minor: int
    currency: str
    channel: str
    user_id: str
    external_id: str | None
    custom_keys: Mapping[str, object] | None
    request: Mapping[str, object]
    created_at: datetime
    status: str = "created"
    refunded_minor: int = 0
    opened: int = 0
    history: list[str] = field(default_factory=list)
    last_callback: Webhook | None = None

    def dismiss(self) -> None:
        """Close the link.

        Raises:
            MigoRefusalError: 4020, somebody paid it or it is closed already.
        """
        if self.status not in ("created", "used"):
            raise MigoRefusalError(4020)
        self.status = "dismissed"


class Transactions:
    """Creates and finds transactions; the oldest are forgotten beyond `keep`."""

    def __init__(self, config: MigoConfig, keep: int) -> None:
        self._config = config
        self._keep = keep
        self._number = 20006
        self._by_uid: OrderedDict[str, Transaction] = OrderedDict()

    def __iter__(self) -> Iterator[Transaction]:
        return iter(list(self._by_uid.values()))

    def __len__(self) -> int:
        return len(self._by_uid)

    def get(self, uid: str) -> Transaction:
        """Return one transaction.

        Raises:
            MigoRefusalError: 2000, there is none of this uid.
        """
        if uid not in self._by_uid:
            raise MigoRefusalError(2000)
        return self._by_uid[uid]

    def create(self, request: Mapping[str, object], now: datetime) -> Transaction:
        """Check a request like the documents say and book it.

        Raises:
            MigoRefusalError: one of the documented codes.
        """
        self._check_fields(request)
        amount, minor = self._amount(request["amount"])
        self._check_overrides(request.get("processorAmount"), amount)
        self._check_customer(str(request["userId"]))
        external_id, custom = request.get("externalId"), request.get("customKeys")
        # Only a booked transaction takes a number: a refused one leaves no gap.
        self._number += 1
        transaction = Transaction(
            uid="".join(secrets.choice(_UID_CHARS) for _ in range(21)),
            reference=f"CAMPGT{self._number:06d}SB",
            amount=amount,
            amount_minor=minor,
            currency=self._currency(request.get("currency")),
            channel=str(request["channel"]),
            user_id=str(request["userId"]),
            external_id=None if external_id is None else str(external_id),
            custom_keys=custom if isinstance(custom, dict) else None,
            request=dict(request),
            created_at=now,
        )
        self._by_uid[transaction.uid] = transaction
        if len(self._by_uid) > self._keep:
            self._by_uid.popitem(last=False)
        return transaction

    def _check_fields(self, request: Mapping[str, object]) -> None:
        missing = [name for name in _REQUIRED if request.get(name) in (None, "")]
        if missing:
            raise MigoRefusalError(5000, f"Missing field: {', '.join(missing)}")
        if not all(isinstance(request[name], str) for name in _REQUIRED[1:]):
            raise MigoRefusalError(5000, "userId, channel and client are strings")
        if not isinstance(request.get("ads", []), list):
            raise MigoRefusalError(5000, "ads is an array")
        if request["client"] != self._config.client:
            raise MigoRefusalError(5004)
        if request["channel"] not in self._config.channels:
            raise MigoRefusalError(5000, f"Channel not enabled: {request['channel']}")

    def _amount(self, value: object) -> tuple[Decimal, int]:
        """Read an amount in the client's encoding as sent and in minor units.

        All currencies Migo lists (GTQ, USD, MXN, CRC, HNL, DOP, COP, SVC) have two minor digits.
        """
        # In Python True is an integer; in JSON it is no amount.
        if isinstance(value, bool) or not isinstance(value, int | Decimal):
            raise MigoRefusalError(5000, "amount is a number")
        amount = Decimal(value)
        if not amount.is_finite():
            raise MigoRefusalError(5000, "amount is a number")
        # The documents contradict each other on the unit; a client has one of them.
        minor = amount if self._config.amount_unit == "minor" else amount * 100
        if minor != minor.to_integral_value():
            raise MigoRefusalError(5000, "amount has too many decimals")
        if not self._config.min_minor <= minor <= self._config.max_minor:
            raise MigoRefusalError(2003)
        return amount, int(minor)

    def _check_overrides(self, overrides: object, amount: Decimal) -> None:
        for value in overrides.values() if isinstance(overrides, dict) else ():
            if not isinstance(value, int | Decimal) or value > amount:
                raise MigoRefusalError(2003, "processorAmount above amount")

    def _check_customer(self, user_id: str) -> None:
        for customer, state in self._config.customers.items():
            # Stored verbatim, and the documents use both forms of a phone number.
            if customer.lstrip("+") == user_id.lstrip("+"):
                raise MigoRefusalError(_CUSTOMER_CODES[state])

    def _currency(self, wanted: object) -> str:
        """Coerce silently, as documented: an unknown currency becomes the client's first."""
        enabled = self._config.currencies
        return wanted if isinstance(wanted, str) and wanted in enabled else enabled[0]

    def encode(self, minor: int) -> int | float:
        """Write minor units in the client's encoding, as a JSON number the way JavaScript does."""
        if self._config.amount_unit == "minor":
            return minor
        major = Decimal(minor) / 100
        return int(major) if major == major.to_integral_value() else float(major)


def read_json(body: bytes) -> dict[str, object]:
    """Read a request body; numbers keep their decimal digits.

    Raises:
        MigoRefusalError: 5000, the body is no JSON object.
    """
    try:
        value: object = json.loads(body, parse_float=Decimal)
    except ValueError as error:
        raise MigoRefusalError(5000, "Body is not JSON") from error
    if not isinstance(value, dict):
        raise MigoRefusalError(5000, "Body is not an object")
    return value
