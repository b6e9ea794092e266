"""Two transactions on PostgreSQL, of which one is held open until the other waits for it."""

import threading
import time
from collections.abc import Callable

import sqlalchemy as sa

from bot.domain.payment import Payment, PaymentStatus
from bot.store.engine import Tx

WAIT_S = 20.0
Work = Callable[[Tx], object]


def claim_held(booking: Work, claim: Work, payment: Payment) -> list[Work]:
    """The booking begins once a row is claimed, and the claim ends once the booking waits for it.

    The claim fails if the money is booked while it is still open.
    """
    is_claimed = threading.Event()

    def book(tx: Tx) -> object:
        assert is_claimed.wait(WAIT_S)
        return booking(tx)

    def hold(tx: Tx) -> object:
        claimed = claim(tx)
        is_claimed.set()
        until = time.monotonic() + WAIT_S
        while not tx.run(_IS_WAITED_FOR).scalar():
            status = tx.run(_STATUS, {"id": payment.id}).scalar()
            assert status != PaymentStatus.PAID.value, "the money did not wait for the reminder"
            assert time.monotonic() < until, "the money was not booked at all"
        return claimed

    return [book, hold]


def booking_held(booking: Work, claim: Work) -> list[Work]:
    """The claim begins once the money is booked, which is committed once the claim has ended.

    Where it waits for the booking instead, that goes on as well.
    """
    is_booked, is_over = threading.Event(), threading.Event()

    def hold(tx: Tx) -> object:
        booked = booking(tx)
        is_booked.set()
        until = time.monotonic() + WAIT_S
        while not is_over.is_set() and not tx.run(_IS_WAITED_FOR).scalar():
            assert time.monotonic() < until, "the claim did not end"
        return booked

    def take(tx: Tx) -> object:
        assert is_booked.wait(WAIT_S)
        try:
            return claim(tx)
        finally:
            is_over.set()

    return [hold, take]


_IS_WAITED_FOR = sa.text(
    "select exists (select from pg_locks where not granted"
    " and pg_backend_pid() = any(pg_blocking_pids(pid)))"
)
_STATUS = sa.text("select status from payment where id = :id")
