"""What is said of a bulk file row by row: JSON-safe rows that a text room puts into words."""

from collections.abc import Mapping, Sequence

from bot.domain.bulk import BulkRow
from bot.domain.bulk_row import Fault, write_faults
from bot.domain.payment import PaymentStatus
from bot.store import batch_results
from bot.store.batch_results import Result
from bot.store.engine import Tx

Line = Mapping[str, object]

_ON_ITS_WAY = frozenset({PaymentStatus.REQUESTED.value, PaymentStatus.LINKED.value})
_PAGE = 500


def error_report(rows: Sequence[BulkRow]) -> list[Line]:
    """The wrong rows: number, reason and cells."""
    return [
        {"row": row.number, "reason": write_faults(row.faults), "cells": dict(row.cells)}
        for row in rows
        if row.request is None
    ]


def result_report(tx: Tx, batch_id: str) -> list[Line]:
    """Every row with its state, channel, link, reason and payment."""
    lines: list[Line] = []
    after = 0
    while page := batch_results.results(tx, batch_id, after=after, limit=_PAGE):
        lines += [_line(result) for result in page]
        after = page[-1].row.number
    return lines


def _line(result: Result) -> Line:
    state = state_of(result)
    reason = result.row.reason
    if reason is None and result.error and state in ("stuck", "held"):
        reason = write_faults([Fault("refused", result.error)])
    return {
        "row": result.row.number,
        "state": state,
        "channel": result.channel,
        "link": result.url,
        "reason": reason,
        "payment": result.payment_id,
        "cells": dict(result.row.cells),
    }


def state_of(result: Result) -> str:
    """Where a row stands: its own state, else its payment's, else its message's."""
    if result.payment_status is None:
        return result.row.state
    if result.payment_status not in _ON_ITS_WAY:
        return result.payment_status
    match result.message:
        case "done":
            return result.delivery if result.delivery in ("delivered", "read") else "sent"
        case "dead" | "uncertain" | "cancelled":
            return "stuck"
        case _:
            return result.payment_status
