"""Loads what a customer's dialogue may know: their own payments, and what they may buy."""

from collections.abc import Mapping
from types import MappingProxyType
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from bot.domain.heard import Debt, DebtState, Known, Receipt
from bot.domain.identity import region
from bot.domain.payment import UNPAID, Customer, LinkStatus, PaymentStatus
from bot.handlers.consent import is_stopped
from bot.handlers.reminder_books import home_of
from bot.handlers.rules import Rules
from bot.store import debts, people
from bot.store.debts import Account
from bot.store.engine import Tx
from channels.base import Address, ChannelName

_RECEIPTS_KEPT = 20
_PORTUGUESE = "BR PT AO MZ CV GW ST TL"
_ENGLISH = "US CA GB IE AU NZ JM BZ BS BB TT GY ZA NG KE GH IN PH SG"
_SPANISH = "GT SV HN NI CR PA MX CO VE EC PE BO CL AR UY PY CU DO PR ES GQ"
_SPOKEN: Mapping[str, str] = MappingProxyType(
    {
        **dict.fromkeys(_PORTUGUESE.split(), "pt-BR"),
        **dict.fromkeys(_ENGLISH.split(), "en"),
        **dict.fromkeys(_SPANISH.split(), "es"),
    }
)


def known_of(
    tx: Tx, rules: Rules, at: Address, customer: Customer | None, phone: str | None
) -> Known:
    """What is known of whoever writes from this address; nothing of anybody else's."""
    accounts = [] if customer is None else debts.of_customer(tx, customer.id)
    paid = [each for each in accounts if each.paid_at is not None and _is_paid(each)]
    paid.sort(key=lambda each: (each.paid_at, each.payment.id), reverse=True)
    return Known(
        now=tx.now,
        time_zone=zone_of_customer(rules, customer).key,
        wants_reminders=customer is None or people.wishes(tx, customer.id).wants_reminders,
        is_identified=phone is not None,
        can_identify=at.channel is ChannelName.TELEGRAM,
        is_stopped=is_stopped(tx, at, customer),
        debts=tuple(_debt(each) for each in accounts if not _is_paid(each)),
        receipts=tuple(_receipt(each) for each in paid[:_RECEIPTS_KEPT]),
        catalogue=rules.catalogue,
    )


def zone_of_customer(rules: Rules, customer: Customer | None) -> ZoneInfo:
    """Where the customer lives: as on record, else as their number tells, else the merchant's."""
    if customer is None:
        return ZoneInfo(rules.time_zone)
    return home_of(rules, customer.phone, customer.time_zone)[1]


def language_of(
    customer: Customer | None, phone: str | None, written: str | None, rules: Rules
) -> str:
    """The person's language: on record, else as they write, else as in their number's country."""
    if customer is not None and customer.locale:
        return customer.locale
    country = None if phone is None else region(phone)
    return written or _SPOKEN.get(country or "", rules.locale)


def _is_paid(account: Account) -> bool:
    return account.payment.status is PaymentStatus.PAID


def _names(account: Account) -> frozenset[str]:
    payment = account.payment
    names = {payment.id, payment.external_id, *(link.reference for link in account.links)}
    return frozenset(name.casefold() for name in names if name)


def _reference(account: Account) -> str | None:
    link = account.live_link
    return (None if link is None else link.reference) or account.payment.external_id


def _host(account: Account) -> str | None:
    link = account.live_link
    return None if link is None else urlsplit(link.url).netloc or None


def _debt(account: Account) -> Debt:
    payment = account.payment
    return Debt(
        payment.id,
        payment.money,
        payment.concept,
        _reference(account),
        _state(account),
        _names(account),
        expires_at=payment.expires_at,
        is_disputed=account.is_disputed,
        host=_host(account),
    )


def _state(account: Account) -> DebtState:
    payment, link = account.payment, account.live_link
    is_odd = any(each.status in (LinkStatus.HELD, LinkStatus.PAID) for each in account.links)
    if payment.status is PaymentStatus.HELD or is_odd or account.is_disputed:
        return DebtState.WAITING
    if payment.status is PaymentStatus.EXPIRED:
        return DebtState.EXPIRED
    if payment.status in UNPAID and link is None:
        return DebtState.MAKING
    return DebtState.PAYABLE if link is not None and link.url else DebtState.WAITING


def _receipt(account: Account) -> Receipt:
    payment = account.payment
    return Receipt(
        payment.id,
        account.paid or payment.money,
        payment.concept,
        _reference(account),
        account.paid_at or payment.created_at,
        _names(account),
        host=_host(account),
    )
