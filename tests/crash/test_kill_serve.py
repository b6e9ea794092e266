"""`paybot serve` is killed ten times in its work: every acknowledged callback counts once."""

import asyncio
import json
import os
import random
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from bot.app import ALL_ROLES, Role
from bot.sandbox.webhooks import Webhook
from tests.crash.cuts import Cut
from tests.crash.mortal import MortalService
from tests.services import eventually

SEED = 20260101
KILLS = 10
PAYMENTS = 50
AT_ONCE = 4
START_S = 60.0


class Killed(MortalService):
    """The service as a process of its own; `revive` goes on with its books in this one."""

    process: subprocess.Popen[bytes]
    is_revived = False

    async def start(self, roles: frozenset[Role] = ALL_ROLES) -> None:
        self._spawn()
        await eventually(self._is_up, START_S)

    def _spawn(self) -> None:
        with (self._folder / "serve.log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "bot", "serve"],
                env={**self.environment(), "PATH": os.environ["PATH"]},
                cwd=self._folder,
                stdout=log,
                stderr=log,
            )

    async def _is_up(self) -> bool:
        assert self.process.poll() is None, (self._folder / "serve.log").read_text()
        try:
            return (await self.http.get("/readyz")).is_success
        except httpx.TransportError:
            return False

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(START_S)

    async def revive(self) -> None:
        await super().start()
        self.is_revived = True

    async def stop(self) -> None:
        self.kill()
        if self.is_revived:
            await super().stop()


def _phone(number: int) -> str:
    return f"+502555{number:05d}"


async def _ask(service: Killed, number: int) -> None:
    customer = {"phone": _phone(number), "locale": "es"}
    await service.create("sms", customer=customer)


def _approval(service: Killed, uid: str) -> Webhook:
    migo = service.sandbox.config.migo
    return Webhook(
        "migo",
        "callback",
        f"{service.sandbox.postman.public_url}/webhooks/migo",
        json.dumps({"uid": uid, "status": "approved", "amount": 15000, "currency": "GTQ"}).encode(),
        {"content-type": "application/json", migo.callback_header: migo.callback_secret},
    )


async def _pay_under_fire(service: Killed, uids: list[str], chance: random.Random) -> None:
    """Post callbacks, a few at once and each until it is acknowledged, killing on the way."""
    waiting = [_approval(service, uid) for uid in uids * 2]
    chance.shuffle(waiting)
    moments = set(chance.sample(range(len(waiting)), KILLS))
    acknowledged = 0

    async def post_some() -> None:
        nonlocal acknowledged
        while waiting:
            callback = waiting.pop()
            while not (await service.sandbox.postman.post(callback)).is_taken:
                await eventually(service._is_up, START_S)
            acknowledged += 1
            if acknowledged in moments:
                service.kill()
                await service.start()

    await asyncio.gather(*(post_some() for _ in range(AT_ONCE)))


async def test_ten_kills_lose_nothing_and_double_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cut = Cut("")
    cut.arm(monkeypatch)
    chance = random.Random(SEED)
    url = f"sqlite:///{tmp_path}/paybot.db"
    async with Killed(tmp_path, url, cut) as service:
        for number in range(PAYMENTS):
            await _ask(service, number)
        transactions = service.sandbox.migo.transactions
        await eventually(lambda: len(list(transactions)) == PAYMENTS, 30)
        handsets = service.sandbox.twilio.handsets
        await eventually(
            lambda: all(handsets.received_by(_phone(number)) for number in range(PAYMENTS)), 30
        )
        await _pay_under_fire(service, [each.uid for each in transactions], chance)
        service.kill()
        await service.revive()
        await service.rest()
        await _check(service)


async def _check(service: Killed) -> None:
    select = service.select
    assert await select("select status, count(*) from payment group by status") == [
        ("paid", PAYMENTS)
    ]
    paid = "select payment_id from ledger where to_status = 'paid'"
    assert len(await select(paid)) == len(set(await select(paid))) == PAYMENTS
    rows = await select(
        "select c.phone, o.status, o.uncertain_count from outbox o"
        " join customer c on c.id = o.customer_id where o.purpose = 'receipt'"
    )
    assert [(phone, "done") for phone, _, _ in sorted(rows)] == [
        (phone, status) for phone, status, _ in sorted(rows)
    ]
    assert len({phone for phone, _, _ in rows}) == len(rows) == PAYMENTS
    for phone, _, uncertain in rows:
        _, *receipts = service.sandbox.twilio.handsets.received_by(phone)
        assert len(receipts) == 1 or (uncertain and len(receipts) == 2), phone
    assert await select("select count(*) from inbox where status != 'done'") == [(0,)]
    assert await select("select count(*) from outbox where status = 'sending'") == [(0,)]
