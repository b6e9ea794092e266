"""One message of a member of staff while it is handled: who wrote it, and how it is answered."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from bot.domain.payment import Payment
from bot.domain.staff import MONEY_ACTIONS, Action, may
from bot.handlers.replies import Choice, Reply, owe_reply
from bot.handlers.rules import Rules
from bot.store import conversations, sales, schedules
from bot.store.conversations import Conversation
from bot.store.engine import Tx
from bot.store.staff import Staff
from channels.base import InboundMessage

IDLE = "idle"
_KEPT = frozenset({"pin"})


@dataclass(slots=True)
class Desk:
    """What the handlers of one message share; the conversation is written back at its end."""

    tx: Tx
    rules: Rules
    staff: Staff
    message: InboundMessage
    inbox_id: int
    conversation: Conversation
    _said: int = 0

    def may(self, action: Action) -> bool:
        """Whether the role of whoever writes allows it."""
        return may(self.staff.role, action)

    def needs_pin(self, action: Action) -> bool:
        """Whether this must be proved by a PIN: money, asked for by a number alone."""
        return action in MONEY_ACTIONS and self.staff.telegram_user_id is None

    def say(
        self,
        phrase: str,
        values: Mapping[str, object] | None = None,
        *,
        choices: tuple[Choice, ...] = (),
        qr_url: str | None = None,
        replaces: str | None = None,
    ) -> int | None:
        """Owe an answer in this chat; give its outbox row."""
        self._said += 1
        return owe_reply(
            self.tx,
            self.message.sender,
            Reply(f"staff.{phrase}", values or {}, choices, qr_url=qr_url, replaces=replaces),
            key=f"reply:{self.inbox_id}:{self._said}",
            customer_id=None,
            locale=self.staff.locale,
            answers=self.message.tap_id if self._said == 1 else None,
        )

    def choice(
        self,
        label: str,
        action: str,
        values: Mapping[str, object] | None = None,
        /,
        **data: object,
    ) -> Choice:
        """A one-use button for this person in this chat; its label is worded with `values`."""
        token = conversations.offer(
            self.tx, self.message.sender, self.message.user_id, action, data
        )
        return Choice(f"staff.button.{label}", payload=token, values=values or {})

    def go_to(self, state: str, **slots: object) -> None:
        """Move the conversation; what is not named is forgotten, but for the tries at the PIN."""
        kept = {
            name: self.conversation.slots[name] for name in _KEPT & set(self.conversation.slots)
        }
        self.conversation = replace(self.conversation, state=state, slots={**kept, **slots})

    @property
    def tapped(self) -> str | None:
        """The message under which a button was pressed, where it can be edited."""
        if self.message.payload is None or self.message.sender.channel not in self.rules.edits:
            return None
        return self.message.replied_to

    def can_see(self, payment: Payment) -> bool:
        """Whether this payment may be shown to whoever writes."""
        is_own = schedules.asker(self.tx, payment.created_by).startswith(self.staff.actor_prefix)
        return is_own or self.may(Action.SEE_ALL)

    def find(self, reference: str) -> Payment | None:
        """The payment of this name, if it may be seen; if not, told like one that does not exist.

        An id or external id wins over a reference of Migo's, of which there may be several.
        """
        seen = [payment for payment in sales.find(self.tx, reference) if self.can_see(payment)]
        named = [each for each in seen if reference in (each.id, each.external_id)]
        chosen = named or seen
        if len(chosen) == 1:
            return chosen[0]
        if chosen:
            ids = ", ".join(payment.id for payment in chosen)
            self.say("ambiguous", {"ids": ids})
        else:
            self.say("not_found")
        return None
