"""What answers before all of it is there."""

import asyncio
import threading

import httpx
import pytest
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp

from bot.web.late import Late

WAIT_S = 20.0


async def test_who_comes_early_waits_and_is_answered() -> None:
    may_end = threading.Event()

    def build() -> ASGIApp:
        assert may_end.wait(WAIT_S)
        return PlainTextResponse("here")

    late = Late(build)
    transport = httpx.ASGITransport(late)
    async with httpx.AsyncClient(transport=transport, base_url="http://paybot.example") as client:
        asking = asyncio.create_task(client.get("/"))
        given_up = asyncio.create_task(client.get("/"))
        await asyncio.sleep(0)
        # Whoever hangs up takes nothing from the others.
        given_up.cancel()
        assert not asking.done()
        may_end.set()
        async with asyncio.timeout(WAIT_S):
            assert (await asking).text == "here"
    await late.aclose()


async def test_what_cannot_be_built_is_told() -> None:
    def build() -> ASGIApp:
        raise ValueError("a bug")

    late = Late(build)
    with pytest.raises(ValueError, match="a bug"):
        await late.built()
    await late.aclose()
