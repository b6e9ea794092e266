"""Everything the sandbox holds: people, emulators, faults and the journal, wired together."""

from bot.sandbox.clock import TravelClock
from bot.sandbox.config import SandboxConfig
from bot.sandbox.faults import Faults
from bot.sandbox.journal import Journal
from bot.sandbox.mail.mailbox import Mailbox
from bot.sandbox.migo.service import Migo
from bot.sandbox.people import People
from bot.sandbox.telegram.service import Telegram
from bot.sandbox.twilio.service import Twilio
from bot.sandbox.webhooks import Postman


class World:
    """The state behind all doors; bounded, in memory, of one event loop."""

    def __init__(self, config: SandboxConfig | None = None) -> None:
        self.config = config or SandboxConfig()
        self.clock = TravelClock(self.config.now)
        now, keep = self.clock, self.config.keep
        self.base_url = "http://127.0.0.1:8010"
        self.faults = Faults()
        self.people = People((*self.config.people, self.config.staff))
        self.journal = Journal(now, keep)
        # One for all providers: held, delayed and counted webhooks are found in one place.
        self.postman = Postman(
            self.faults, self.journal, timeout_s=self.config.webhook_timeout_s, keep=keep
        )
        self.migo = Migo(
            self.config.migo,
            faults=self.faults,
            postman=self.postman,
            journal=self.journal,
            now=now,
            base_url=lambda: self.base_url,
            keep=keep,
        )
        self.twilio = Twilio(
            self.config.twilio,
            faults=self.faults,
            postman=self.postman,
            journal=self.journal,
            people=self.people,
            now=now,
            base_url=lambda: self.base_url,
            keep=keep,
        )
        self.telegram = Telegram(
            self.config.telegram,
            faults=self.faults,
            postman=self.postman,
            journal=self.journal,
            people=self.people,
            now=now,
            keep=keep,
        )
        self.mailbox = Mailbox(now, keep)
