"""The sandbox: all emulators in one ASGI application, and a mail relay beside it."""

from pathlib import Path

import httpx
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.types import ASGIApp

from bot.sandbox.beside import Beside, Companion
from bot.sandbox.config import SandboxConfig
from bot.sandbox.mail.relay import MailRelay
from bot.sandbox.migo.pay_page import PayPage
from bot.sandbox.phones.control import Control
from bot.sandbox.phones.page import page_routes
from bot.sandbox.server import HttpServer
from bot.sandbox.twilio.content import TEMPLATES_FILE
from bot.sandbox.world import World

_CATALOGUE = Path(__file__).with_name("catalogue.toml")


class Sandbox(World):
    """Stands in for Migo, Twilio, Telegram, a mail relay and the people who are written to.

    `asgi` works with `httpx.ASGITransport`; `start` serves it on loopback. State is in memory
    and bounded. Every attribute (`migo`, `twilio`, `telegram`, `mailbox`, `people`, `faults`,
    `journal`, `postman`, `clock`) may be read and acted upon at any time from the same event loop.
    """

    def __init__(self, config: SandboxConfig | None = None) -> None:
        super().__init__(config)
        self._smtp_address = "127.0.0.1:2525"
        self._server: HttpServer | None = None
        self._beside = Beside(self)
        self._relay = MailRelay(self.mailbox, self.faults, self.journal, self.people)
        self.asgi: ASGIApp = self._application()

    def _application(self) -> ASGIApp:
        control = Control(self, self._beside)
        return Starlette(
            routes=[
                Mount("/migo", routes=self.migo.routes()),
                Mount("/twilio", routes=self.twilio.routes()),
                Mount("/telegram", routes=self.telegram.routes()),
                *PayPage(self.migo, self.clock).routes(),
                Mount("/sandbox/api", routes=control.routes()),
                *page_routes(),
            ]
        )

    async def start(self, host: str = "127.0.0.1", port: int = 8010, smtp_port: int = 2525) -> None:
        """Listen for HTTP and SMTP; port 0 takes any free one.

        Raises:
            OSError: a port is taken.
        """
        smtp_port = await self._relay.start(host, smtp_port)
        self._smtp_address = f"{host}:{smtp_port}"
        self._server = HttpServer(self.asgi)
        try:
            port = await self._server.start(host, port)
        except OSError:
            await self._relay.stop()
            raise
        # Links already made keep the address they were made with, as in life.
        self.base_url = f"http://{host}:{port}"

    async def stop(self) -> None:
        """End streams, polls and webhooks under way, and close the ports."""
        # Streams and polls end first: the server waits for open requests.
        self.journal.close()
        self.telegram.updates.close()
        await self.postman.aclose()
        if self._server is not None:
            await self._server.stop()
            self._server = None
        await self._relay.stop()

    def point_at(
        self,
        service_url: str,
        *,
        public_url: str | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        """Choose the service that webhooks go to.

        Args:
            service_url: where it listens.
            public_url: its address as providers know it, over which signatures are computed;
                the same as `service_url` unless given.
            transport: reaches the service without a socket.
        """
        self.postman.point_at(service_url, public_url or service_url, transport)

    def accompany(self, companion: Companion) -> None:
        """Let the phones page move the time and ask for money, with a service on this clock."""
        self._beside.companion = companion
        self.journal.touch()

    def shop(self) -> dict[str, str]:
        """List the settings that give a service something to sell, for people to try."""
        return {"CATALOGUE": str(_CATALOGUE)}

    async def settled(self) -> None:
        """Wait until no webhook is under way."""
        await self.postman.settled()

    def environment(self) -> dict[str, str]:
        """List the settings that point a service at this sandbox."""
        migo, twilio = self.config.migo, self.config.twilio
        return {
            "MIGO_BASE_URL": f"{self.base_url}/migo",
            "MIGO_TOKEN": migo.token,
            "MIGO_PUBLIC_KEY": migo.public_key,
            "MIGO_PRIVATE_KEY": migo.private_key,
            "MIGO_CLIENT": migo.client,
            "MIGO_AMOUNT_UNIT": migo.amount_unit,
            "MIGO_DISPATCHES": "no",
            "MIGO_CURRENCIES": ",".join(migo.currencies),
            "MIGO_LINK_HOSTS": self.base_url.partition("://")[2],
            "MIGO_CALLBACK_SECRET": migo.callback_secret,
            "TWILIO_ACCOUNT_SID": twilio.account_sid,
            "TWILIO_AUTH_TOKEN": twilio.auth_token,
            "TWILIO_BASE_URL": f"{self.base_url}/twilio",
            "TWILIO_WHATSAPP_FROM": twilio.whatsapp_from,
            "TWILIO_SMS_FROM": twilio.sms_from,
            "WHATSAPP_TEMPLATES": str(TEMPLATES_FILE),
            "SMTP_URL": f"smtp://{self._smtp_address}?tls=off",
            "EMAIL_FROM": self.config.email_from,
            "TELEGRAM_BOT_TOKEN": self.config.telegram.token,
            "TELEGRAM_API_URL": f"{self.base_url}/telegram",
        }
