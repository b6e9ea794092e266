"""A whole service in front of the sandbox, driven over its own doors."""

import itertools
import json
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx
import sqlalchemy as sa

from bot.app import ALL_ROLES, Application, Role, utc_now
from bot.sandbox.app import Sandbox
from bot.settings import Settings
from tests.services import eventually, free_port

Json = dict[str, Any]
TOKEN = "flow-test-token-0123456789"
PHONE = "+50255550101"
EMAIL = "ana@example.com"


def messages_of(payment: Json, purpose: str, *statuses: str) -> list[Json]:
    """The payment's messages of a purpose that have one of these statuses."""
    return [
        each
        for each in payment["messages"]
        if each["purpose"] == purpose and each["status"] in statuses
    ]


class Service:
    """A sandbox and a service pointed at each other; stopped together."""

    def __init__(
        self,
        folder: Path,
        database_url: str | None = None,
        clock: Callable[[], datetime] = utc_now,
        /,
        **extra: str,
    ) -> None:
        """Prepare; `extra` are settings that add to or replace the sandbox's own."""
        self._folder = folder
        self._clock = clock
        self._database_url = database_url or f"sqlite:///{folder}/paybot.db"
        self._extra = extra
        self._numbers = itertools.count(1)
        self.sandbox = Sandbox()
        self.port = free_port()

    def environment(self) -> dict[str, str]:
        """What the service is told."""
        return {
            **self.sandbox.environment(),
            "DATABASE_URL": self._database_url,
            "DATA_DIR": str(self._folder),
            "PORT": str(self.port),
            "API_TOKENS": TOKEN,
            "SUMMARY_TIME": "off",
            "SEND_RATES": "whatsapp=1000,sms=1000,email=1000,telegram=1000",
            "CUSTOMER_RATES": "whatsapp=1000,telegram=1000",
            **self._extra,
        }

    def settings(self) -> Settings:
        return Settings.load(self.environment())

    async def __aenter__(self) -> Self:
        try:
            await self._enter()
        except BaseException:
            await self.sandbox.stop()
            raise
        return self

    async def _enter(self) -> None:
        await self.sandbox.start(port=0, smtp_port=0)
        self.base_url = f"http://127.0.0.1:{self.port}"
        self.sandbox.point_at(self.base_url)
        self.http = httpx.AsyncClient(
            base_url=self.base_url, headers={"authorization": f"Bearer {TOKEN}"}, timeout=20
        )
        await self.start()

    async def start(self, roles: frozenset[Role] = ALL_ROLES) -> None:
        """Start a process of the service on the same database."""
        self.app = Application(self.settings(), roles=roles, clock=self._clock)
        try:
            await self.app.start()
        except BaseException:
            await self.app.stop()
            raise

    async def stop(self) -> None:
        """Stop the service; the sandbox stays."""
        await self.app.stop()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.http.aclose()
        await self.stop()
        await self.sandbox.stop()

    async def create(self, *route: str, **fields: object) -> Json:
        """Ask for a payment over `/v1`."""
        customer = {"phone": PHONE, "name": "Ana", "email": EMAIL, "locale": "es"}
        body = {
            "customer": customer | dict(fields.pop("customer", {}) or {}),  # type: ignore[call-overload]
            "amount_minor": 15000,
            "currency": "GTQ",
            "route": list(route),
            "concept": "Mensualidad",
            "external_id": f"INV-{next(self._numbers)}",
            **fields,
        }
        answer = await self.http.post("/v1/payments", json=body)
        assert answer.status_code == 201, answer.text
        payment: Json = answer.json()
        return payment

    async def read(self, payment: Json) -> Json:
        answer = await self.http.get(f"/v1/payments/{payment['id']}")
        assert answer.status_code == 200, answer.text
        found: Json = answer.json()
        return found

    async def until_status(self, payment: Json, status: str, within_s: float = 15) -> Json:
        """Wait until the payment has this status; give it as it is then."""

        def has_it(seen: Json) -> bool:
            return bool(seen["status"] == status)

        return await self.until(payment, has_it, within_s)

    async def until_message(
        self, payment: Json, purpose: str, *statuses: str, within_s: float = 20
    ) -> Json:
        """Wait until a message of this purpose has one of these statuses; give it."""

        def has_it(seen: Json) -> bool:
            return bool(messages_of(seen, purpose, *statuses))

        return messages_of(await self.until(payment, has_it, within_s), purpose, *statuses)[-1]

    async def until(
        self, payment: Json, holds: Callable[[Json], bool], within_s: float = 20
    ) -> Json:
        """Read the payment until something holds of it; give it as it is then."""
        seen: Json = {}

        async def is_so() -> bool:
            nonlocal seen
            seen = await self.read(payment)
            return holds(seen)

        try:
            await eventually(is_so, within_s)
        except AssertionError as error:
            error.add_note(json.dumps(seen, indent=1))
            raise
        return seen

    async def select(self, statement: str, **values: object) -> list[tuple[Any, ...]]:
        """Rows as the database has them."""
        return await self.app.store.transact(
            lambda tx: [tuple(row) for row in tx.run(sa.text(statement), dict(values))]
        )

    def bind_telegram(self) -> int:
        """Have the sandbox's customer press start and share their own contact; give the chat."""
        chat_id = self.sandbox.people.by_phone(PHONE).telegram_id
        self.sandbox.telegram.start(chat_id)
        self.sandbox.telegram.share_contact(chat_id)
        return chat_id

    def uid_of(self, payment: Json) -> str:
        """The uid of the payment's live link."""
        uid: str = next(each["uid"] for each in payment["links"] if not each["superseded"])
        return uid
