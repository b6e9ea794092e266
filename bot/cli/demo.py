"""`paybot demo`: the whole loop on every channel, in a sandbox that lives as long as the command.

Emulated providers and the service run in this process on free loopback ports, over a SQLite file
that is removed afterwards. The demo itself sees only what any customer and merchant see.
"""

import asyncio
import socket
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bot.cli import display
from bot.cli.errors import FailedError
from bot.cli.progress import Tell, arrived, end_of, progress, reason
from bot.cli.sandbox import until_told_to_stop

if TYPE_CHECKING:
    import httpx

    from bot.app import Application
    from bot.sandbox.app import Sandbox
    from bot.sandbox.telegram.chats import Chat

Json = dict[str, Any]

_WAIT_S = 30.0
_POLL_S = 0.05


@dataclass(frozen=True, slots=True)
class Play:
    """One payment to be played; `person` is who pays."""

    label: str
    person: str
    route: tuple[str, ...]


@dataclass(slots=True)
class Played:
    """What became of it; times in seconds from the request and from the payment."""

    play: Play
    channel: str = ""
    link_s: float | None = None
    is_paid: bool = False
    receipt_s: float | None = None
    problem: str = ""


PLAYS = (
    Play("WhatsApp", "ana", ("whatsapp",)),
    Play("SMS", "ana", ("sms",)),
    Play("email", "ana", ("email",)),
    Play("Telegram", "ana", ("telegram",)),
    Play("no WhatsApp, so SMS", "luz", ("whatsapp", "sms")),
)


@click.command("demo")
@click.option("--no-page", is_flag=True, help="End when the loop has been played.")
def demo_command(no_page: bool) -> None:
    """Play the whole loop on every channel and show the phones it happened on."""
    asyncio.run(_demo(stays=sys.stdin.isatty() and not no_page))


async def _demo(*, stays: bool) -> None:
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="paybot-demo-") as folder:
        async with _running(Path(folder)) as (sandbox, application):
            played = await _play_all(sandbox, application)
            _print(played, time.monotonic() - started)
            click.echo(f"\nphones: {sandbox.base_url}/")
            if stays:
                click.echo("a week in a minute: ask for a payment there, then press")
                click.echo("  `To the next reminder` until it is paid")
                click.echo(f"try it:  cd {folder} && PAYBOT_URL={application.base_url} paybot list")
                click.echo("Ctrl-C ends")
                await until_told_to_stop()
    failed = [each for each in played if each.problem]
    if failed:
        raise FailedError("; ".join(f"{each.play.label}: {each.problem}" for each in failed))


@asynccontextmanager
async def _running(folder: Path) -> "AsyncIterator[tuple[Sandbox, Application]]":
    """Run the sandbox and the service, pointed at each other."""
    from bot.app import Application
    from bot.cli.companion import accompany
    from bot.sandbox.app import Sandbox
    from bot.settings import Settings
    from bot.telemetry import configure_logging

    configure_logging("text", "ERROR", sys.stderr)
    sandbox = Sandbox()
    await sandbox.start(port=0, smtp_port=0)
    try:
        settings = Settings.load(
            {
                **sandbox.environment(),
                **sandbox.shop(),
                # The emulated providers have no such limit, and whoever looks on should not wait.
                "CUSTOMER_RATES": "whatsapp=50,telegram=50",
                "DATABASE_URL": f"sqlite:///{folder}/paybot.db",
                "PORT": str(_free_port()),
            }
        )
        application = Application(settings, clock=sandbox.clock)
        try:
            await application.start()
            sandbox.point_at(application.base_url)
            accompany(sandbox, application)
            yield sandbox, application
        finally:
            await application.stop()
    finally:
        await sandbox.stop()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


async def _play_all(sandbox: "Sandbox", application: "Application") -> Sequence[Played]:
    import httpx

    from bot.sandbox.people import Person

    sandbox.people.add(Person("luz", "Luz", phone="+50255550102"))
    sandbox.twilio.handsets.broken.add("whatsapp:+50255550102")
    headers = {"authorization": f"Bearer {application.tokens[0]}"}
    with progress("playing") as tell:
        tell(f"a service with its sandbox is up at {application.base_url}")
        # Two clients, since the customer's browser must not carry the merchant's token.
        service = httpx.AsyncClient(
            base_url=f"{application.base_url}/v1", headers=headers, trust_env=False, timeout=_WAIT_S
        )
        async with service, httpx.AsyncClient(trust_env=False, timeout=_WAIT_S) as browser:
            stage = Stage(sandbox, service, browser, tell)
            return await asyncio.gather(*(stage.perform(play) for play in PLAYS))


