"""Merchants who ask, customers who pay when a link reaches them, and Migo that tells of it.

They go on whatever happens to the service. What was answered 2xx is remembered byte for byte, and
so is what reached a customer: against both the books are compared afterwards.
"""

import asyncio
import itertools
import random
import re
import time
from collections import Counter
from collections.abc import Callable, Iterator

from bot.sandbox.app import Sandbox
from tests.crash.wire import Line, json_bytes, request
from tests.flow.service import TOKEN

AMOUNT = 15000
SELLERS, PAYERS = 3, 6
MOST_UNPAID = 60
_URL = re.compile(r"/pay/\?orderId=([\w-]+)")


def phone_of(number: int) -> str:
    return f"+502555{number:05d}"


def mail_of(number: int) -> str:
    return f"c{number}@example.com"


class Crowd:
    """The load on one service with its sandbox."""

    sellers = SELLERS

    def __init__(self, sandbox: Sandbox, ports: list[int], chance: random.Random) -> None:
        self._sandbox = sandbox
        self.ports = ports
        self._chance = chance
        self._numbers = itertools.count()
        self._serials = itertools.count()
        self._to_pay: asyncio.Queue[str] = asyncio.Queue()
        self._tasks: list[asyncio.Task[None]] = []
        self._is_over = False
        self.created: set[int] = set()
        self.acked: dict[str, set[bytes]] = {}
        self.unacked = 0
        self.most_unpaid = MOST_UNPAID
        self.statuses: Counter[int] = Counter()
        self.told: Counter[int] = Counter()
        """How Migo's callbacks alone were answered."""
        self.answered_at = 0.0
        self.heard_of: set[str] = set()
        self._seen = (0, 0)

    @property
    def acked_count(self) -> int:
        return sum(len(bodies) for bodies in self.acked.values())

    def start(self) -> None:
        works = [self._sell] * self.sellers + [self._pay] * PAYERS + [self._notice]
        self._tasks = [
            asyncio.create_task(work(self.ports[number % len(self.ports)]))
            for number, work in enumerate(works)
        ]

    async def stop(self) -> None:
        """Begin nothing more and end what is under way; what is not answered stays unknown."""
        self._is_over = True
        for task in self._tasks:
            task.cancel()
        for ended in await asyncio.gather(*self._tasks, return_exceptions=True):
            if isinstance(ended, Exception):
                raise ended

    async def _sell(self, port: int) -> None:
        line = Line(port)
        try:
            while not self._is_over:
                if len(self.created) - len(self.acked) > self.most_unpaid:
                    await asyncio.sleep(0.01)
                    continue
                await self._ask(line, next(self._numbers))
        finally:
            line.close()

    async def _ask(self, line: Line, number: int) -> None:
        """Ask for one payment until it is answered: every other one goes by mail."""
        body = {
            "customer": {"phone": phone_of(number), "email": mail_of(number), "locale": "es"},
            "amount_minor": AMOUNT,
            "currency": "GTQ",
            "route": ["email" if number % 2 else "sms"],
            "external_id": f"INV-{number}",
        }
        asking = request("POST", "/v1/payments", json_bytes(body), _API)
        while True:
            status, answer = await line.exchange(asking)
            self.statuses[status] += 1
            if status in (200, 201):
                self.created.add(number)
                return
            assert status in (0, 503), answer

    async def _notice(self, _: int) -> None:
        while True:
            self.look()
            await asyncio.sleep(0.02)

    def look(self) -> None:
        """Read what came since the last look; who has a link for the first time will pay."""
        for _, text in self.new_messages():
            for uid in _URL.findall(text):
                if uid not in self.heard_of:
                    self.heard_of.add(uid)
                    self._to_pay.put_nowait(uid)

    def new_messages(self) -> Iterator[tuple[str, str]]:
        mails, texts = list(self._sandbox.mailbox.mails), list(self._sandbox.twilio.messages)
        yield from [(mail.to, mail.text) for mail in mails[self._seen[0] :]]
        yield from [(text.to, text.body) for text in texts[self._seen[1] :]]
        self._seen = (len(mails), len(texts))

    async def _pay(self, port: int) -> None:
        line = Line(port)
        try:
            while True:
                uid = await self._to_pay.get()
                for _ in range(self._chance.randint(1, 4)):
                    body = self._callback(uid)
                    for _ in range(self._chance.choice((1, 1, 2))):
                        await self._tell(line, uid, body)
        finally:
            line.close()

    def _callback(self, uid: str) -> bytes:
        told = {"uid": uid, "status": "approved", "amount": AMOUNT, "currency": "GTQ"}
        return json_bytes({**told, "note": next(self._serials)})

    async def _tell(self, line: Line, uid: str, body: bytes) -> None:
        """Post a callback until it is acknowledged."""
        migo = self._sandbox.config.migo
        secret = {"content-type": "application/json", migo.callback_header: migo.callback_secret}
        telling = request("POST", "/webhooks/migo", body, secret)
        while True:
            status, _ = await line.exchange(telling)
            self.told[status] += 1
            if 200 <= status < 300:
                self.acked.setdefault(uid, set()).add(body)
                self.answered_at = time.monotonic()
                return
            self.unacked += 1

    async def tell_more(self, rate: float, for_s: float) -> list[float]:
        """Tell in other words, evenly, of what was told before; give how long each one took."""
        told = await asyncio.gather(
            *(self._tell_evenly(number, rate, for_s) for number in range(PAYERS))
        )
        return [took for times in told for took in times]

    async def _tell_evenly(self, number: int, rate: float, for_s: float) -> list[float]:
        line = Line(self.ports[number % len(self.ports)])
        known, took, start = sorted(self.acked), [], time.monotonic()
        try:
            for turn in range(number, int(rate * for_s), PAYERS):
                await asyncio.sleep(max(0.0, start + turn / rate - time.monotonic()))
                uid = self._chance.choice(known)
                began = time.monotonic()
                await self._tell(line, uid, self._callback(uid))
                took.append(time.monotonic() - began)
        finally:
            line.close()
        return took

    async def pay_rest(self, port: int) -> int:
        """Pay whatever reached a customer and is not paid yet; give how many that were."""
        self.look()
        owing = sorted(self.heard_of - self.acked.keys())
        waiting = iter(owing)
        await asyncio.gather(*(self._pay_some(port, waiting) for _ in range(PAYERS)))
        return len(owing)

    async def _pay_some(self, port: int, waiting: Iterator[str]) -> None:
        line = Line(port)
        for uid in waiting:
            await self._tell(line, uid, self._callback(uid))
        line.close()


_API = {"content-type": "application/json", "authorization": f"Bearer {TOKEN}"}


def received(sandbox: Sandbox, number: int) -> tuple[list[str], list[str]]:
    """What a customer received: the uid of every link, and every text without one."""
    texts = [mail.text for mail in sandbox.mailbox.read_by(mail_of(number))]
    texts += [text.body for text in sandbox.twilio.handsets.received_by(phone_of(number))]
    uids = [uid for text in texts for uid in set(_URL.findall(text))]
    return uids, [text for text in texts if not _URL.search(text)]


async def until(condition: Callable[[], bool], within_s: float) -> bool:
    """Wait until something holds; False where it did not in time."""
    deadline = time.monotonic() + within_s
    while not condition():
        if time.monotonic() > deadline:
            return False
        await asyncio.sleep(0.005)
    return True
