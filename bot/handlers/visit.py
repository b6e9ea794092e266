"""One message of one customer on its way through a transaction: who wrote it, and how to answer."""

from dataclasses import dataclass

from bot.domain.payment import Customer
from bot.handlers.replies import Reply, owe_reply
from bot.handlers.rules import Rules
from bot.store.conversations import Conversation
from bot.store.engine import Tx
from channels.base import InboundMessage


@dataclass(slots=True)
class Visit:
    """What all that answers one message shares.

    `phone` is the E.164 number that this chat proves, known customer or not. `said` counts the
    replies, which makes their keys.
    """

    tx: Tx
    rules: Rules
    message: InboundMessage
    inbox_id: int
    conversation: Conversation
    customer: Customer | None
    phone: str | None
    said: int = 0

    @property
    def customer_id(self) -> int | None:
        """The customer's id, where there is one."""
        return None if self.customer is None else self.customer.id

    def key(self) -> str:
        """What makes the next reply to this message unique."""
        self.said += 1
        return f"reply:{self.inbox_id}:{self.said}"

    def say(self, reply: Reply, locale: str | None) -> None:
        """Owe a reply; the first one also answers the tap."""
        answers = self.message.tap_id if self.said == 0 else None
        owe_reply(
            self.tx,
            self.message.sender,
            reply,
            key=self.key(),
            customer_id=self.customer_id,
            locale=locale,
            answers=answers,
        )
