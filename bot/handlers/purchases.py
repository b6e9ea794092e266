"""What customers buy from a chat: a payment of their own making, or a person who helps."""

from collections.abc import Mapping

from bot.domain.heard import CreatePayment, Say
from bot.domain.payment import Alert
from bot.handlers.payment import PaymentRequest, RequestError, create_payment
from bot.handlers.planning import alarm
from bot.handlers.visit import Visit
from bot.store import payments


def buy(visit: Visit, bought: CreatePayment) -> Say | None:
    """Make the payment that was confirmed; what to say instead where it cannot be made."""
    if visit.phone is None:
        return _cannot_buy(visit, bought, why="this chat shows no number")
    name = None if visit.customer is not None else visit.message.sender_name
    content: Mapping[str, object] = {"product": bought.product, "quantity": bought.quantity}
    request = PaymentRequest(
        phone=visit.phone,
        money=bought.money,
        route=(visit.message.sender.channel.value,),
        created_by="customer",
        request_hash=payments.request_hash(content),
        name=name,
        concept=f"{bought.quantity} × {bought.product}",
        idempotency_key=f"chat:{visit.inbox_id}",
    )
    try:
        create_payment(visit.tx, visit.rules, request)
    except RequestError as error:
        return _cannot_buy(visit, bought, why=str(error))
    return None


def _cannot_buy(visit: Visit, bought: CreatePayment, *, why: str) -> Say:
    """Have staff help somebody who wants to buy, and say that they were told."""
    number, channel = visit.conversation.id, visit.message.sender.channel.value
    what = f"{bought.quantity} × {bought.product}"
    alarm(
        visit.tx,
        visit.rules,
        Alert.CANNOT_PAY,
        key=f"buy:{number}",
        detail=f"conversation {number} over {channel}: the customer wants to buy {what}: {why}",
        inbox_id=visit.inbox_id,
        reopens=True,
    )
    return Say("customer.purchase_failed")
