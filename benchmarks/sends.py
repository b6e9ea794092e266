"""Sends at 128 in flight against a provider with 100 ms latency: ours beside a bare aiohttp loop.

Ours is the whole way of a message: claim, render, send through the Twilio SDK, settle, on SQLite
with synchronous FULL. The bare loop posts the same form and reads the same answer.
"""

import asyncio
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
import uvloop

from benchmarks.servers import RULES, now
from benchmarks.slow_provider import Started
from bot.coordination import open_coordination
from bot.dispatcher import Composer, Dispatcher, Sending
from bot.domain.delivery import Purpose
from bot.handlers.facts import on_link_made
from bot.handlers.planning import plan_message
from bot.memory import spare_what_stays
from bot.migo import CreateLink, LinkCreated
from bot.relay import Relay
from bot.store import attempts, links, payments, showing, waiting
from bot.store.engine import Store, Tx
from bot.store.schema import metadata
from bot.telemetry.metrics import Metrics
from bot.texts import Texts
from channels.outcome import new_client
from channels.registry import ChannelsConfig, build_channels

IN_FLIGHT, LATENCY_S = 128, 0.1
N, WARM = 6_000, 512
"""Messages that are timed, and those before them, after which both have their calls in flight."""


class NoMigo:
    """No link is made here."""

    async def create_link(self, wanted: CreateLink) -> LinkCreated:
        raise NotImplementedError


async def bare(port: int) -> float:
    """Messages a second of a loop that does nothing but post."""
    numbers, started = iter(range(WARM + N)), 0.0
    form = {"To": "+50255551234", "From": "+15005550006", "Body": "x" * 120}
    headers = {"authorization": "Basic " + "QQ==" * 16}
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=256)) as session:

        async def work() -> None:
            nonlocal started
            for number in numbers:
                if number == WARM:
                    started = time.perf_counter()
                url = f"http://127.0.0.1:{port}/2010-04-01/Accounts/AC/Messages.json"
                async with session.post(url, data=form, headers=headers) as answer:
                    await answer.json()

        await asyncio.gather(*(work() for _ in range(IN_FLIGHT)))
        return N / (time.perf_counter() - started)


def seed(tx: Tx, count: int) -> None:
    from bot.domain.money import Money
    from bot.handlers.payment import PaymentRequest, create_payment

    request = PaymentRequest(
        phone="+50255551234",
        money=Money(15000, "GTQ"),
        route=("sms",),
        created_by="benchmark",
        request_hash="",
        concept="Mensualidad",
    )
    payment = create_payment(tx, RULES, request).payment
    attempt = attempts.attempts_of(tx, payment.id)[0]
    waiting.cancel_waiting(tx, purposes=(), why="seeded", payment_id=payment.id, with_create=True)
    url = "https://sandbox.migopayments.com/?orderId=Ypo5z2zTpLqWoe3eVvZMH"
    on_link_made(tx, RULES, attempt, uid="Ypo5z2zTpLqWoe3eVvZMH", reference="CAMPGT", url=url)
    link = links.current_link(tx, payment.id)
    current = payments.read(tx, payment.id)
    if link is None or current is None:
        raise RuntimeError("seeding failed")
    for number in range(count - 1):
        plan_message(
            tx, RULES, current, Purpose.LINK, key=f"bench:{number}", link=link, route=("sms",)
        )


async def ours(port: int, folder: Path) -> float:
    """Messages a second of the whole way."""
    coordination = open_coordination(None, process="benchmark")
    store = Store(f"sqlite:///{folder}/sends.db", clock=now, on_wake=coordination.wake)
    store.open()
    metadata.create_all(store.engine)
    await store.transact(lambda tx: seed(tx, WARM + N))
    client = new_client(timeout_s=30.0, keep_alive=True)
    channels = build_channels(
        ChannelsConfig(
            twilio_account_sid="AC" + "0" * 32,
            twilio_auth_tokens=("0" * 32,),
            twilio_base_url=f"http://127.0.0.1:{port}",
            sms_from="+15005550006",
        ),
        clock=now,
        client=client,
    )
    dispatcher = Dispatcher(
        channels=channels,
        migo=NoMigo(),
        composer=Composer(
            Texts(merchant="Benchmark", overrides=None, default_locale="es"),
            None,
            locale="es",
            time_zone="America/Guatemala",
        ),
        sending=Sending("http://127.0.0.1"),
        clock=lambda: datetime.now(UTC),
        locale="es",
    )
    tokens = iter(range(10**9))
    relay = Relay(
        store,
        RULES,
        dispatcher,
        coordination,
        rates={},
        worker="benchmark",
        new_token=lambda: f"token{next(tokens)}",
        clock=now,
        metrics=Metrics(),
        width=IN_FLIGHT,
    )
    spare_what_stays()
    running = asyncio.create_task(relay.run())
    left = await _left(store, N)
    started, cpu = time.perf_counter(), time.process_time()
    await _left(store, 0)
    took = time.perf_counter() - started
    print(
        f"  paybot's CPU a message             {(time.process_time() - cpu) / left * 1000:9.2f} ms"
    )
    relay.stop()
    await running
    await client.aclose()
    await store.close()
    return left / took


async def _left(store: Store, wanted: int) -> int:
    """Wait until so few messages are not settled, or fewer; give how many those are."""
    while (left := await store.transact(_unsettled)) > wanted:
        # Rarely asked while there are many: counting the rows is no part of what is measured.
        await asyncio.sleep(0.25 if left - wanted > IN_FLIGHT * 8 else 0.02)
    return left


def _unsettled(tx: Tx) -> int:
    figures = showing.figures(tx)
    return figures.due + figures.sending


def main() -> bool:
    """Run both; True if ours reaches 70 % of the bare loop."""
    print(f"sends: {IN_FLIGHT} in flight, {LATENCY_S * 1000:.0f} ms latency, one process")
    provider = Started(LATENCY_S)
    try:
        limit = uvloop.run(bare(provider.port))
        with tempfile.TemporaryDirectory() as folder:
            rate = uvloop.run(ours(provider.port, Path(folder)))
    finally:
        provider.end()
    ratio = rate / limit
    word = "reached" if ratio >= 0.7 else "MISSED"
    print(f"  bare aiohttp loop                  {limit:9,.0f}/s")
    print(f"  paybot: claim, render, send, settle {rate:8,.0f}/s")
    print(f"  paybot / bare                 {ratio:6.2f}   asked: 0.70   {word}")
    return ratio >= 0.7
