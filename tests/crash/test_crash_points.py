"""Cut at every named point, born again, run to rest: nothing is lost and nothing is done twice."""

import json
from pathlib import Path

import pytest

from bot.sandbox.webhooks import Webhook
from tests.crash.cuts import CALLBACK, ENDS, POINTS, Cut
from tests.crash.mortal import MortalService
from tests.flow.service import EMAIL, PHONE

AFTER_PAYING = (*CALLBACK, *(f"receipt {end}" for end in ENDS))


async def live(
    tmp_path: Path,
    database_url: str,
    patch: pytest.MonkeyPatch,
    point: str,
    *,
    channel: str = "sms",
    is_shuffled: bool = False,
) -> None:
    """Ask, be paid, give the receipt, with one death on the way; then look at what is left."""
    cut = Cut(point)
    cut.arm(patch)
    async with MortalService(tmp_path, database_url, cut) as service:
        await service.ask(channel)
        await service.rest()
        [(uid,)] = await service.select("select uid from link where superseded_at is null")
        await service.post(_callbacks(service, uid, is_shuffled=is_shuffled))
        await service.rest()
        assert cut.point == "", f"nothing ever came to: {point}"
        assert cut.violations == []
        await _check_books(service, uid)
        await _check_customer(service, channel)


def _callbacks(service: MortalService, uid: str, *, is_shuffled: bool) -> list[Webhook]:
    migo = service.sandbox.config.migo
    bodies = [{"status": "approved"}]
    if is_shuffled:
        bodies = [{"status": each} for each in ("approved", "denied", "approved", "approved")]
        bodies[2]["note"] = "the same news in other words"
    return [
        Webhook(
            "migo",
            "callback",
            f"{service.sandbox.postman.public_url}/webhooks/migo",
            json.dumps({"uid": uid, "amount": 15000, "currency": "GTQ", **body}).encode(),
            {"content-type": "application/json", migo.callback_header: migo.callback_secret},
        )
        for body in bodies
    ]


async def _check_books(service: MortalService, uid: str) -> None:
    select = service.select
    assert await select("select status from payment") == [("paid",)]
    assert await select("select count(*) from ledger where to_status = 'paid'") == [(1,)]
    receipts = "select key, status from outbox where purpose = 'receipt'"
    assert await select(receipts) == [(f"receipt:{uid}", "done")]
    assert await select("select count(*) from inbox where status != 'done'") == [(0,)]
    assert await select("select count(*) from outbox where status in ('sending', 'pending')") == [
        (0,)
    ]
    assert await select("select count(*) from link_attempt where state = 'sending'") == [(0,)]
    asked = [each.external_id for each in service.sandbox.migo.transactions]
    assert len(asked) == len(set(asked)), "Migo was asked twice in one attempt"
    live = "select count(*) from link where exposed_at is not null and superseded_at is null"
    assert await select(live) == [(1,)]


async def _check_customer(service: MortalService, channel: str) -> None:
    """Each message came, and a second time only where nobody could know that it had."""
    rows = await service.select(
        "select purpose, uncertain_count from outbox where purpose in ('link', 'receipt')"
    )
    uncertain = dict(rows)
    [(url,)] = await service.select("select url from link where superseded_at is null")
    texts = _received(service, channel)
    links = [text for text in texts if url in text]
    receipts = [text for text in texts if url not in text]
    for purpose, received in (("link", links), ("receipt", receipts)):
        most = 1 + (uncertain[purpose] if channel == "email" else 0)
        assert 1 <= len(received) <= most, f"{len(received)} times: the {purpose}"


def _received(service: MortalService, channel: str) -> list[str]:
    if channel == "email":
        return [mail.text for mail in service.sandbox.mailbox.read_by(EMAIL)]
    return [each.body for each in service.sandbox.twilio.handsets.received_by(PHONE)]


@pytest.mark.parametrize("point", POINTS)
async def test_one_death_loses_and_doubles_nothing(
    tmp_path: Path, database_url: str, monkeypatch: pytest.MonkeyPatch, point: str
) -> None:
    await live(tmp_path, database_url, monkeypatch, point)


@pytest.mark.parametrize("point", AFTER_PAYING)
async def test_nor_with_callbacks_repeated_and_out_of_order(
    tmp_path: Path, database_url: str, monkeypatch: pytest.MonkeyPatch, point: str
) -> None:
    await live(tmp_path, database_url, monkeypatch, point, is_shuffled=True)


@pytest.mark.parametrize("point", [f"{what} {end}" for what in ("link", "receipt") for end in ENDS])
async def test_where_nobody_can_be_asked_a_message_may_come_once_more(
    tmp_path: Path, database_url: str, monkeypatch: pytest.MonkeyPatch, point: str
) -> None:
    await live(tmp_path, database_url, monkeypatch, point, channel="email")
