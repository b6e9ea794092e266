"""Bad input at every public door, in this process and on a file: nothing answers 5xx.

What a door stored is then read by intake, a part of it, for that is where most of it is parsed.
"""

import asyncio
import base64
import hashlib
import hmac
import random
import resource
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import sqlalchemy as sa

from bot.app import Application, Role
from bot.sandbox.app import Sandbox
from bot.settings import Settings
from tests.crash.mutants import Aim, Mutant, golden_bodies, mutant, nasty_bodies
from tests.crash.progress import shown
from tests.crash.report import Report
from tests.crash.wire import json_bytes
from tests.flow.service import TOKEN
from tests.services import eventually, free_port

AT_ONCE = 16
SLOWEST_S = 5.0
"""A second is the promise for one request; here sixteen at once share a busy machine."""
MOST_GROWTH_MB = 20
READ_AT_MOST, READ_EACH = 1000, 10
"""Of what the door took, one in ten is handled by intake as well, up to a thousand."""

PUBLIC_URL = "https://paybot.example"
SECRET = "telegram-secret-0123456789abcdefgh"
Asgi = Callable[[Any, Any, Any], Awaitable[None]]
_NOT_ADMITTED = {0, 401, 403, 404, 405, 429}
_PAYMENT = {
    "customer": {"phone": "+50255550101", "name": "Ana", "email": "ana@example.com"},
    "amount_minor": 15000,
    "currency": "GTQ",
    "route": ["sms", "email"],
    "concept": "Mensualidad",
    "external_id": "INV-1",
}


def aims(sandbox: Sandbox) -> dict[str, Aim]:
    """Every public door with what lets a request in."""
    migo, twilio = sandbox.config.migo, sandbox.config.twilio
    secret = migo.callback_secret.encode()

    def bearer(body: bytes, query: str) -> Mapping[bytes, bytes]:
        return {b"authorization": b"Bearer " + TOKEN.encode(), b"content-type": _JSON}

    def signed(path: str) -> Callable[[bytes, str], Mapping[bytes, bytes]]:
        def prove(body: bytes, query: str) -> Mapping[bytes, bytes]:
            pairs = parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True)
            text = PUBLIC_URL + path + "".join(a + b for a, b in sorted(pairs))
            digest = hmac.new(
                twilio.auth_token.encode(), text.encode("utf-8", "surrogatepass"), hashlib.sha1
            ).digest()
            return {b"x-twilio-signature": base64.b64encode(digest), b"content-type": _FORM}

        return prove

    def form(kind: str) -> tuple[bytes, ...]:
        ours = twilio.account_sid.encode()
        return tuple(
            each.replace(b"AC" + b"0" * 32, ours) for each in golden_bodies("twilio", kind)
        )

    status, inbound = "/webhooks/twilio/status", "/webhooks/twilio/inbound"
    good = json_bytes({"uid": "u" * 21, "status": "approved", "amount": 15000, "currency": "GTQ"})
    queries = ("", "status=linked,paid&limit=5", "created_after=2026-01-01T00:00:00Z", "cursor=abc")
    listed = (
        Aim(
            "migo",
            "POST",
            "/webhooks/migo",
            (good, good, good, *nasty_bodies()),
            lambda body, query: {b"x-api-key": secret, b"content-type": _JSON},
        ),
        Aim("twilio-inbound", "POST", inbound, form("inbound"), signed(inbound), is_form=True),
        Aim("twilio-status", "POST", status, form("status"), signed(status), is_form=True),
        Aim(
            "telegram",
            "POST",
            "/webhooks/telegram",
            golden_bodies("telegram"),
            lambda body, query: {
                b"x-telegram-bot-api-secret-token": SECRET.encode(),
                b"content-type": _JSON,
            },
        ),
        Aim("api-create", "POST", "/v1/payments", (json_bytes(_PAYMENT),), bearer),
        Aim("api-list", "GET", "/v1/payments", (b"",), bearer, queries=queries),
        Aim("healthz", "GET", "/healthz", (b"",), lambda body, query: {}),
    )
    return {aim.name: aim for aim in listed}


DOORS = tuple(aims(Sandbox()))


