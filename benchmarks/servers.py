"""The servers that `benchmarks.callbacks` compares; prints its port, then serves."""

import asyncio
import hashlib
import secrets
import socket
import sys
import time
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import uvicorn
import uvloop

from benchmarks.callbacks import SECRET
from bot.coordination import open_coordination
from bot.domain.calendars import Reminding, read_packs
from bot.domain.delivery import Purpose
from bot.domain.money import Money
from bot.handlers.facts import on_link_made
from bot.handlers.payment import PaymentRequest, create_payment
from bot.handlers.rules import Dispatches, Rules
from bot.intake import Intake
from bot.memory import spare_what_stays
from bot.migo import AmountUnit, CallbackGate
from bot.spool import Spool
from bot.store import attempts, waiting
from bot.store.engine import Store, Tx
from bot.store.inbox import Door, Received, Source
from bot.store.schema import metadata
from bot.telemetry.metrics import Metrics
from bot.web.app import Health, build_web
from bot.web.callbacks import CallbackDoor
from bot.web.callers import Proxies, Refusals
from bot.web.webhooks import Doors
from bot.wiring import read_report
from channels.base import ChannelName

COUNTRIES = Path(__file__).resolve().parents[1] / "bot" / "domain" / "countries.toml"
RULES = Rules(
    couriers=frozenset({ChannelName.SMS}),
    reports=frozenset(),
    migo_channels={"sms": "sms"},
    currencies=frozenset({"GTQ"}),
    dispatches=Dispatches.UNKNOWN,
    new_id=lambda: secrets.token_hex(8),
    random=lambda: 0.5,
    reminding=Reminding(packs=read_packs(COUNTRIES.read_text("utf-8"))),
)


def now() -> datetime:
    return datetime.now(UTC)


async def nothing(item: Received) -> None:
    """Where the server without a database puts its requests."""


def app_over(put: Any) -> Any:
    doors = Doors(
        put=put,
        put_callback=put,
        is_from_migo=CallbackGate("x-api-key", (SECRET,)).admits,
        public_url="http://127.0.0.1",
        twilio=None,
        telegram=None,
        refusals=Refusals(Metrics(), Proxies()),
    )

    async def is_ready() -> bool:
        return True

    async def metrics() -> bytes:
        return b""

    async def no_api(scope: Any, receive: Any, send: Any) -> None:
        raise NotImplementedError

    return build_web(doors, no_api, Health(is_ready, metrics), tokens=())


def _seed(tx: Tx, first: int, count: int) -> None:
    for number in range(first, first + count):
        request = PaymentRequest(
            phone=f"+5025{number:07d}",
            money=Money(15000, "GTQ"),
            route=("sms",),
            created_by="benchmark",
            request_hash="",
        )
        payment = create_payment(tx, RULES, request).payment
        attempt = attempts.attempts_of(tx, payment.id)[0]
        on_link_made(
            tx, RULES, attempt, uid=f"uid{number:018d}", reference=None, url="https://example.com/"
        )
        waiting.cancel_waiting(tx, purposes=(Purpose.LINK,), why="seeded", payment_id=payment.id)


async def ours(folder: Path, payments: int, *, with_worker: bool) -> Any:
    coordination = open_coordination(None, process="benchmark")
    store = Store(f"sqlite:///{folder}/ours.db", clock=now, on_wake=coordination.wake)
    store.open()
    metadata.create_all(store.engine)
    for first in range(0, payments, 500):
        count = min(500, payments - first)
        await store.transact(partial(_seed, first=first, count=count))
    if with_worker:
        intake = Intake(
            store,
            RULES,
            coordination,
            readers={Source.MIGO: lambda item: [read_report(item, AmountUnit.MINOR)]},
            new_token=lambda: secrets.token_hex(8),
            clock=now,
            metrics=Metrics(),
        )
        task = asyncio.create_task(intake.run())
        watch = asyncio.create_task(_tell_when_handled(store, payments, folder / "handled"))
        KEPT.update({task, watch})
    spool = Spool(folder / "spool", clock=time.time)
    spool.open()
    return app_over(CallbackDoor(Door(store), spool).put)


KEPT: set[Any] = set()


async def _tell_when_handled(store: Store, count: int, done: Path) -> None:
    def receipts(tx: Tx) -> int:
        import sqlalchemy as sa

        from bot.store.schema import outbox as table

        statement = sa.select(sa.func.count()).where(table.c.purpose == "receipt")
        return int(tx.run(statement).scalar_one())

    while await store.transact(receipts) < count:
        await asyncio.sleep(0.1)
    done.touch()


async def tutorial(folder: Path, payments: int) -> Any:
    """The handler as the tutorials of FastAPI and SQLAlchemy put it together."""
    import sqlalchemy as sa
    from fastapi import Depends, FastAPI, Header, HTTPException
    from pydantic import BaseModel
    from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine

    engine = create_async_engine(f"sqlite+aiosqlite:///{folder}/tutorial.db")
    tables = sa.MetaData()
    inbox = sa.Table(
        "inbox",
        tables,
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("hash", sa.String, unique=True),
        sa.Column("body", sa.Text),
        sa.Column("at", sa.DateTime),
    )
    payment = sa.Table(
        "payment",
        tables,
        sa.Column("uid", sa.String, primary_key=True),
        sa.Column("status", sa.String),
        sa.Column("amount", sa.Integer),
    )
    owed = sa.Table(
        "outbox",
        tables,
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("key", sa.String, unique=True),
    )

    @sa.event.listens_for(engine.sync_engine, "connect")
    def durable(connection: Any, record: object) -> None:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")

    async with engine.begin() as connection:
        await connection.run_sync(tables.create_all)
        rows = [
            {"uid": f"uid{number:018d}", "status": "linked", "amount": 15000}
            for number in range(payments)
        ]
        await connection.execute(payment.insert(), rows)
    sessions = async_sessionmaker(engine, expire_on_commit=False)

    async def session() -> Any:
        async with sessions() as each:
            yield each

    class Callback(BaseModel):
        uid: str
        reference: str
        status: str
        amount: int
        currency: str

    app = FastAPI()

    @app.post("/webhooks/migo")
    async def callback(
        body: Callback,
        x_api_key: str = Header(),
        db: AsyncSession = Depends(session),  # noqa: B008
    ) -> dict[str, str]:
        if not secrets.compare_digest(x_api_key, SECRET):
            raise HTTPException(401)
        text = body.model_dump_json()
        digest = hashlib.sha256(text.encode()).hexdigest()
        await db.execute(inbox.insert().values(hash=digest, body=text, at=now()))
        found = (await db.execute(sa.select(payment).where(payment.c.uid == body.uid))).first()
        if found is None or found.amount != body.amount:
            raise HTTPException(422)
        paid = payment.update().where(payment.c.uid == body.uid).values(status="paid")
        await db.execute(paid)
        await db.execute(owed.insert().values(key=f"receipt:{body.uid}"))
        await db.commit()
        return {}

    return app


async def build(kind: str, folder: Path, payments: int) -> Any:
    match kind:
        case "bare":
            return app_over(nothing)
        case "door" | "all":
            return await ours(folder, payments, with_worker=kind == "all")
        case "tutorial":
            return await tutorial(folder, payments)
    raise SystemExit(f"no server of kind {kind}")


async def main(kind: str, folder: Path, payments: int) -> None:
    app = await build(kind, folder, payments)
    spare_what_stays()
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(1024)
    config = uvicorn.Config(app, log_config=None, access_log=False, lifespan="off")
    print(listener.getsockname()[1], flush=True)
    await uvicorn.Server(config).serve(sockets=[listener])


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])))