class Stage:
    """Where payments are played: the service, the customers' phones, and who watches."""

    def __init__(
        self,
        sandbox: "Sandbox",
        service: "httpx.AsyncClient",
        browser: "httpx.AsyncClient",
        tell: Tell,
    ) -> None:
        self._sandbox = sandbox
        self._service = service
        self._browser = browser
        self._tell = tell

    async def perform(self, play: Play) -> Played:
        """Ask for one payment, pay it, and see its receipt arrive."""
        played = Played(play)
        try:
            await self._run(played)
        except (FailedError, OSError) as error:
            played.problem = str(error)
            self._tell(f"{play.label}: {error}")
        return played

    async def _run(self, played: Played) -> None:
        play = played.play
        if "telegram" in play.route:
            await self._share_contact(play.person)
        asked_at = time.monotonic()
        payment = await self._create(play)
        payment = await self._until(payment, "link")
        played.link_s = time.monotonic() - asked_at
        played.channel = (arrived(payment, "link") or {}).get("channel", "")
        self._tell(f"{play.label}: link delivered by {played.channel}")
        await self._pay(payment)
        paid_at = time.monotonic()
        payment = await self._until(payment, "receipt")
        played.is_paid = payment["status"] == "paid"
        played.receipt_s = time.monotonic() - paid_at
        self._tell(f"{play.label}: paid, receipt delivered")

    async def _share_contact(self, person_id: str) -> None:
        """Let the customer press Start and share their own contact, so that the bot may write."""
        person = self._sandbox.people.get(person_id)
        chat = self._sandbox.telegram.chats.chat(person.telegram_id)
        self._sandbox.telegram.start(person.telegram_id)
        await self._until_answers(chat, 1)
        self._sandbox.telegram.share_contact(person.telegram_id)
        await self._until_answers(chat, 2)

    async def _until_answers(self, chat: "Chat", number: int) -> None:
        deadline = time.monotonic() + _WAIT_S
        while sum(message.is_from_bot for message in chat.messages) < number:
            if time.monotonic() > deadline:
                raise FailedError(f"the bot did not answer within {_WAIT_S:.0f} s")
            await asyncio.sleep(_POLL_S)

    async def _create(self, play: Play) -> Json:
        person = self._sandbox.people.get(play.person)
        customer = {"phone": person.phone, "name": person.name, "email": person.email or None}
        body = {
            "customer": customer,
            "amount_minor": 15000,
            "currency": "GTQ",
            "route": list(play.route),
            "concept": "Mensualidad",
        }
        return _json(await self._service.post("/payments", json=body))

    async def _until(self, payment: Json, purpose: str) -> Json:
        """Read the payment until its message of this purpose arrived.

        Raises:
            FailedError: it cannot arrive any more, or did not in time.
        """
        deadline = time.monotonic() + _WAIT_S
        while True:
            payment = _json(await self._service.get(f"/payments/{payment['id']}"))
            end = end_of(payment, purpose)
            if end:
                return payment
            if end is False or payment["alerts"]:
                raise FailedError(reason(payment))
            if time.monotonic() > deadline:
                raise FailedError(f"no {purpose} arrived within {_WAIT_S:.0f} s")
            await asyncio.sleep(_POLL_S)

    async def _pay(self, payment: Json) -> None:
        """Press the button of the payment page."""
        url = next(link["url"] for link in payment["links"] if not link["superseded"])
        answer = await self._browser.post(url, data={"action": "approve"})
        if answer.status_code != 303:
            raise FailedError(f"the payment page answered {answer.status_code}")


def _json(answer: "httpx.Response") -> Json:
    if not answer.is_success:
        raise FailedError(f"/v1 answered {answer.status_code}: {answer.text}")
    document: Json = answer.json()
    return document


def _print(played: Sequence[Played], total_s: float) -> None:
    click.echo()
    columns = ("PAYMENT", "DELIVERED BY", "LINK AFTER", "PAID", "RECEIPT AFTER")
    rows = [
        (
            each.play.label,
            each.channel or "-",
            _seconds(each.link_s),
            "yes" if each.is_paid else "no",
            _seconds(each.receipt_s),
        )
        for each in played
    ]
    display.print_table(columns, rows)
    done = sum(each.receipt_s is not None and each.is_paid for each in played)
    click.echo(f"\n{done} of {len(played)} paid and receipted, in {total_s:.1f} s with start-up")


def _seconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f} s"