async def fuzz(name: str, *, cases: int, seed: int) -> Report:
    """Send `cases` mutants to one door."""
    report, chance = (
        Report("fuzz", {"endpoint": name, "seed": seed, "n": cases}),
        random.Random(seed),
    )
    sandbox = Sandbox()
    with tempfile.TemporaryDirectory(prefix="paybot-fuzz-") as folder:
        aim = aims(sandbox)[name]
        door = await start_for(sandbox, Path(folder), {Role.WEB})
        try:
            await _send_all(asgi_of(door), aim, cases, chance, report)
            if aim.path.startswith("/webhooks"):
                await _thin_out(door, min(READ_AT_MOST, cases // READ_EACH))
        finally:
            await door.stop()
        if aim.path.startswith("/webhooks"):
            await _read_some(sandbox, Path(folder), report)
    return report


async def start_for(sandbox: Sandbox, folder: Path, roles: set[Role]) -> Application:
    application = Application(
        Settings.load(
            {
                **sandbox.environment(),
                "DATABASE_URL": f"sqlite:///{folder}/paybot.db",
                "DATA_DIR": str(folder),
                "PORT": str(free_port()),
                "API_TOKENS": TOKEN,
                "PUBLIC_URL": PUBLIC_URL,
                "TELEGRAM_WEBHOOK_SECRET": SECRET,
            }
        ),
        roles=roles,
    )
    await application.start()
    if application.web is not None:
        await application.web.whole()
    return application


def asgi_of(application: Application) -> Asgi:
    assert application.web is not None
    app: Asgi = application.web.app
    return app


async def _send_all(app: Asgi, aim: Aim, cases: int, chance: random.Random, report: Report) -> None:
    began, statuses, slowest = time.monotonic(), Counter[int](), 0.0
    unhandled: list[str] = []
    warm_kb, corpus = 0, hashlib.sha256()
    waiting = iter(shown(range(cases), "requests"))

    async def some() -> None:
        nonlocal slowest, warm_kb
        for number in waiting:
            request = mutant(aim, chance)
            corpus.update(request.body)
            at = time.monotonic()
            try:
                statuses[await _ask(app, request, number)] += 1
            except Exception as error:  # noqa: BLE001 - any of them is what is looked for
                unhandled.append(f"{type(error).__name__}: {error}"[:200])
            slowest = max(slowest, time.monotonic() - at)
            if number == cases // 5:
                warm_kb = _resident_kb()

    await asyncio.gather(*(some() for _ in range(AT_ONCE)))
    grown_mb = (_resident_kb() - warm_kb) / 1024
    took_s = time.monotonic() - began
    report.figures |= {"secs": took_s, "per_s": cases / took_s}
    for hundreds in (2, 3, 4):
        report.figures[f"{hundreds}xx"] = _between(statuses, hundreds * 100, hundreds * 100 + 99)
    report.figures["5xx"] = _between(statuses, 500, 999)
    report.must(not report.figures["5xx"], f"5xx: {statuses}")
    report.none_of("unhandled", unhandled)
    admitted = cases - sum(statuses[each] for each in _NOT_ADMITTED)
    report.figures["past_auth"] = f"{admitted * 100 // max(cases, 1)}%"
    report.must(admitted * 10 >= cases, "too few requests came past the door")
    report.must_bite(report.figures["2xx"], "taken requests")
    report.must_bite(report.figures["4xx"], "refused requests")
    report.figures |= {"rss_delta": f"{grown_mb:+.0f}MB", "slowest": f"{slowest * 1000:.0f}ms"}
    report.must(grown_mb < MOST_GROWTH_MB, "memory grows")
    report.must(slowest < SLOWEST_S, "a request took too long")
    report.figures["corpus"] = f"sha256:{corpus.hexdigest()[:12]}"


def _between(statuses: Counter[int], first: int, last: int) -> int:
    return sum(number for status, number in statuses.items() if first <= status <= last)


def _resident_kb() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() // 1024


async def _ask(app: Asgi, request: Mutant, number: int) -> int:
    """Hand one request to the application as the server would, the body in two parts.

    Each comes from an address that had none lately, or else most would meet the limit of one
    address for unproven requests, and nothing behind it.
    """
    half = len(request.body) // 2
    parts = [(request.body[:half], True), (request.body[half:], False)]
    status = 0

    async def receive() -> dict[str, object]:
        if not parts:
            return {"type": "http.disconnect"}
        body, is_more = parts.pop(0)
        return {"type": "http.request", "body": body, "more_body": is_more}

    async def send(message: Mapping[str, Any]) -> None:
        nonlocal status
        if message["type"] == "http.response.start":
            status = message["status"]

    await app(_scope(request, number), receive, send)
    return status


def _scope(request: Mutant, number: int) -> dict[str, object]:
    high, low = divmod(number % 2**16, 2**8)
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": request.method,
        "scheme": "http",
        "path": request.path,
        "raw_path": request.path.encode("utf-8"),
        "query_string": request.query,
        "root_path": "",
        "headers": request.headers,
        "client": (f"198.18.{high}.{low}", 40000),
        "server": ("127.0.0.1", 8000),
        "state": {},
    }


async def _thin_out(door: Application, left: int) -> None:
    """Leave only a few of the rows that the door stored."""
    few = "delete from inbox where id not in (select id from inbox order by id desc limit :few)"
    await door.store.transact(lambda tx: tx.run(sa.text(few), {"few": left}))


async def _read_some(sandbox: Sandbox, folder: Path, report: Report) -> None:
    """Have intake handle the rows that were left; what it does not expect it tries again."""
    worker = await start_for(sandbox, folder, {Role.WORKER})

    async def select(statement: str) -> Iterable[Any]:
        return await worker.store.transact(lambda tx: tx.run(sa.text(statement)).all())

    async def is_read() -> bool:
        [(fresh,)] = await select(
            "select count(*) from inbox where last_error is null and status in ('new', 'claimed')"
        )
        return bool(fresh == 0)

    try:
        await eventually(is_read, 120)
        ended = dict(await select("select status, count(*) from inbox group by status"))
        failed = await select(
            "select distinct last_error from inbox where status in ('new', 'dead')"
            " and last_error not like 'no message is known%'"
        )
    finally:
        await worker.stop()
    parsed = sum(ended.values()) - ended.get("held", 0)
    report.figures["past_parse"] = f"{parsed * 100 // max(sum(ended.values()), 1)}%"
    report.must_bite(parsed, "requests that could be read")
    report.none_of("intake_failed", [error for (error,) in failed])


_JSON = b"application/json"
_FORM = b"application/x-www-form-urlencoded"
