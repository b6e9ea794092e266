"""What reminders will be sent if nothing happens meanwhile: the judgement of sending, foreseen."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import islice

from bot.domain.foreseeing import Foreseen, foresee
from bot.domain.planned import Planned
from bot.domain.reminder_book import Coming
from bot.domain.reminding import Go, follow
from bot.handlers.reminder_books import Shelf, shelf_of
from bot.handlers.rules import Rules
from bot.store import reminding
from bot.store.engine import Tx

_PAGE = 500


def planned_reminders(tx: Tx, rules: Rules, *, until: datetime, limit: int) -> list[Planned]:
    """Every reminder that would go out before `until`, in order, `limit` at most."""
    return foreseen_reminders(tx, rules, until=until, limit=limit)[0]


def foreseen_reminders(
    tx: Tx, rules: Rules, *, until: datetime, limit: int
) -> tuple[list[Planned], bool]:
    """Every reminder that would go out before `until`, `limit` at most, and whether there are more.

    Payments that a schedule has yet to make are not looked at.
    """
    reminded = reminding.customers_reminded_before(tx, until, limit=limit)
    links = reminding.links_coming_before(tx, until, limit=limit)
    coming: dict[int, list[Coming]] = {}
    for customer_id, payment_id, at in links:
        coming.setdefault(customer_id, []).append(Coming(at, payment_id))
    owners = list(dict.fromkeys([*reminded, *coming]))
    found: list[Planned] = []
    for start in range(0, len(owners), _PAGE):
        page = owners[start : start + _PAGE]
        shelf = shelf_of(tx, rules, page, coming=coming)
        for customer_id in page:
            found += islice(_of_customer(shelf, customer_id, tx.now, until), limit + 1)
    found.sort(key=lambda each: (each.at, each.payment_id or ""))
    return found[:limit], limit in (len(reminded), len(links)) or len(found) > limit


def _of_customer(
    shelf: Shelf, customer_id: int, now: datetime, until: datetime
) -> Iterator[Planned]:
    for seen in foresee(shelf.books[customer_id], now=now, until=until):
        if isinstance(seen.verdict, Go):
            yield from _rows(shelf, customer_id, seen, seen.verdict)


def _rows(shelf: Shelf, customer_id: int, seen: Foreseen, going: Go) -> Sequence[Planned]:
    person = shelf.people[customer_id]
    book = shelf.books[customer_id]
    rows = []
    for row in (seen.row, *going.with_others):
        payment = shelf.series[row.payment_id].payment
        rule = f"{follow(book, row, seen.at).tone.value}, planned for {row.day}"
        if row is not seen.row:
            rule += f", in one message with {seen.row.payment_id}"
        if row.put_off_why is not None:
            rule += f"; put off: {row.put_off_why}"
        rows.append(
            Planned(
                at=seen.at,
                what="reminder",
                phone=person.phone,
                name=person.name,
                channel=seen.row.channel,
                money=payment.money,
                concept=payment.concept,
                rule=rule,
                payment_id=payment.id,
            )
        )
    return rows
